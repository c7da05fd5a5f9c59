"""How a call that a crash ended is closed: charged or not, up to which instant, and why.

```
start record?  no ──────────────────────────────────────────────────────────► UNANSWERED   free
      │ yes
AnswerSent? ── yes ─────────────────────────────────────────────────────────► ANSWER_SENT  charged
      │ no
a heartbeat's durable mark covers the start record? ── yes ─► the 200 left ─► BEAT_COVERS  charged
      │ no                                                                       up to the last beat
      └─────────────────────────────────────────────────────────────────────► NEVER_SENT   free
```
Reliability §2: an acknowledged start record survives; one whose 200 is not known to have left
never charges anybody.
"""

from enum import IntEnum

from msgspec import Struct

from accounts.ledger import call_postings
from accounts.payout import is_qualified, payout_micros, revenue_micros
from accounts.terms import unpack_terms
from vocabulary.facts import (
    Attempt,
    CallClosed,
    CapUse,
    Disposition,
    LadderEntry,
    Party,
    Personal,
)
from vocabulary.reasons import Refused

NS_PER_US = 1_000


class Why(IntEnum):
    """What decides whether a call that the crash ended is charged."""

    UNANSWERED = 0
    NEVER_SENT = 1
    ANSWER_SENT = 2
    BEAT_COVERS = 3


CHARGED = frozenset((Why.ANSWER_SENT, Why.BEAT_COVERS))


class OpenCall(Struct, array_like=True):
    """A routed call that has not been closed yet: what a CallClosed of it needs."""

    at_ns: int
    wall_ns: int
    trunk: str
    publisher: str
    campaign: str
    number: str
    subject: bytes
    personal: bytes  # sealed
    currency: str
    terms: tuple[int, int, int, int, int]
    ladder: tuple[LadderEntry, ...]
    attempts: tuple[Attempt, ...] = ()
    answered: Attempt | None = None
    answered_ns: int = 0
    answered_seq: int = 0
    caps: tuple[CapUse, ...] = ()
    sent: bool = False
    connected_max_ns: int = -1  # the buyer hung up before the ACK; −1: it did not
    hold_micros: int = 0  # of the answered attempt


class Beat(Struct, frozen=True, gc=False):
    """The end of the process as the journal knows it.

    durable_seq, at_ns: of the last heartbeat. last_ns: the newest instant of any record.
    """

    durable_seq: int
    at_ns: int
    last_ns: int


def why(call: OpenCall, beat: Beat) -> Why:
    """Which of the drawing's four ends a call comes to."""
    if call.answered is None:
        return Why.UNANSWERED
    if call.sent:
        return Why.ANSWER_SENT
    return Why.BEAT_COVERS if call.answered_seq <= beat.durable_seq else Why.NEVER_SENT


def end_ns(call: OpenCall, beat: Beat) -> int:
    """Engine instant at which a call that the crash ended is taken to have ended."""
    if why(call, beat) not in CHARGED:
        return max(call.at_ns, beat.last_ns)
    end = max(call.answered_ns, beat.at_ns)
    if call.connected_max_ns >= 0:
        end = min(end, call.answered_ns + call.connected_max_ns)
    return end


def closing(call_id: bytes, call: OpenCall, beat: Beat, now_ns: int) -> CallClosed:
    """The CallClosed of a call that was alive at the crash (exchange rule 28)."""
    answer = call.answered
    charged = why(call, beat) in CHARGED
    ended_ns = end_ns(call, beat)
    talked_ns = ended_ns - call.answered_ns if charged else 0
    revenue = payout = 0
    qualified = False
    won: LadderEntry | None = None
    attempts = call.attempts
    if answer is not None:
        won = call.ladder[answer.entry]
        attempts = (*attempts, answer)
    if charged and won is not None:
        terms = unpack_terms(call.terms)
        qualified = is_qualified(terms, talked_ns)
        revenue = revenue_micros(terms, won.price_micros, talked_ns)
        payout = payout_micros(terms, revenue, talked_ns)
    postings = call_postings(won.buyer if won else "", revenue, call.publisher, payout)
    return CallClosed(
        now_ns, call_id, call.wall_ns, call.trunk, call.publisher, call.campaign, call.number,
        call.subject, Personal(None, call.personal),
        Disposition.COMPLETED if charged else Disposition.FAILED, int(Refused.RESTART),
        200 if charged else 0, Party.EXCHANGE, 0, -1,
        (call.answered_ns - call.at_ns) // NS_PER_US if charged else -1,
        (ended_ns - call.at_ns) // NS_PER_US, talked_ns, qualified,
        won.buyer if charged and won else "", won.target if charged and won else "",
        won.bid_id if charged and won else "", call.currency, revenue, payout, attempts,
        postings, call.caps if charged else (), True,
    )
