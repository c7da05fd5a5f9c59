"""Replay: facts in order → everything that outlives a process, keyed by id (architecture §2).

The same reducer serves the checkpoint (fed by whoever tails the journal, off the call path) and
the start: newest checkpoint + tail. What it holds depends on the facts alone.

```
checkpoint(seq n) ──► Replay ◄── facts n+1 … last whole record
                        │ close_open()
                        ▼
        CallClosed for every call that was alive, each exactly once
```
How each of them ends, and why: exchange.closing. Holds and reservations of calls that were alive
are simply not there after a restart.
"""

from typing import Any

import msgspec
from msgspec import Struct

from exchange.closing import Beat, OpenCall, closing
from vocabulary import limits
from vocabulary.facts import (
    AnswerSent,
    AttemptFailed,
    BidPut,
    BidRemoved,
    CallAnswered,
    CallClosed,
    CallRouted,
    CapUse,
    ClockSet,
    Fact,
    Heartbeat,
    LedgerAccount,
    PlanApplied,
    Posting,
    Started,
    TalkEnded,
    TopUpPosted,
)

NS_PER_US = 1_000


class StandingBid(Struct, array_like=True):
    """A bid as the book must come back. A removed one keeps its buyer, its money and its rank."""

    terms: bytes = b""
    spent_micros: int = 0
    last_won_ns: int = 0
    removed: bool = False


class Position(Struct, frozen=True, gc=False, array_like=True):
    """Where the record ReplayState.seq stands in the journal, and what it is.

    ordinal, offset, end: segment, its first byte and the one behind it; epoch: of the process
    that wrote it; checksum: CRC32C of its payload. All 0: not known.
    """

    ordinal: int = 0
    offset: int = 0
    end: int = 0
    epoch: int = 0
    checksum: int = 0


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
    cap_ends: dict[str, int] = {}  # when each window of caps ends, where its records say so
    turns: dict[str, dict[str, int]] = {}  # round robin: campaign → target → credit
    position: Position = Position()
    version: str = ""  # of dce, as the last Started says


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
            closing(call_id, call, beat_of(self.state), now_ns)
            for call_id, call in open_calls(self.state)
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
        state.cap_ends = {
            key: end_s for key, end_s in state.cap_ends.items() if key in state.caps
        }


def cap_key(use: CapUse) -> str:
    """Key of a cap window in ReplayState.caps."""
    return f"{use.owner}|{use.kind}|{use.window_start_s}"


def beat_of(state: ReplayState) -> Beat:
    """The end of the process, as far as the facts tell."""
    return Beat(state.beat_seq, state.beat_at_ns, state.at_ns)


def open_calls(state: ReplayState) -> list[tuple[bytes, OpenCall]]:
    """Ids and calls that no CallClosed ended, in order of arrival."""
    return sorted(state.open.items(), key=lambda item: item[1].at_ns)


def standing(state: ReplayState) -> dict[str, bytes]:
    """Terms of every bid that stands, encoded, by id."""
    return {
        bid_id: bid.terms for bid_id, bid in state.bids.items() if bid.terms and not bid.removed
    }


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
        call.hold_micros = fact.hold_micros


def _sent(state: ReplayState, seq: int, fact: AnswerSent) -> None:
    call = state.open.get(fact.call_id)
    if call is not None:
        call.sent = True


def _closed(state: ReplayState, seq: int, fact: CallClosed) -> None:
    call = state.open.pop(fact.call_id, None)
    if call is None:  # refused before any ladder; or settled already: its key counts once
        return
    post(state, fact.postings)
    for use in fact.caps:
        key = cap_key(use)
        state.caps[key] = state.caps.get(key, 0) + 1
        if use.window_end_s:
            state.cap_ends[key] = use.window_end_s
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
    state.version = fact.version


def _clock(state: ReplayState, seq: int, fact: ClockSet) -> None:
    state.offset_ns = fact.offset_ns


def _beat(state: ReplayState, seq: int, fact: Heartbeat) -> None:
    state.beat_seq = fact.durable_seq
    state.beat_at_ns = fact.at_ns
    for turn in fact.turns:
        turns = state.turns.setdefault(turn.campaign, {})
        turns[turn.target] = turn.credit
        if not turn.credit:
            del turns[turn.target]


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
