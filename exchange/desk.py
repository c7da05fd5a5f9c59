# cython: boundscheck=False
"""The desk: five verbs around all calls of one worker. Pure; owns plan, holds, caps, calls.

```
 notices ─► receive ─┐        ┌─► sip commands ─► endpoint
 commands ► perform ─┼─ desk ─┤
 time ────► expire ──┘        └─► facts ─► journal ─► Durable(seq) ─► receive
```
Every fact gets the next journal sequence number when it is emitted; outputs leave in order. A
fault inside one call ends that call only: it is counted, released and recorded.
"""

from collections import deque
from typing import Any

from exchange import flowing, ladder, planning, screen, settle, top_ups
from exchange.call import Call, CallTimer
from exchange.market import Market
from exchange.signals import (
    AddressesChanged,
    Beat,
    CheckBids,
    ClockChanged,
    Durable,
    JournalFailed,
    PutBids,
    RemoveBids,
    StopAdmission,
    SwapPlan,
)
from exchange.states import CLOSED
from sip.signals import (
    Admit,
    AnswerSent,
    CallCanceled,
    CallOffered,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
    LegReleased,
    Reject,
    Renegotiated,
)
from sip.timers import Lanes
from vocabulary import facts, limits
from vocabulary.commands import TopUp
from vocabulary.errors import CommandRefused
from vocabulary.facts import Disposition, Fact
from vocabulary.ids import IdSource
from vocabulary.reasons import Refused

COUNTERS = (
    "calls_offered", "calls_answered", "calls_qualified", "calls_completed", "calls_no_answer",
    "calls_busy", "calls_canceled", "calls_blocked", "calls_unsold", "calls_failed",
    "calls_no_ack", "calls_unknown_source", "calls_shed", "attempts", "attempts_failed",
    "reserve_lost", "ignored", "faults", "revenue_micros", "payout_micros", "durable_late",
)


class Desk:
    """All calls of one worker. See the module's drawing; statistics() for its gauges."""

    __slots__ = (
        "_next_leg",
        "admission_closed",
        "calls",
        "counters",
        "draining",
        "durable_seq",
        "emitted",
        "ids",
        "journal_down",
        "lanes",
        "legs",
        "market",
        "offset_ns",
        "out",
        "pepper",
        "seq",
        "serials",
        "top_ups",
        "units",
        "waiting",
    )

    def __init__(
        self, market: Market, *, secret: bytes, pepper: bytes, next_seq: int, offset_ns: int
    ) -> None:
        """secret: fresh random bytes of this start. pepper: key of subject ids (HMAC-SHA-256).

        next_seq: journal sequence of the first fact; offset_ns: wall time − engine time.
        """
        self.market = market
        self.pepper = pepper
        self.ids = IdSource(secret)
        self.seq = next_seq - 1
        self.offset_ns = offset_ns
        self.calls: dict[int, Call] = {}
        self.legs: dict[int, Call] = {}
        self.units: dict[int, str] = {}  # dialled leg → target whose concurrency unit it holds
        self.waiting: deque[tuple[int, int]] = deque()  # (start record's seq, call serial)
        self.top_ups: dict[str, tuple[bytes, str, int]] = {}  # by idempotency key
        self.lanes = Lanes()
        self.out: list[Any] = []
        self.emitted = 0  # facts among the outputs; the pump sets it back
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self.serials = 0
        self._next_leg = -1
        self.draining = False
        self.admission_closed = ""
        self.durable_seq = next_seq - 1
        self.journal_down = False

    # The five verbs

    def receive(self, notice: Any, now_ns: int) -> None:
        """Take one notice of the endpoint, the journal, the clock or the resolver."""
        handler = RECEIVERS.get(type(notice))
        assert handler is not None, type(notice)
        if handler is screen.offered or handler in OUTSIDE:
            handler(self, notice, now_ns)
            return
        call = self.legs.get(notice.leg)
        if call is None:
            if type(notice) is LegReleased:
                self.leg_gone(notice.leg)
            elif type(notice) is not LegEnded:  # the other leg of a call just closed
                self.count("ignored")
            return
        try:
            handler(self, call, notice, now_ns)
        except Exception:
            self.fault(call, now_ns)

    def perform(self, command: Any, now_ns: int) -> Any:
        """Carry out a command of PERFORMERS; returns its answer.

        Raises CommandRefused, with nothing changed.
        """
        if self.journal_down and type(command) is not StopAdmission:
            raise CommandRefused("journal_failed", "nothing can be written down", retry=True)
        return PERFORMERS[type(command)](self, command, now_ns)

    def expire(self, now_ns: int) -> None:
        """Serve every timer due at or before now_ns."""
        while True:
            owner = self.lanes.pop(now_ns)
            if owner is None:
                return
            assert isinstance(owner, CallTimer)
            call = self.calls.get(owner.serial)
            if call is None:
                continue
            try:
                if self.lanes.kind == ladder.DURABLE_TIMER:
                    flowing.undurable(self, call, Refused.JOURNAL_LATE, now_ns)
                else:
                    ladder.attempt_timed_out(self, call, self.lanes.kind, now_ns)
            except Exception:
                self.fault(call, now_ns)

    def drain(self) -> list[Any]:
        """Everything to be done since the last drain, in order: sip commands and facts."""
        out = self.out
        self.out = []
        return out

    def deadline(self) -> int | None:
        """Engine time of the next timer, or None."""
        return self.lanes.deadline()

    # What the call modules use

    def emit(self, fact: Fact) -> int:
        """Queue a fact for the journal; returns its sequence number."""
        self.seq += 1
        self.emitted += 1
        self.out.append(fact)
        return self.seq

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self.counters[name] += 1

    def set_admission(self, reason: str) -> None:
        """Close admission of new calls for a reason, or open it again ("")."""
        if reason != self.admission_closed:
            self.admission_closed = reason
            self.out.append(Admit(not reason, limits.retry_after_s))

    def next_leg(self) -> int:
        """An unused odd leg id."""
        self._next_leg += 2
        self.count("attempts")
        return self._next_leg

    def leg_gone(self, leg: int) -> None:
        """A dialled leg ended: its target gets the concurrency unit back. At most once."""
        target = self.units.pop(leg, None)
        if target is not None:
            self.market.give_unit(target)

    def reject(
        self, call: Call, status: int, disposition: Disposition, refused: Refused, now_ns: int
    ) -> None:
        """Refuse the caller and close the call; everything held goes back."""
        self.out.append(Reject(call.a_leg, status))
        settle.close_unanswered(self, call, disposition, refused, status, now_ns)

    def closed(self, call: Call, disposition: Disposition) -> None:
        """The one release of a call, on every exit path; safe to reach twice."""
        call.state = CLOSED
        self.lanes.cancel(call.timer)
        self.lanes.cancel(call.ladder_timer)
        ladder.release_held(self, call)
        self.market.release_campaign(call, committed=call.answered_ns != 0)
        if self.calls.pop(call.serial, None) is not None:
            self.count(DISPOSITION_COUNTERS[disposition])
        for leg in (call.a_leg, call.b_leg):
            if self.legs.get(leg) is call:
                del self.legs[leg]
        call.body = call.answer_body = b""

    def fault(self, call: Call, now_ns: int) -> None:
        """An error of ours inside one call: end both legs, record it, go on."""
        self.count("faults")
        if call.serial not in self.calls:
            return
        try:
            flowing.give_up(self, call, now_ns)
        except Exception:
            self.count("faults")
            flowing.abandon(self, call, now_ns)

    def statistics(self) -> dict[str, int]:
        """Gauges: live calls, legs, timers, holds, waiting for the disk; and all counters."""
        return {
            **self.counters,
            "calls_live": len(self.calls),
            "legs_live": len(self.legs),
            "units_live": len(self.units),
            "timers_live": self.lanes.live,
            "holds_live": self.market.balances.holds_live,
            "answers_waiting": len(self.waiting),
            "journal_seq": self.seq,
        }


DISPOSITION_COUNTERS = {
    Disposition.COMPLETED: "calls_completed",
    Disposition.NO_ANSWER: "calls_no_answer",
    Disposition.BUSY: "calls_busy",
    Disposition.CANCELED: "calls_canceled",
    Disposition.BLOCKED: "calls_blocked",
    Disposition.UNSOLD: "calls_unsold",
    Disposition.FAILED: "calls_failed",
    Disposition.NO_ACK: "calls_no_ack",
}


def _durable(desk: Desk, notice: Durable, now_ns: int) -> None:
    desk.durable_seq = notice.seq
    if desk.admission_closed == "journal_late":
        desk.set_admission("draining" if desk.draining else "")
    waiting = desk.waiting
    while waiting and waiting[0][0] <= notice.seq:
        call = desk.calls.get(waiting.popleft()[1])
        if call is not None:
            try:
                flowing.durable(desk, call, now_ns)
            except Exception:
                desk.fault(call, now_ns)


def _journal_failed(desk: Desk, notice: JournalFailed, now_ns: int) -> None:
    desk.set_admission(notice.reason)
    desk.journal_down = True
    while desk.waiting:
        call = desk.calls.get(desk.waiting.popleft()[1])
        if call is not None:
            flowing.undurable(desk, call, Refused.JOURNAL_FAILED, now_ns)


def _clock_changed(desk: Desk, notice: ClockChanged, now_ns: int) -> None:
    desk.offset_ns = notice.offset_ns
    desk.emit(facts.ClockSet(now_ns, notice.offset_ns))


def _addresses_changed(desk: Desk, notice: AddressesChanged, now_ns: int) -> None:
    desk.market.set_addresses(notice.gateway, notice.flows)


def _beat(desk: Desk, notice: Beat, now_ns: int) -> None:
    desk.emit(facts.Heartbeat(now_ns, desk.durable_seq, now_ns + desk.offset_ns))


def _stop_admission(desk: Desk, command: StopAdmission, now_ns: int) -> None:
    desk.draining = True
    desk.set_admission("draining")


PERFORMERS: dict[type, Any] = {
    SwapPlan: planning.swap,
    CheckBids: planning.check_bids,
    PutBids: planning.put_bids,
    RemoveBids: planning.remove_bids,
    TopUp: top_ups.top_up,
    StopAdmission: _stop_admission,
}

OUTSIDE = frozenset((_durable, _journal_failed, _clock_changed, _addresses_changed, _beat))

RECEIVERS: dict[type, Any] = {
    CallOffered: screen.offered,
    LegProgress: flowing.progress,
    LegFailed: ladder.attempt_failed,
    LegAnswered: flowing.answered,
    LegAcked: flowing.acked,
    LegEnded: flowing.ended,
    LegReleased: flowing.released,
    Renegotiated: flowing.renegotiated,
    CallCanceled: flowing.canceled,
    AnswerSent: flowing.answer_sent,
    Durable: _durable,
    JournalFailed: _journal_failed,
    ClockChanged: _clock_changed,
    AddressesChanged: _addresses_changed,
    Beat: _beat,
}
