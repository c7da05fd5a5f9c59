"""The oracle: what was promised to whom, and what must therefore be found after a crash.

```
Life ──appended, durable──►┐                ┌──► at once: nothing leaves before it is durable,
wire ──left, arrived──────►│ Oracle         │    no charge unheard, no early BYE, no odd duration
operator ──asked, acked───►│  history, Model├──► at a start: nothing acknowledged is missing
start ──recovered, began──►┘                └──► at the end: every call closed once, all given back
```
It trusts the facts as they were handed to the journal, the datagrams as they were on the wire and
its own Model; of what a start says it believes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from exchange.recover import Replay
from storage.reader import JournalReader
from tests.sim.disk import SimDisk
from tests.sim.model import Model
from tests.sim.open_hours import TIMED, is_open
from tests.sim.wire import MS, S
from vocabulary.codec import fact_decoder
from vocabulary.facts import (
    AnyFact,
    CallAnswered,
    CallClosed,
    CallRouted,
    Disposition,
    Party,
    TalkEnded,
)
from vocabulary.reasons import Refused

if TYPE_CHECKING:
    from tests.sim.life import Life

FOR_EVER_NS = 10**18
NO_ACK_NS = 32 * S  # 64·T1 (RFC 3261 §13.3.1.4)


class Seen:
    """What is known of one call. Instants: machine's monotonic clock, but answered_at_ns."""

    def __init__(self, life: int) -> None:
        self.life = life
        self.seq = 0  # of its start record
        self.answered_at_ns = 0  # engine time
        self.answered_ns = 0
        self.left_ns = 0  # our 200 to the caller
        self.heard = False  # an ACK or BYE of the caller came in
        self.talk_ended = False
        self.closed = False


class Crash:
    """The end of one process: when, in engine time, and how old its last heartbeat may be.

    sure_ns: until when its heartbeats were acknowledged: its end, or its journal's failure.
    """

    def __init__(self, at_ns: int, sure_ns: int, age_max_ns: int) -> None:
        self.at_ns = at_ns
        self.sure_ns = sure_ns
        self.age_max_ns = age_max_ns


class Oracle:
    """See the module's drawing. slow_disk: syncs are slow now, by the will of the scenario."""

    def __init__(self) -> None:
        self.slow_disk = False
        self.jumped_ns = 0  # when the wall clock last jumped
        self.history: dict[int, bytes] = {}
        self.told_seq = 0
        self.cursor_seq = 0  # highest that a reader ever wrote down: what retention may take
        self.model = Model()
        self.calls: dict[bytes, Seen] = {}
        self.of_call_id: dict[bytes, Seen] = {}  # by the caller's SIP Call-ID
        self.crashes: dict[int, Crash] = {}
        self.acked_top_ups: dict[str, tuple[str, int]] = {}
        self.acked_plan = 0
        self.life: Life | None = None
        self.lives = 0
        self.recovered_calls = self.charged = self.closings = 0
        self._decode = fact_decoder().decode

    # A process

    def appended(self, seq: int, payload: bytes) -> None:
        """A fact was handed to the journal."""
        self.history[seq] = payload
        fact = self._decode(payload)
        self.model.apply(fact)
        self._watch(seq, fact)

    def durable(self, seq: int) -> None:
        """The process learns that everything up to seq is on disk."""
        self.told_seq = max(self.told_seq, seq)

    def top_up_acked(self, key: str, account: str, micros: int) -> None:
        """The operator was told that a top-up stands."""
        self.acked_top_ups[key] = (account, micros)

    def plan_acked(self, version: int, seq: int) -> None:
        """The operator was told that a plan is in force."""
        assert seq <= self.told_seq
        self.acked_plan = version

    def crashed(self, life: Life, _world_ns: int) -> None:
        """The process is gone."""
        at_ns = life.clock.now_ns()
        age_ns = S + 4 * life.sync_ns_max + 50 * MS
        self.crashes[self.lives] = Crash(at_ns, life.failed_at_ns or at_ns, age_ns)
        self.life = None

    # The wire

    def left(self, data: bytes) -> None:
        """A datagram left the exchange."""
        if data.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in data:
            seen = self.of_call_id.get(call_id_of(data))
            if seen is not None and seen.seq:
                assert seen.seq <= self.told_seq, "a 200 left before its record was durable"
                seen.left_ns = seen.left_ns or self._now_ns()

    def arrived(self, data: bytes, _now_ns: int) -> None:
        """A datagram reached the exchange."""
        if data.startswith((b"ACK ", b"BYE ")):
            seen = self.of_call_id.get(call_id_of(data))
            if seen is not None and seen.left_ns:
                seen.heard = True

    # A start

    def recovered(self, replay: Replay, disk: SimDisk, directory: Path) -> None:
        """A start has read the journal: all that was told durable must be there, unchanged."""
        reader = JournalReader(directory, whole=True, disk=disk)
        found = {entry.seq: entry.payload for entry in reader}
        reader.close()
        gone = min(found, default=1) - 1
        assert gone <= self.cursor_seq, f"records to {gone} are gone, {self.cursor_seq} were read"
        last = max(found, default=0)
        assert last >= self.told_seq, f"record {self.told_seq} was acknowledged, {last} is the last"
        for seq, payload in found.items():
            assert self.history.get(seq) == payload, f"record {seq} is not what was written"
        self.history = {
            seq: payload for seq, payload in self.history.items() if seq <= gone
        } | found
        self.model = Model()
        for payload in self.history.values():
            self.model.apply(self._decode(payload))
        assert replay.state.seq == last
        self.model.assert_replayed(replay.state)
        for key, what in self.acked_top_ups.items():
            assert self.model.top_ups.get(key) == what, f"top-up {key} was acknowledged and is lost"
        known = self.model.closed | set(self.model.prices)
        self.calls = {call_id: seen for call_id, seen in self.calls.items() if call_id in known}
        for call_id, seen in self.calls.items():
            seen.closed = call_id in self.model.closed
            seen.seq = seen.seq if call_id in self.model.answered else 0

    def lost_behind(self, seq: int) -> None:
        """The operator gave up what follows a record, as a repair said."""
        self.told_seq = min(self.told_seq, seq)
        self.history = {at: payload for at, payload in self.history.items() if at <= seq}
        for crash in self.crashes.values():
            crash.age_max_ns = FOR_EVER_NS  # heartbeats are lost too
        kept = Model()
        for payload in self.history.values():
            kept.apply(self._decode(payload))
        self.acked_top_ups = {
            key: what for key, what in self.acked_top_ups.items() if key in kept.top_ups
        }

    def began(self, life: Life) -> None:
        """A process has closed what the last one left, and is about to take calls."""
        self.life = life
        self.lives += 1

    def assert_began(self, life: Life) -> None:
        """Its first facts are handed over: what it holds is what the journal says."""
        assert not self.model.prices, "a call of the last process is still open"
        self.model.assert_stands(life.desk, idle=True)
        assert life.desk.market.version >= self.acked_plan, "the plan in force was acknowledged"
        if life.desk.market.version == self.acked_plan and self.acked_plan:
            self.assert_book(life)

    def assert_book(self, life: Life) -> None:
        """The book holds exactly the bids of the plan in force."""
        market = life.desk.market
        _, bids = life.server.plans.of(market.version)
        assert sorted(market.book.ids()) == sorted(terms.bid_id for terms in bids)
        for terms in bids:
            assert market.book.holds(terms, market.slots.slot("target", terms.target))

    # The end

    def assert_drained(self, life: Life) -> None:
        """Nothing is left of any call."""
        found = life.desk.statistics()
        for name in ("calls_live", "legs_live", "units_live", "timers_live", "holds_live",
                     "answers_waiting", "faults"):
            assert found[name] == 0, (name, found)
        assert life.pump.refused == life.pump.overruns == 0
        assert not self.model.prices, "a call was never closed"
        self.model.assert_stands(life.desk, idle=True)
        for seen in self.calls.values():
            assert seen.closed, "a call that was answered has no end"

    # Facts as they are written

    def _now_ns(self) -> int:
        assert self.life is not None
        return self.life.server.machine.monotonic_ns()

    def _watch(self, seq: int, fact: AnyFact) -> None:
        self._watch_clock(fact)
        if isinstance(fact, CallRouted):
            self.of_call_id[fact.personal.sealed] = self.calls[fact.call_id] = Seen(self.lives)
        elif isinstance(fact, CallAnswered):
            seen = self.calls[fact.call_id]
            seen.seq, seen.answered_at_ns, seen.answered_ns = seq, fact.at_ns, self._now_ns()
        elif isinstance(fact, TalkEnded):
            self.calls[fact.call_id].talk_ended = True
        elif isinstance(fact, CallClosed):
            seen = self.calls.setdefault(fact.call_id, Seen(self.lives))
            seen.closed = True
            self.closings += 1
            self.charged += fact.revenue_micros > 0
            if fact.revenue_micros:
                assert seen.left_ns, "charged, though our 200 never left"
            if fact.recovered:
                self.recovered_calls += 1
                self._recovered_call(seen, fact)
            else:
                self._ended_call(seen, fact)

    def _watch_clock(self, fact: AnyFact) -> None:
        """Wall time is read anew within a second of any jump, and hours of opening follow it."""
        if self.life is None or self._now_ns() - self.jumped_ns <= S + 50 * MS:
            return
        wall_ns = self.life.server.machine.wall_ns()
        if isinstance(fact, CallRouted):
            assert abs(fact.wall_ns - wall_ns) < 50 * MS, "a call at a wrong hour"
            assert fact.campaign != TIMED or is_open(wall_ns) is not False, "taken while closed"
        elif isinstance(fact, CallClosed) and fact.refused == Refused.CAMPAIGN_SCHEDULE:
            assert fact.campaign == TIMED
            assert is_open(wall_ns) is not True, "refused while open"

    def _ended_call(self, seen: Seen, fact: CallClosed) -> None:
        """A call that came to its end while the process lived."""
        life = self.life
        assert life is not None
        talked_ns = self._now_ns() - seen.answered_ns
        if fact.disposition == Disposition.COMPLETED:
            assert seen.heard, "completed, though the caller was never heard after our 200"
            assert fact.connected_ns <= talked_ns
            assert seen.talk_ended or fact.connected_ns == talked_ns
            assert fact.hangup != Party.EXCHANGE or life.failed_at_ns, "an early BYE of ours"
        else:
            assert not fact.revenue_micros, "charged, though not completed"
        if fact.disposition == Disposition.NO_ACK and not life.failed_at_ns:
            assert self._now_ns() - seen.left_ns >= NO_ACK_NS - S, "given up early"

    def _recovered_call(self, seen: Seen, fact: CallClosed) -> None:
        """A call that a crash ended: charged to the last heartbeat, which was not old."""
        crash = self.crashes[seen.life]
        lived_ns = crash.at_ns - seen.answered_at_ns
        if fact.disposition == Disposition.COMPLETED:
            assert seen.left_ns, "charged, though our 200 never left"
            assert fact.connected_ns <= lived_ns, "talked longer than the process lived"
        if seen.left_ns and not seen.talk_ended:
            lost_ns = crash.sure_ns - seen.answered_at_ns - fact.connected_ns
            assert lost_ns <= crash.age_max_ns, f"{lost_ns / S:.3f} s of a call are lost"


def call_id_of(data: bytes) -> bytes:
    """Value of the Call-ID header, as our own endpoints write it."""
    start = data.index(b"\r\nCall-ID: ") + 11
    return bytes(data[start : data.index(b"\r\n", start)])
