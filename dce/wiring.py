"""The one place where cores and edges are joined: one signal worker from its configuration.

```
Sockets ──batch──► Pump ──► Endpoint ◄──► Desk ──facts──► encode, seal ──► Journal
   ▲                 │                      ▲                                 │
   └──────sends──────┘                      └────────── Durable(seq) ◄────────┘
Resolver ──AddressesChanged──► Desk         LinkServer ──► SignalLink ──► Desk.perform
```
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from auction.bid import BidTerms, fingerprint
from dce import plan_files
from dce.book_order import write_order
from dce.call_log import call_log
from dce.clock import EngineClock
from dce.config import Config
from dce.folders import secret_file
from dce.histogram import Histogram
from dce.journal_keeping import JournalKeeping
from dce.pump import Pump
from dce.recovery import LastPlan, begin, recover
from exchange.desk import Desk
from exchange.market import Market
from exchange.planning import stale_ids
from exchange.recover import Replay, ReplayState, standing
from exchange.signals import AddressesChanged, CheckBids, PutBids, RemoveBids, SwapPlan
from routing.plan import Plan
from routing.plan_build import build_plan, build_plan_steps
from routing.plan_file import PlanFile
from sip.edge.driver import Sockets, listen_spec
from sip.edge.resolve import Resolver
from sip.endpoint import Endpoint
from sip.signals import Flow
from storage.fact_types import FACT_TYPES
from storage.journal import Journal
from storage.sealing import open_keys
from vocabulary import codec
from vocabulary.commands import PlanSwapped
from vocabulary.errors import CommandRefused, ExchangeError
from vocabulary.limits import NS_PER_MS

log = logging.getLogger("dce.signal")

PEPPER_BYTES = 32
BIDS_PER_STEP = 128  # about 2 ms of the loop at most

Chunks = list[tuple[BidTerms, ...]]


class PlanInDoubt(CommandRefused):
    """A plan's apply failed after its first change: it may route calls, and it is not `current`."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            plan_files.IN_DOUBT,
            f"the plan may be in force until the next start, which takes the one before: {reason}",
            retry=True,
        )


@dataclass
class SignalCore:
    """The joined parts of a running signal worker."""

    config: Config
    clock: EngineClock
    desk: Desk
    endpoint: Endpoint
    sockets: Sockets
    journal: Journal
    pump: Pump
    resolver: Resolver
    durable: "DurableWaits"
    applying: asyncio.Lock
    gc_pauses: Histogram
    keeping: JournalKeeping

    def bound(self) -> list[tuple[str, str, int]]:
        """(transport, host, port) of every listener."""
        return self.sockets.addresses()

    async def apply_plan(self, plan_file: Path, bids_file: Path) -> PlanSwapped:
        """Read, build and swap in short steps while calls run; returns once it is durable.

        `current` then names it for the next start. Raises PlanRefused, CommandRefused or OSError
        with the running plan unchanged, and PlanInDoubt for a failure after the first change.
        """
        async with self.applying:
            if self.journal.failed:
                raise CommandRefused("journal_failed", self.journal.failed, retry=True)
            plan, digest, chunks = await self._prepare(plan_file, bids_file)
            try:
                return await self._swap(plan, digest, chunks)
            except (CommandRefused, OSError) as error:
                raise PlanInDoubt(str(error)) from error

    async def _prepare(self, plan_file: Path, bids_file: Path) -> tuple[Plan, bytes, Chunks]:
        """The plan built and its bids checked; nothing has changed yet."""
        source, digest = await asyncio.to_thread(plan_files.read_plan, plan_file)
        chunks = [
            tuple(chunk)
            for chunk in await asyncio.to_thread(lambda: list(plan_files.read_bids(bids_file)))
            if chunk
        ]
        market = self.desk.market
        plan: Plan | None = None
        for step in build_plan_steps(source, market.slots, market.plan):
            plan = step
            await asyncio.sleep(0)
        assert plan is not None
        for chunk in chunks:
            self.pump.perform(CheckBids(chunk))
            await asyncio.sleep(0)
        if self.journal.failed:
            raise CommandRefused("journal_failed", self.journal.failed, retry=True)
        return plan, digest, chunks

    async def _swap(self, plan: Plan, digest: bytes, chunks: Chunks) -> PlanSwapped:
        market = self.desk.market
        if market.plan is None:  # the first plan: no call can run before it
            self.pump.perform(SwapPlan(plan, None, digest))
        put = 0
        for chunk in chunks:
            put += self.pump.perform(PutBids(chunk))
            await asyncio.sleep(0)
        self.pump.perform(SwapPlan(plan, None, digest))
        self.advertise()
        removed = await self._remove_stale({terms.bid_id for chunk in chunks for terms in chunk})
        self.watch_addresses()
        await asyncio.to_thread(self.keep_order)
        await self.durable.wait(self.desk.seq)
        await asyncio.to_thread(
            plan_files.write_current, self.config.plans_dir, market.version
        )
        return PlanSwapped(market.version, put, removed)

    async def _remove_stale(self, wanted: set[str]) -> int:
        """Withdraw, slice by slice, the bids that the new plan no longer names."""
        gone = stale_ids(self.desk, wanted)
        for start in range(0, len(gone), BIDS_PER_STEP):
            self.pump.perform(RemoveBids(tuple(gone[start : start + BIDS_PER_STEP])))
            await asyncio.sleep(0)
        return len(gone)

    def keep_order(self) -> None:
        """Write down the book's order, by which records name candidates. Blocks; the book only
        changes with a plan, and one plan is applied at a time."""
        book = self.desk.market.book
        write_order(self.config.plans_dir, book.seq, book.ids())

    def advertise(self) -> None:
        """Tell the peers of each trunk the address that the running plan advertises to them."""
        self.sockets.advertise_by(self._advertised_to)

    def _advertised_to(self, host: str) -> tuple[str, int] | None:
        plan = self.desk.market.plan
        trunk = plan.trunk_of(host) if plan is not None else None
        return trunk.advertise if trunk is not None else None

    def watch_addresses(self) -> None:
        """Resolve every gateway of the plan, now and whenever its record runs out."""
        hosts: dict[str, list[tuple[str, str, int]]] = {}
        for key in self.desk.market.gateway_keys():
            hosts.setdefault(key[1], []).append(key)

        def changed(host: str, addresses: Sequence[str], reason: str) -> None:
            if not addresses:
                log.warning("%s cannot be resolved: %s", host, reason)
            for key in hosts.get(host, ()):
                self.pump.tell(AddressesChanged(key, self._flows(key, addresses)))

        self.resolver.watch(hosts, changed)

    def _flows(self, key: tuple[str, str, int], addresses: Sequence[str]) -> tuple[Flow, ...]:
        flows: list[Flow] = []
        for address in addresses:
            try:
                flows.append(self.sockets.flow_to(key[0], address, key[2]))
            except CommandRefused as refused:
                log.warning("%s %s:%d: %s", key[0], address, key[2], refused.detail)
        return tuple(flows)

    def close(self) -> None:
        """Close sockets first, then the journal with everything still pending."""
        self.pump.close()
        self.resolver.close()
        self.sockets.close()
        self.journal.close()


class DurableWaits:
    """Those who wait, outside the call path, until a sequence is on disk."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waits: list[tuple[int, asyncio.Future[None]]] = []
        self._failed = ""
        self.durable_seq = 0

    async def wait(self, seq: int) -> None:
        """Return once seq is durable. Raises CommandRefused if the journal fails or has failed."""
        if seq <= self.durable_seq:
            return
        if self._failed:
            raise _not_written(self._failed)
        future: asyncio.Future[None] = self._loop.create_future()
        self._waits.append((seq, future))
        await future

    def reached(self, seq: int) -> None:
        """Wake those up to seq."""
        self.durable_seq = seq
        still = []
        for wanted, future in self._waits:
            if wanted > seq:
                still.append((wanted, future))
            elif not future.done():
                future.set_result(None)
        self._waits = still

    def failed(self, reason: str) -> None:
        """Nobody's fact will ever be durable."""
        self._failed = reason
        waits, self._waits = self._waits, []
        for _, future in waits:
            if not future.done():
                future.set_exception(_not_written(reason))


def _not_written(reason: str) -> CommandRefused:
    return CommandRefused("journal_failed", f"not written: {reason}", retry=True)


async def wire(config: Config, loop: asyncio.AbstractEventLoop) -> SignalCore:
    """Recover, open everything, load the last plan. Raises what the parts raise."""
    replay = await asyncio.to_thread(recover, config.journal_dir, config.checkpoint_dir)
    clock = EngineClock(replay.state.at_ns)
    durable = DurableWaits(loop)
    pumps: list[Pump] = []
    journal = Journal.open(
        config.journal_dir,
        worker=0,
        loop=loop,
        on_durable=lambda seq: pumps[0].journal_durable(seq),
        on_failed=lambda reason: _failed(pumps[0], durable, reason),
        on_full=lambda reason: _full(pumps, reason),
        segment_bytes=config.journal.segment_mb * 1_048_576,
        reserve_bytes=config.journal.reserve_mb * 1_048_576,
    )
    sealer = open_keys(config.keys_dir, process_epoch=journal.epoch, worker=0)
    desk = _desk(config, replay, clock, journal)
    endpoint = Endpoint(
        secrets.token_bytes(32),
        0,
        config.sip.t1_ms * NS_PER_MS,
        config.sip.t2_ms * NS_PER_MS,
        config.sip.t4_ms * NS_PER_MS,
        config.sip.calls_per_s_max,
        config.sip.user_agent.encode(),
    )
    sockets = await Sockets.open(
        [listen_spec(text, f"sip.listen[{i}]") for i, text in enumerate(config.sip.listen)],
        config.sip.advertise,
        lambda batch: pumps[0].batch(batch),
        lambda flow, reason: pumps[0].flow_lost(flow, reason),
        loop,
    )
    for warning in sockets.warnings:
        log.warning("%s", warning)
    pump = Pump(
        loop, clock, endpoint, desk,
        send=sockets.send, append=journal.append,
        encode=codec.fact_encoder(sealer.seal).encode, kinds=dict(FACT_TYPES),
    )
    pump.on_closed = call_log()
    pump.on_durable = durable.reached
    pumps.append(pump)
    core = SignalCore(
        config, clock, desk, endpoint, sockets, journal, pump, Resolver(loop), durable,
        asyncio.Lock(), Histogram("gc_pause"), JournalKeeping(config, journal),
    )
    _begin(core, replay)
    return core


def _failed(pump: Pump, durable: DurableWaits, reason: str) -> None:
    log.error(
        "journal failed, no new calls: %s; live calls go on, then this process ends", reason
    )
    durable.failed(reason)
    pump.journal_failed(reason)


def _full(pumps: list[Pump], reason: str) -> None:
    """What `_begin` finds for itself where there is no pump yet."""
    if reason:
        log.error(
            "the journal's disk is full, no new calls; live calls are recorded in the reserve,"
            " and new ones are taken once there is room: %s", reason,
        )
    else:
        log.warning("the journal's disk has room again, its reserve is filled: calls are taken")
    for pump in pumps:
        pump.journal_full(reason)


def _desk(config: Config, replay: Replay, clock: EngineClock, journal: Journal) -> Desk:
    pepper_file = config.privacy.subject_key_file or config.keys_dir / "subject.key"
    desk = Desk(
        Market(),
        secret=os.urandom(32),
        pepper=secret_file(Path(pepper_file), PEPPER_BYTES),
        next_seq=journal.next_seq,
        offset_ns=clock.offset_ns,
    )
    if journal.next_seq != replay.state.seq + 1:
        raise ExchangeError(
            f"the journal goes on at {journal.next_seq}, the replay ended at {replay.state.seq}"
        )
    return desk


def _begin(core: SignalCore, replay: Replay) -> None:
    """Go on where the last process ended; the facts of that are handed to the journal."""
    desk = core.desk
    now_ns = core.clock.now_ns()
    version = plan_files.read_current(core.config.plans_dir)
    begin(
        desk, replay, core.journal.epoch, now_ns,
        lambda: _last_plan(core, version, replay.state) if version else None,
    )
    if version:
        core.keep_order()
    core.pump.turn(now_ns)
    if core.journal.full:
        core.pump.journal_full(core.journal.full)
    if version:
        core.advertise()
        core.watch_addresses()


def _last_plan(core: SignalCore, version: int, state: ReplayState) -> LastPlan:
    """The plan that `current` names; its bids only where the journal's are not the same."""
    folder = core.config.plans_dir
    source: PlanFile
    source, digest = plan_files.read_plan(plan_files.plan_path(folder, version))
    plan = build_plan(source, core.desk.market.slots)
    if plan_files.read_book(folder, version) == fingerprint(standing(state)):
        return plan, digest, None
    bids = tuple(
        terms
        for chunk in plan_files.read_bids(plan_files.bids_path(folder, version))
        for terms in chunk
    )
    return plan, digest, bids
