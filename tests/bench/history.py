"""A long history on disk, made by the real desk, encoder, sealer and journal, without a wire.

What the endpoint would say of each call is said to the desk by hand, so a million records take a
minute. Calls overlap: each step offers one and ends one that has talked long enough to be
charged. Eight outcomes go round: five are sold at the first buyer, two ring busy there and are
sold at the second, one caller gives up. Some sixty calls a second, so a million records are an
hour; each second has its heartbeat.
"""

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

from dce import plan_files
from dce.config import Config
from dce.recovery import LastPlan, begin, position_of
from exchange.call import Call
from exchange.desk import Desk
from exchange.market import Market
from exchange.recover import Replay
from exchange.signals import AddressesChanged, Beat, Durable
from routing.plan_build import build_plan
from sip.signals import (
    AnswerSent,
    By,
    CallCanceled,
    CallOffered,
    Cause,
    Flow,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
    LegReleased,
)
from storage.checkpoint import write_checkpoint
from storage.fact_types import FACT_TYPES
from storage.journal import Journal
from storage.reader import JournalReader
from storage.sealing import open_keys
from tests.bench.load import CALLER_HOST, CALLERS
from tests.bench.plan import NUMBER
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.facts import Fact
from vocabulary.limits import NS_PER_S, checkpoint_every_records

STEP_NS = 16_000_000
STEPS_PER_S = 62
LIVE = 2_000  # calls at a time: each talks LIVE steps, 32 s
SYNC_EVERY = 500
OUTCOMES = 8
BUSY, CANCELED = (2, 5), (7,)
ANSWERED = LIVE - LIVE * len(CANCELED) // OUTCOMES  # alive at the end

US = ("127.0.0.1", 5060)
URI = f"sip:{NUMBER}@127.0.0.1".encode()
FLOW = Flow("UDP", CALLER_HOST, 5060, *US)


class History:
    """A desk and its journal, stepped through virtual time."""

    def __init__(self, config: Config, wall_ns: int, live: int = LIVE) -> None:
        self._config = config
        self._live_steps = live
        self._now_ns = NS_PER_S
        self._offset_ns = wall_ns
        self._live: deque[Call | None] = deque()
        self._steps = 0
        self._leg = 0
        self._moved = asyncio.Event()

    async def write(self, records: int) -> int:
        """So many records, then the end of a process that was killed; the last sequence."""
        loop = asyncio.get_running_loop()
        self._journal = Journal.open(
            self._config.journal_dir, worker=0, loop=loop, on_durable=self._durable,
            on_failed=self._failed, on_full=self._failed,
            segment_bytes=self._config.journal.segment_mb * 1_048_576,
        )
        sealer = open_keys(self._config.keys_dir, process_epoch=self._journal.epoch, worker=0)
        self._encode = fact_encoder(sealer.seal).encode
        self._desk = Desk(Market(), secret=b"s" * 32, pepper=b"p" * 32, next_seq=1,
                          offset_ns=self._offset_ns)
        begin(self._desk, Replay(), self._journal.epoch, self._now_ns, self._last_plan)
        for key in self._desk.market.gateway_keys():
            self._tell(AddressesChanged(key, (Flow(*key, *US),)))
        self._keep()
        while self._desk.seq < records:
            self._step()
            if self._steps % SYNC_EVERY == 0:
                await self._synced()
        await self._synced()
        self._journal.close()
        return self._desk.seq

    def _last_plan(self) -> LastPlan:
        version = plan_files.read_current(self._config.plans_dir)
        source, digest = plan_files.read_plan(
            plan_files.plan_path(self._config.plans_dir, version))
        chunks = plan_files.read_bids(plan_files.bids_path(self._config.plans_dir, version))
        plan = build_plan(source, self._desk.market.slots)
        return plan, digest, tuple(bid for chunk in chunks for bid in chunk)

    def _step(self) -> None:
        self._steps += 1
        self._now_ns += STEP_NS
        if self._steps % STEPS_PER_S == 0:
            self._tell(Beat())
        if len(self._live) >= self._live_steps:
            self._end(self._live.popleft())
        self._live.append(self._offer())
        self._keep()

    def _offer(self) -> Call | None:
        """A call up to its answer; None for one that its caller gave up."""
        self._leg += 2
        leg, outcome = self._leg, self._steps % OUTCOMES
        caller = CALLERS[self._steps % len(CALLERS)].encode()
        self._tell(CallOffered(
            leg, flow=FLOW, call_id=b"%d-4242@%b" % (leg, CALLER_HOST.encode()), uri=URI,
            to_uri=URI, from_uri=b"sip:%b@%b" % (caller, CALLER_HOST.encode()), body=b"v=0",
            content_type=b"application/sdp",
        ))
        call = self._desk.legs[leg]
        self._tell(LegProgress(call.b_leg, 180, b"t"))
        if outcome in CANCELED:
            self._tell(CallCanceled(leg), LegReleased(call.b_leg), LegReleased(leg))
            return None
        if outcome in BUSY:
            gone = call.b_leg
            self._tell(LegFailed(gone, 486, Cause.RESPONSE), LegReleased(gone))
        self._tell(LegAnswered(call.b_leg, 200, b"v=0", b"application/sdp"))
        self._tell(Durable(self._desk.seq), AnswerSent(leg), LegAcked(leg))
        return call

    def _end(self, call: Call | None) -> None:
        if call is not None:
            a_leg, b_leg = call.a_leg, call.b_leg
            self._tell(LegEnded(a_leg, By.REMOTE), LegReleased(a_leg), LegReleased(b_leg))

    def _tell(self, *notices: Any) -> None:
        for notice in notices:
            self._desk.receive(notice, self._now_ns)

    def _keep(self) -> None:
        """Hand the facts among the outputs to the journal, as the pump does."""
        outputs = self._desk.drain()
        seq = self._desk.seq - self._desk.emitted
        self._desk.emitted = 0
        for output in outputs:
            if isinstance(output, Fact):
                seq += 1
                self._journal.append(seq, FACT_TYPES[type(output)], self._encode(output))

    async def _synced(self) -> None:
        while self._journal.durable_seq < self._desk.seq:
            self._moved.clear()
            await self._moved.wait()

    def _durable(self, _seq: int) -> None:
        self._moved.set()

    def _failed(self, reason: str) -> None:
        assert not reason, reason


def write_checkpoints(config: Config, last_seq: int) -> int:
    """The two that the record process would have left at worst: the newest as far behind the end
    as the next one may be late, records and nothing else counted. Where the newest stands."""
    newest = last_seq - checkpoint_every_records
    due = (newest - checkpoint_every_records, newest)
    replay = Replay()
    decode = fact_decoder().decode
    reader = JournalReader(config.journal_dir, whole=True)
    for entry in reader:
        replay.apply(entry.seq, decode(entry.payload))
        if entry.seq in due:
            replay.state.position = position_of(entry)
            write_checkpoint(config.checkpoint_dir, entry.seq, replay.checkpoint())
        if entry.seq == newest:
            break
    reader.close()
    return newest


def journal_bytes(folder: Path) -> int:
    """Size of the segments, as they are allocated."""
    return sum(path.stat().st_size for path in folder.glob("journal-*.seg"))
