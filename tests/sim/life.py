"""One process of a simulated signal worker, from its start to its end or its crash.

What dce.wiring and dce.signal_worker join with sockets, threads and an event loop is joined here
with a wire, steps and a simulated loop; everything between is the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from auction.bid import BidTerms
from dce.checkpointer import follow
from dce.clock import EngineClock
from dce.pump import Pump
from dce.recovery import LastPlan, begin, position_of, recover
from exchange.desk import Desk
from exchange.market import Market
from exchange.planning import stale_ids
from exchange.signals import (
    AddressesChanged,
    Beat,
    ClockChanged,
    EndCalls,
    PutBids,
    RemoveBids,
    StopAdmission,
    SwapPlan,
)
from routing.compile import compile_plan
from routing.plan_build import build_plan
from routing.plan_file import PlanFile
from routing.plan_source import load
from sip.endpoint import Endpoint
from sip.signals import Flow
from storage.checkpoint import write_checkpoint
from storage.cursors import RECORD_CURSOR, write_cursor
from storage.fact_types import FACT_TYPES
from storage.journal_core import JournalCore
from storage.retention import retain
from tests.exchange.trading import AREAS, US
from tests.routing.plans import DIAL_RULES, NOW_S, Document
from tests.sim.machine import SimHandle, SimLoop
from tests.sim.wire import MS, S
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.errors import CommandRefused
from vocabulary.facts import Personal

if TYPE_CHECKING:
    from tests.sim.server import Server

JOURNAL = Path("/journal")
CHECKPOINTS = Path("/checkpoints")
CURRENT = Path("/plans/current")
BEAT_S = 1.0
IDLE_BEAT_S = 30.0  # while nobody talks, or an hour would be nothing but heartbeats

Bids = tuple[BidTerms, ...]


class Plans:
    """Compiled plans by version 1, 2, …, as the api process left them on disk: the documents in
    turn, under versions that only grow."""

    def __init__(self, documents: list[Document]) -> None:
        self.compiled: list[tuple[PlanFile, Bids]] = []
        for version, document in enumerate(documents, 1):
            file, bids, _ = compile_plan(
                load(document), now_s=NOW_S, version=version, areas=AREAS, dial_rules=DIAL_RULES
            )
            terms = tuple(
                BidTerms(*[getattr(bid, name) for name in BidTerms.__struct_fields__])
                for bid in bids
            )
            self.compiled.append((file, terms))

    def of(self, version: int) -> tuple[PlanFile, Bids]:
        """Plan file and bids of a version."""
        file, bids = self.compiled[(version - 1) % len(self.compiled)]
        return msgspec.structs.replace(file, version=version), bids


def sip_call_id(personal: Personal) -> bytes:
    """In place of a seal: the caller's Call-ID, by which the oracle knows the call."""
    if personal.plain is not None and not personal.sealed:
        personal.sealed = personal.plain[3].encode()
    return personal.sealed


class Life:
    """One process. writing: a sync is under way. ended: it has ended by itself."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.oracle = server.oracle
        self.chance = server.chance
        self.disk = server.disk
        self.loop = SimLoop(server.machine)
        self.writing = self.ended = self.preparing = False
        self.sync_ns_max = 0
        self.failed_at_ns = 0
        self.waits: list[tuple[int, Callable[[], None]]] = []
        self.idle_beat = False
        self._beat_handle: SimHandle | None = None
        replay = recover(JOURNAL, CHECKPOINTS, self.disk)
        server.oracle.recovered(replay, self.disk, JOURNAL)
        self.clock = EngineClock(
            replay.state.at_ns, server.machine.monotonic_ns, server.machine.wall_ns
        )
        self.journal = JournalCore(
            JOURNAL, self.disk, worker=0, on_durable=self._later(self._durable),
            on_failed=self._later(self._failed), on_full=self._later(self._full),
            wake=self._wake, segment_bytes=server.segment_bytes,
            reserve_bytes=2 * server.segment_bytes, clock_ns=server.machine.monotonic_ns,
        )
        self.desk = Desk(
            Market(), secret=self.chance.randbytes(32), pepper=b"p" * 32,
            next_seq=self.journal.next_seq, offset_ns=self.clock.offset_ns,
        )
        self.endpoint = Endpoint(self.chance.randbytes(32))
        self.pump = Pump(
            self.loop, self.clock, self.endpoint, self.desk,  # type: ignore[arg-type]
            send=server.send, append=self._append,
            encode=fact_encoder(sip_call_id).encode, kinds=dict(FACT_TYPES),
        )
        self._replay = replay

    def go_on(self) -> None:
        """The first facts, the last plan, the timers: from here on calls are taken."""
        now_ns = self.clock.now_ns()
        begin(self.desk, self._replay, self.journal.epoch, now_ns, self._last_plan)
        self.oracle.began(self)
        self.pump.turn(now_ns)
        self.oracle.assert_began(self)
        if self.journal.full:
            self.pump.journal_full(self.journal.full)
        self.resolve()
        if self.desk.market.plan is None:
            self.apply_plan(1)
        self._beat_at(BEAT_S)
        self._behind, self._reader = follow(JOURNAL, CHECKPOINTS, self.disk)
        self._decode = fact_decoder().decode
        self.loop.call_later(self.chance.uniform(1, 20), self._follow)

    def batch(self, received: list[Any]) -> None:
        """Datagrams came in."""
        self.pump.batch(received)
        if self.idle_beat and self.desk.calls:
            self._beat_at(BEAT_S)

    def when_durable(self, act: Callable[[], None]) -> None:
        """As a command's answer waits for its facts."""
        if self.desk.seq <= self.desk.durable_seq:
            act()
        else:
            self.waits.append((self.desk.seq, act))

    # Plans

    def apply_plan(self, version: int) -> None:
        """As dce.wiring does; acknowledged once it is durable and named for the next start."""
        file, bids = self.server.plans.of(version)
        market = self.desk.market
        plan = build_plan(file, market.slots, market.plan)
        try:
            if market.plan is None:
                self.pump.perform(SwapPlan(plan, None, b"digest"))
            self.pump.perform(PutBids(bids))
            self.pump.perform(SwapPlan(plan, None, b"digest"))
            gone = stale_ids(self.desk, {terms.bid_id for terms in bids})
            self.pump.perform(RemoveBids(tuple(gone)))
        except CommandRefused:
            return
        self.resolve()
        seq = self.desk.seq

        def acknowledge() -> None:
            try:
                self.disk.replace(CURRENT, b"%d" % version)
            except OSError:
                return
            self.oracle.plan_acked(version, seq)

        self.when_durable(acknowledge)

    def resolve(self) -> None:
        """Every literal address of the plan has its flow."""
        for key in self.desk.market.gateway_keys():
            self.pump.tell(AddressesChanged(key, (Flow(key[0], key[1], key[2], *US, 0, 0),)))

    def _last_plan(self) -> LastPlan | None:
        named = self.disk.read(CURRENT)
        if named is None:
            return None
        file, bids = self.server.plans.of(int(named))
        return build_plan(file, self.desk.market.slots), b"digest", bids

    # Disk

    def _append(self, seq: int, kind: int, payload: bytes) -> None:
        self.oracle.appended(seq, payload)
        self.journal.append(seq, kind, payload)
        self._wake()

    def _wake(self) -> None:
        """The writer begins a sync after the gap; what comes meanwhile joins in."""
        if not self.writing:
            self.writing = True
            self.journal.idle = False
            self.loop.call_later(self._sync_s(), self._step)

    def _sync_s(self) -> float:
        chance = self.chance
        usual = chance.uniform(0.000_1, 0.008)
        sync_s = chance.choice((0.05, 0.5, 2.5)) if self.oracle.slow_disk else usual
        self.sync_ns_max = max(self.sync_ns_max, int(sync_s * S) + 4 * MS)
        return sync_s

    def _step(self) -> None:
        if self.journal.step():
            self.loop.call_later(self._sync_s(), self._step)
            if self.journal.wants_file() and not self.preparing:
                self.preparing = True
                self.loop.call_later(self.chance.uniform(0, 0.05), self._prepare)
        else:
            self.writing = False

    def _prepare(self) -> None:
        self.preparing = False
        if not self.journal.wants_file():
            return
        self.journal.prepare()
        if self.journal.wants_file():
            self.preparing = True
            self.loop.call_later(1.0 if self.journal.short else 0.001, self._prepare)

    def _later(self, tell: Callable[[Any], None]) -> Callable[[Any], None]:
        """A call-back out of the writer reaches the loop a little later."""
        return lambda what: self.loop.call_later(
            self.chance.uniform(0, 0.000_3), tell, what
        ) and None

    def _durable(self, seq: int) -> None:
        self.oracle.durable(seq)
        self.pump.journal_durable(seq)
        while self.waits and self.waits[0][0] <= seq:
            self.waits.pop(0)[1]()

    def _failed(self, reason: str) -> None:
        self.failed_at_ns = self.clock.now_ns()
        self.server.failures += 1
        self.waits.clear()
        self.pump.journal_failed(reason)
        self.loop.call_later(self.chance.uniform(0.1, 60), self._end_calls)

    def _full(self, reason: str) -> None:
        self.pump.journal_full(reason)

    def _follow(self) -> None:
        """What others do beside: checkpoints, the record's cursor, removal of old segments."""
        try:
            self._checkpoint()
        except OSError:
            pass  # a start replays more
        self.loop.call_later(self.chance.uniform(*self.server.follow_s), self._follow)

    def _checkpoint(self) -> None:
        seq = self._behind.state.seq
        while entries := self._reader.read():
            for entry in entries:
                self._behind.apply(entry.seq, self._decode(entry.payload))
            self._behind.state.position = position_of(entries[-1])
        state = self._behind.state
        if state.seq == seq:
            return
        write_checkpoint(CHECKPOINTS, state.seq, self._behind.checkpoint(), disk=self.disk)
        if self.chance.random() < 0.7:  # the record lags now and then
            self.oracle.cursor_seq = max(self.oracle.cursor_seq, state.seq)
            write_cursor(JOURNAL, RECORD_CURSOR, state.seq, disk=self.disk)
        if not self.journal.failed:
            retain(
                JOURNAL, CHECKPOINTS, wall_ns=self.server.machine.wall_ns(),
                keep_ns=self.server.keep_ns, disk=self.disk,
            )

    # Time and end

    def _beat(self) -> None:
        if self.clock.changed():
            self.pump.tell(ClockChanged(self.clock.offset_ns))
        self.pump.tell(Beat())
        self._beat_at(BEAT_S if self.desk.calls else IDLE_BEAT_S)

    def beat_within(self, delay_s: float) -> None:
        """No later than after some seconds, as it would without the thinning of idle beats."""
        if self.idle_beat:
            self._beat_at(self.chance.uniform(0, delay_s))

    def _beat_at(self, delay_s: float) -> None:
        self.idle_beat = delay_s > BEAT_S
        if self._beat_handle is not None:
            self._beat_handle.cancel()
        self._beat_handle = self.loop.call_later(delay_s, self._beat)

    def _end_calls(self) -> None:
        """The journal has failed: the drain is over, then the process ends."""
        self.pump.perform(StopAdmission())
        while self.pump.perform(EndCalls(500)):
            pass
        self.pump.tell(Beat())
        self.loop.call_later(2.0, self._end)

    def _end(self) -> None:
        while self.journal.step():
            pass
        self.journal.give_back()
        self.ended = True
