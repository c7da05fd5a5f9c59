# cython: boundscheck=False
"""The room in which calls are traded: every call, leg, timer, unit and counter of one worker.

```
states ─► call ─► room ─► settle ─► ladder ─► decide ─► screen ┐
                    │        └────────────────► flowing ───────┼─► desk (the five verbs)
                    └─► planning, top_ups ─────────────────────┘
```
The modules to the right of it take the room as their first argument and change it; the desk
alone decides which of them an input goes to.
"""

from collections import deque
from typing import Any

from exchange.call import Call
from exchange.market import Market
from exchange.states import CLOSED
from sip.signals import Admit
from sip.timers import Lanes
from vocabulary import limits
from vocabulary.facts import Disposition, Fact
from vocabulary.ids import IdSource, SubjectIds

COUNTERS = (
    "calls_offered", "calls_answered", "calls_qualified", "calls_completed", "calls_no_answer",
    "calls_busy", "calls_canceled", "calls_blocked", "calls_unsold", "calls_failed",
    "calls_no_ack", "calls_unknown_source", "calls_shed", "attempts", "attempts_failed",
    "reserve_lost", "ignored", "faults", "revenue_micros", "payout_micros", "durable_late",
)


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


class Room:
    """All calls of one worker and what they hold; statistics() for its gauges."""

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
        "journal_full",
        "journal_late",
        "lanes",
        "legs",
        "market",
        "offset_ns",
        "out",
        "seq",
        "serials",
        "subjects",
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
        self.subjects = SubjectIds(pepper)
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
        self.journal_down = ""  # why nothing new may be acknowledged any more
        self.journal_full = False
        self.journal_late = False

    def emit(self, fact: Fact) -> int:
        """Queue a fact for the journal; returns its sequence number."""
        self.seq += 1
        self.emitted += 1
        self.out.append(fact)
        return self.seq

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self.counters[name] += 1

    def review_admission(self) -> None:
        """Close admission of new calls for the gravest reason there is, or open it again."""
        reason = self.journal_down
        if not reason and self.journal_full:
            reason = "journal_full"
        if not reason and self.journal_late:
            reason = "journal_late"
        if not reason and self.draining:
            reason = "draining"
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

    def closed(self, call: Call, disposition: Disposition) -> None:
        """The one release of a call, on every exit path; safe to reach twice."""
        call.state = CLOSED
        self.lanes.cancel(call.timer)
        self.lanes.cancel(call.ladder_timer)
        self.release_held(call)
        self.market.release_campaign(call, committed=call.answered_ns != 0)
        if self.calls.pop(call.serial, None) is not None:
            self.count(DISPOSITION_COUNTERS[disposition])
        for leg in (call.a_leg, call.b_leg):
            if self.legs.get(leg) is call:
                del self.legs[leg]
        call.body = call.answer_body = b""

    def release_held(self, call: Call) -> None:
        """Give back caps, money and budget of the reservation in hand; at most once."""
        held = call.held
        if held is not None:
            call.held = None
            if held.unit:
                self.market.give_unit(held.target)
            self.market.release(held)

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
