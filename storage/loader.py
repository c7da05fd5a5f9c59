"""From facts to rows: pure, one function a fact.

```
CallRouted ──► auctions 1, bids: ladder and runner-up      CallClosed ──► calls 1, attempts n,
PlanApplied ─► plans (an update, not a copy)                              ledger_entries n
TopUpPosted ─► top_ups 1, ledger_entries n                 the rest ───► nothing
```
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec

from auction import reasons
from storage.fact_types import FACT_TYPES
from vocabulary.facts import (
    CallClosed,
    CallRouted,
    Disposition,
    LadderEntry,
    LedgerAccount,
    Party,
    PlanApplied,
    Posting,
    TopUpPosted,
)
from vocabulary.reasons import ELIGIBLE, REASON_BASE

Row = tuple[Any, ...]

COLUMNS: dict[str, tuple[str, ...]] = {
    "calls": (
        "call_id", "received_at", "decided_us", "ringing_us", "answered_us", "ended_us",
        "connected_ns", "revenue_micros", "payout_micros", "disposition", "hangup", "refused",
        "sip_status", "qualified", "recovered", "currency", "trunk", "publisher", "campaign",
        "number", "buyer", "target", "bid_id", "subject", "personal",
    ),
    "attempts": (
        "call_id", "invited_us", "ringing_us", "answered_us", "ended_us", "number", "entry",
        "status", "cause", "target", "gateway",
    ),
    "auctions": (
        "auction_id", "call_id", "received_at", "floor_micros", "book_seq", "plan_version",
        "candidates", "attestation", "price_kind", "currency", "area", "reason_ids",
        "reason_counts", "tags", "reasons",
    ),
    "bids": (
        "auction_id", "score", "bid_micros", "price_micros", "place", "runner_up", "bid_id",
        "buyer", "target",
    ),
    "ledger_entries": (
        "source_id", "posted_at", "amount_micros", "kind", "account", "line", "owner", "currency",
    ),
    "top_ups": (
        "top_up_id", "posted_at", "amount_micros", "account", "currency", "idempotency_key",
    ),
}
"""Columns of each table that facts are copied to, in the order of its rows."""

NS_PER_US = 1_000

def _words(kind: type[IntEnum]) -> tuple[str, ...]:
    """The words of an enum by number, "" where there is none: an index costs less than a hash."""
    known = {int(member): member.name.lower() for member in kind}
    return tuple(known.get(number, "") for number in range(max(known) + 1))


DISPOSITIONS = _words(Disposition)
PARTIES = _words(Party)
ACCOUNTS = _words(LedgerAccount)
# Which settlement a line of a call belongs to, by account; a top-up's lines are all of one kind.
KINDS = (
    "", "revenue", "payout", "payout", "revenue", "payout", "carrier", "carrier", "adjustment",
    "adjustment",
)

assert len(KINDS) == len(ACCOUNTS)

_encode_json = msgspec.json.Encoder().encode


class Rows:
    """Rows by table, and the plans that were applied."""

    __slots__ = ("plans", "tables")

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {table: [] for table in COLUMNS}
        self.plans: list[PlanApplied] = []

    def count(self) -> int:
        """Rows in all tables."""
        return sum(map(len, self.tables.values()))


def add_routed(fact: CallRouted, rows: Rows) -> None:
    """One auctions row and a bids row for each entry that is kept."""
    vector = reasons.decode(fact.reasons) if fact.reasons else None
    counts = reasons.histogram(vector) if vector is not None else {}
    rows.tables["auctions"].append((
        fact.auction_id, fact.call_id, fact.wall_ns, fact.floor_micros, fact.book_seq,
        fact.plan_version, fact.candidates, fact.attestation, fact.price_kind, fact.currency,
        fact.area or None,
        [ordinal + REASON_BASE for ordinal in counts if ordinal != ELIGIBLE],
        [count for ordinal, count in counts.items() if ordinal != ELIGIBLE],
        _tags(fact.tags), fact.reasons or None,
    ))
    bids = rows.tables["bids"]
    auction_id = fact.auction_id
    place = 0
    for place, entry in enumerate(fact.ladder, 1):
        bids.append(_bid(auction_id, entry, place, False))
    for entry in fact.runner_up:
        place += 1
        bids.append(_bid(auction_id, entry, place, True))


def add_closed(fact: CallClosed, rows: Rows) -> None:
    """The calls row, its attempts and its postings."""
    call_id = fact.call_id
    rows.tables["calls"].append((
        call_id, fact.wall_ns, _offset(fact.decided_us), _offset(fact.ringing_us),
        _offset(fact.answered_us), _offset(fact.ended_us), fact.connected_ns,
        fact.revenue_micros, fact.payout_micros, DISPOSITIONS[fact.disposition],
        PARTIES[fact.hangup], fact.refused, fact.sip_status, fact.qualified, fact.recovered,
        fact.currency, _text(fact.trunk), _text(fact.publisher), _text(fact.campaign),
        _text(fact.number), _text(fact.buyer), _text(fact.target), _text(fact.bid_id),
        fact.subject, fact.personal.sealed,
    ))
    attempts = rows.tables["attempts"]
    for leg in fact.attempts:
        attempts.append((
            call_id, _offset(leg.invited_us), _offset(leg.ringing_us), _offset(leg.answered_us),
            _offset(leg.ended_us), leg.number, leg.entry, leg.status, leg.cause, leg.target,
            leg.gateway,
        ))
    if fact.postings:
        ended_ns = fact.wall_ns + max(fact.ended_us, 0) * NS_PER_US
        _add_postings(rows, call_id, ended_ns, fact.currency, fact.postings, None)


def add_top_up(fact: TopUpPosted, rows: Rows) -> None:
    """The top-up and its postings."""
    rows.tables["top_ups"].append((
        fact.top_up_id, fact.wall_ns, fact.amount_micros, fact.account, fact.currency,
        fact.idempotency_key.replace("\0", ""),
    ))
    _add_postings(rows, fact.top_up_id, fact.wall_ns, fact.currency, fact.postings, "top_up")


def add_plan(fact: PlanApplied, rows: Rows) -> None:
    """A plan that came into force."""
    rows.plans.append(fact)


LOADED: dict[int, Callable[[Any, Rows], None]] = {
    FACT_TYPES[CallRouted]: add_routed,
    FACT_TYPES[CallClosed]: add_closed,
    FACT_TYPES[TopUpPosted]: add_top_up,
    FACT_TYPES[PlanApplied]: add_plan,
}
"""What to do with each type of fact that has rows; all others are not even decoded."""


def _add_postings(
    rows: Rows, source_id: bytes, posted_ns: int, currency: str, postings: tuple[Posting, ...],
    kind: str | None,
) -> None:
    entries = rows.tables["ledger_entries"]
    for line, posting in enumerate(postings):
        account = posting.account
        entries.append((
            source_id, posted_ns, posting.amount_micros, kind or KINDS[account],
            ACCOUNTS[account], line, posting.owner, currency,
        ))


def _bid(auction_id: bytes, entry: LadderEntry, place: int, runner_up: bool) -> Row:
    return (
        auction_id, entry.score, entry.bid_micros, entry.price_micros, place, runner_up,
        entry.bid_id, entry.buyer, entry.target,
    )


def _offset(micros: int) -> int | None:
    return micros if micros >= 0 else None


def _text(text: str) -> str | None:
    """Text for a column, None for none. PostgreSQL takes no NUL, a caller may send one."""
    return text.replace("\0", "") or None


def _tags(tags: tuple[tuple[str, str], ...]) -> str | None:
    """The call's tags as a JSON object; jsonb takes no NUL either."""
    if not tags:
        return None
    clean = {name.replace("\0", ""): value.replace("\0", "") for name, value in tags}
    return _encode_json(clean).decode()
