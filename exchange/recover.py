"""Replay: facts in order → everything that outlives a process, keyed by id (architecture §2).

The same reducer serves the checkpoint (fed by whoever tails the journal, off the call path) and
the start: newest checkpoint + tail. What it holds depends on the facts alone.

```
checkpoint(seq n) ──► Replay ◄── facts n+1 … last whole record
                        │ close_open()
                        ▼
        CallClosed for every call that was alive, each exactly once
```
A call that was answered is charged up to the last heartbeat, and only if its 200 left: an
AnswerSent follows, or a heartbeat's durable mark covers its start record. Everything else is
closed without charge, and its holds are simply not there after a restart.
"""

from typing import Any

import msgspec
from msgspec import Struct

from accounts.ledger import call_postings
from accounts.payout import is_qualified, payout_micros, revenue_micros
from accounts.terms import unpack_terms
from vocabulary import limits
from vocabulary.facts import (
    AnswerSent,
    Attempt,
    AttemptFailed,
    BidPut,
    BidRemoved,
    CallAnswered,
    CallClosed,
    CallRouted,
    CapUse,
    ClockSet,
    Disposition,
    Fact,
    Heartbeat,
    LadderEntry,
    LedgerAccount,
    Party,
    Personal,
    PlanApplied,
    Posting,
    Started,
    TalkEnded,
    TopUpPosted,
)
from vocabulary.reasons import Refused

NS_PER_US = 1_000


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


class StandingBid(Struct, array_like=True):
    """A bid as the book must come back. A removed one keeps its buyer, its money and its rank."""

    terms: bytes = b""
    spent_micros: int = 0
    last_won_ns: int = 0
    removed: bool = False


class ReplayState(Struct, array_like=True):
    """All that a checkpoint holds. Dict keys are ids; caps by "owner|kind|window start"."""

    seq: int = 0
    at_ns: int = 0
    offset_ns: int = 0
    epoch: int = 0
    plan_version: int = 0
    beat_seq: int = 0
    beat_at_ns: int = 0
    balances: dict[str, int] = {}
    pending: dict[str, int] = {}
    bids: dict[str, StandingBid] = {}
    caps: dict[str, int] = {}
    open: dict[bytes, OpenCall] = {}
    top_ups: dict[str, tuple[bytes, str, int]] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ReplayState)


class Replay:
    """The reducer. apply() never raises on a fact that our own desk could have written."""

    def __init__(self, state: ReplayState | None = None) -> None:
        self.state = state if state is not None else ReplayState()

    @classmethod
    def from_checkpoint(cls, payload: bytes) -> "Replay":
        """Raises msgspec.ValidationError on bytes that are no checkpoint."""
        return cls(_decoder.decode(payload))

    def checkpoint(self) -> bytes:
        """Bytes of the whole state; old cap windows are left behind first."""
        self._forget_old_windows()
        return _encoder.encode(self.state)

    def apply(self, seq: int, fact: Fact) -> None:
        """Take the next fact; facts at or below state.seq are skipped (idempotent)."""
        state = self.state
        if seq <= state.seq:
            return
        state.seq = seq
        state.at_ns = max(state.at_ns, fact.at_ns)
        handler = HANDLERS.get(type(fact))
        if handler is not None:
            handler(state, seq, fact)

    def close_open(self, now_ns: int) -> list[CallClosed]:
        """One CallClosed for each call that the crash ended, in order of arrival."""
        found = [
            closing(self.state, call_id, call, now_ns)
            for call_id, call in sorted(self.state.open.items(), key=lambda item: item[1].at_ns)
        ]
        assert all(sum(p.amount_micros for p in fact.postings) == 0 for fact in found)
        return found

    def _forget_old_windows(self) -> None:
        """Hour and day windows that began over two days ago can grant nothing any more."""
        state = self.state
        oldest_s = (state.at_ns + state.offset_ns) // limits.NS_PER_S - 2 * 86_400
        state.caps = {
            key: used
            for key, used in state.caps.items()
            if int(key.rpartition("|")[2]) >= oldest_s
        }


def cap_key(use: CapUse) -> str:
    """Key of a cap window in ReplayState.caps."""
    return f"{use.owner}|{use.kind}|{use.window_start_s}"


def closing(state: ReplayState, call_id: bytes, call: OpenCall, now_ns: int) -> CallClosed:
    """How a call that was alive at the crash is closed (reliability §2, exchange rule 28)."""
    answer = call.answered
    charged = answer is not None and (call.sent or call.answered_seq <= state.beat_seq)
    end_ns = max(call.answered_ns, state.beat_at_ns) if charged else max(call.at_ns, state.at_ns)
    if charged and call.connected_max_ns >= 0:
        end_ns = min(end_ns, call.answered_ns + call.connected_max_ns)
    talked_ns = end_ns - call.answered_ns if charged else 0
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
        (end_ns - call.at_ns) // NS_PER_US, talked_ns, qualified,
        won.buyer if charged and won else "", won.target if charged and won else "",
        won.bid_id if charged and won else "", call.currency, revenue, payout, attempts,
        postings, call.caps if charged else (), True,
    )


def _routed(state: ReplayState, seq: int, fact: CallRouted) -> None:
    if fact.ladder:
        state.open[fact.call_id] = OpenCall(
            fact.at_ns, fact.wall_ns, fact.trunk, fact.publisher, fact.campaign, fact.number,
            fact.subject, fact.personal.sealed, fact.currency, fact.terms, fact.ladder,
        )


def _attempt_failed(state: ReplayState, seq: int, fact: AttemptFailed) -> None:
    call = state.open.get(fact.call_id)
    if call is not None:
        call.attempts = (*call.attempts, fact.attempt)


def _answered(state: ReplayState, seq: int, fact: CallAnswered) -> None:
    call = state.open.get(fact.call_id)
    if call is not None:
        call.answered = fact.attempt
        call.answered_ns = fact.at_ns
        call.answered_seq = seq
        call.caps = fact.caps


def _sent(state: ReplayState, seq: int, fact: AnswerSent) -> None:
    call = state.open.get(fact.call_id)
    if call is not None:
        call.sent = True


def _closed(state: ReplayState, seq: int, fact: CallClosed) -> None:
    call = state.open.pop(fact.call_id, None)
    post(state, fact.postings)
    for use in fact.caps:
        key = cap_key(use)
        state.caps[key] = state.caps.get(key, 0) + 1
    if call is None:
        return
    entry = -1
    for attempt in fact.attempts:
        if attempt.entry == entry:
            continue  # one more gateway of a reservation that was made before
        entry = attempt.entry
        bid = state.bids.setdefault(call.ladder[attempt.entry].bid_id, StandingBid())
        bid.last_won_ns = max(bid.last_won_ns, call.at_ns + attempt.invited_us * NS_PER_US)
    if fact.bid_id:
        state.bids.setdefault(fact.bid_id, StandingBid()).spent_micros += fact.revenue_micros


def post(state: ReplayState, postings: tuple[Posting, ...]) -> None:
    """Apply ledger lines to balances: what we owe is minus the sum of its lines."""
    for line in postings:
        if line.account == LedgerAccount.BUYER:
            state.balances[line.owner] = (
                state.balances.get(line.owner, 0) - line.amount_micros
            )
        elif line.account == LedgerAccount.PUBLISHER_PENDING:
            state.pending[line.owner] = state.pending.get(line.owner, 0) - line.amount_micros


def _bid_put(state: ReplayState, seq: int, fact: BidPut) -> None:
    bid = state.bids.setdefault(fact.bid_id, StandingBid())
    bid.terms = fact.terms
    bid.removed = False


def _bid_removed(state: ReplayState, seq: int, fact: BidRemoved) -> None:
    state.bids.setdefault(fact.bid_id, StandingBid()).removed = True


def _top_up(state: ReplayState, seq: int, fact: TopUpPosted) -> None:
    post(state, fact.postings)
    state.top_ups[fact.idempotency_key] = (fact.top_up_id, fact.account, fact.amount_micros)


def _started(state: ReplayState, seq: int, fact: Started) -> None:
    state.epoch = fact.epoch


def _clock(state: ReplayState, seq: int, fact: ClockSet) -> None:
    state.offset_ns = fact.offset_ns


def _beat(state: ReplayState, seq: int, fact: Heartbeat) -> None:
    state.beat_seq = fact.durable_seq
    state.beat_at_ns = fact.at_ns


def _plan(state: ReplayState, seq: int, fact: PlanApplied) -> None:
    state.plan_version = fact.version


def _talk_ended(state: ReplayState, seq: int, fact: TalkEnded) -> None:
    call = state.open.get(fact.call_id)
    if call is not None:
        call.connected_max_ns = fact.connected_ns


HANDLERS: dict[type, Any] = {
    TalkEnded: _talk_ended,
    CallRouted: _routed,
    AttemptFailed: _attempt_failed,
    CallAnswered: _answered,
    AnswerSent: _sent,
    CallClosed: _closed,
    BidPut: _bid_put,
    BidRemoved: _bid_removed,
    TopUpPosted: _top_up,
    Started: _started,
    ClockSet: _clock,
    Heartbeat: _beat,
    PlanApplied: _plan,
}
