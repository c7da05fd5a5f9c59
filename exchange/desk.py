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

from typing import Any

from exchange import flowing, ladder, planning, screen, top_ups
from exchange.call import Call, CallTimer
from exchange.room import Room
from exchange.signals import (
    AddressesChanged,
    Beat,
    CheckBids,
    ClockChanged,
    Durable,
    EndCalls,
    JournalFailed,
    JournalFull,
    PutBids,
    RemoveBids,
    StopAdmission,
    SwapPlan,
)
from sip.signals import (
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
from vocabulary import facts
from vocabulary.commands import TopUp
from vocabulary.crash_points import crash_point
from vocabulary.errors import CommandRefused
from vocabulary.reasons import Refused


class Desk(Room):
    """The five verbs over a room; see the module's drawing."""

    __slots__ = ()

    def receive(self, notice: Any, now_ns: int) -> None:
        """Take one notice of the endpoint, the journal, the clock or the resolver."""
        handler = RECEIVERS.get(type(notice))
        assert handler is not None, type(notice)
        if handler in OUTSIDE:
            handler(self, notice, now_ns)
            return
        if type(notice) is CallOffered:
            self._offered(notice, now_ns)
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

    def _offered(self, notice: CallOffered, now_ns: int) -> None:
        try:
            screen.offered(self, notice, now_ns)
        except Exception:
            call = self.legs.get(notice.leg)
            if call is None:
                self.count("faults")
                self.out.append(Reject(notice.leg, 500))
            else:
                self.fault(call, now_ns)

    def perform(self, command: Any, now_ns: int) -> Any:
        """Carry out a command of PERFORMERS; returns its answer.

        Raises CommandRefused, with nothing changed.
        """
        if type(command) not in UNWRITTEN:
            if self.journal_down:
                raise CommandRefused("journal_failed", "nothing can be written down", retry=True)
            if self.journal_full:
                raise CommandRefused("journal_full", FULL, retry=True)
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


def _durable(desk: Desk, notice: Durable, now_ns: int) -> None:
    crash_point("durable_heard")
    desk.durable_seq = notice.seq
    if desk.journal_late:
        desk.journal_late = False
        desk.review_admission()
    waiting = desk.waiting
    while waiting and waiting[0][0] <= notice.seq:
        call = desk.calls.get(waiting.popleft()[1])
        if call is not None:
            try:
                flowing.durable(desk, call, now_ns)
            except Exception:
                desk.fault(call, now_ns)


def _journal_failed(desk: Desk, notice: JournalFailed, now_ns: int) -> None:
    crash_point("failure_heard")
    desk.journal_down = notice.reason
    desk.review_admission()
    while desk.waiting:
        call = desk.calls.get(desk.waiting.popleft()[1])
        if call is not None:
            try:
                flowing.undurable(desk, call, Refused.JOURNAL_FAILED, now_ns)
            except Exception:
                desk.fault(call, now_ns)


def _journal_full(desk: Desk, notice: JournalFull, now_ns: int) -> None:
    crash_point("full_heard")
    desk.journal_full = bool(notice.reason)
    desk.review_admission()


def _clock_changed(desk: Desk, notice: ClockChanged, now_ns: int) -> None:
    desk.offset_ns = notice.offset_ns
    desk.emit(facts.ClockSet(now_ns, notice.offset_ns))


def _addresses_changed(desk: Desk, notice: AddressesChanged, now_ns: int) -> None:
    desk.market.set_addresses(notice.gateway, notice.flows)


def _beat(desk: Desk, notice: Beat, now_ns: int) -> None:
    turns = desk.market.moved_turns()
    desk.emit(facts.Heartbeat(now_ns, desk.durable_seq, now_ns + desk.offset_ns, turns))


def _stop_admission(desk: Desk, command: StopAdmission, now_ns: int) -> None:
    desk.draining = True
    desk.review_admission()


def _end_calls(desk: Desk, command: EndCalls, now_ns: int) -> int:
    for call in list(desk.calls.values())[: command.most]:
        try:
            flowing.give_up(desk, call, now_ns, Refused.DRAINING, 503)
        except Exception:
            desk.fault(call, now_ns)
    return len(desk.calls)


PERFORMERS: dict[type, Any] = {
    SwapPlan: planning.swap,
    CheckBids: planning.check_bids,
    PutBids: planning.put_bids,
    RemoveBids: planning.remove_bids,
    TopUp: top_ups.top_up,
    StopAdmission: _stop_admission,
    EndCalls: _end_calls,
}

UNWRITTEN = frozenset((StopAdmission, EndCalls))  # carried out though the journal is down
FULL = "the journal's disk is full, what room is left is for live calls: make room, then repeat"

OUTSIDE = frozenset((
    _durable, _journal_failed, _journal_full, _clock_changed, _addresses_changed, _beat,
))

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
    JournalFull: _journal_full,
    ClockChanged: _clock_changed,
    AddressesChanged: _addresses_changed,
    Beat: _beat,
}
