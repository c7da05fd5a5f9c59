"""From facts to rows: pure, one function a kind of fact. Rows are bytes of binary COPY.

```
CallRouted ──► auctions 1, bids: ladder and runner-up      CallClosed ──► calls 1, attempts n,
PlanApplied ─► plans (an update, not a copy)                              ledger_entries n
TopUpPosted ─► top_ups 1, ledger_entries n
each but heartbeats and the bids of a plan ──► facts 1: where it stands in the journal
```
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from struct import Struct as Layout
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from auction import reasons
from storage.copy_format import (
    INT2,
    INT2_OID,
    INT4,
    INT4_OID,
    JSONB_VERSION,
    NULL,
    UNIX_TO_POSTGRES_US,
    Texts,
    array_of,
    framed,
    offsets,
    words,
)
from storage.fact_types import FACT_TYPES
from storage.segment import Entry
from vocabulary.codec import fact_decoder
from vocabulary.facts import (
    AnswerSent,
    AttemptFailed,
    CallAnswered,
    CallClosed,
    CallRouted,
    ClockSet,
    Disposition,
    LadderEntry,
    LedgerAccount,
    Party,
    PlanApplied,
    Posting,
    Started,
    TalkEnded,
    TopUpPosted,
)
from vocabulary.reasons import ELIGIBLE, REASON_BASE

COLUMNS: dict[str, tuple[str, ...]] = {
    "calls": (
        "call_id", "received_at", "connected_ns", "revenue_micros", "payout_micros", "refused",
        "sip_status", "qualified", "recovered", "subject", "decided_us", "ringing_us",
        "answered_us", "ended_us", "disposition", "hangup", "currency", "trunk", "publisher",
        "campaign", "number", "buyer", "target", "bid_id", "personal",
    ),
    "attempts": (
        "call_id", "received_at", "number", "entry", "status", "invited_us", "ringing_us",
        "answered_us", "ended_us", "cause", "target", "gateway",
    ),
    "auctions": (
        "auction_id", "call_id", "received_at", "floor_micros", "book_seq", "plan_version",
        "candidates", "attestation", "price_kind", "currency", "area", "reason_ids",
        "reason_counts", "tags", "reasons",
    ),
    "bids": (
        "auction_id", "received_at", "score", "bid_micros", "price_micros", "place", "runner_up",
        "bid_id", "buyer", "target",
    ),
    "facts": ("received_at", "seq", "engine_ns", "about", "kind", "worker"),
    "ledger_entries": (
        "source_id", "posted_at", "amount_micros", "line", "kind", "account", "owner", "currency",
    ),
    "top_ups": (
        "top_up_id", "posted_at", "amount_micros", "account", "currency", "idempotency_key",
    ),
}
"""Columns of each table that facts are copied to, in the order of the bytes of its rows."""

DAILY = ("calls", "attempts", "auctions", "bids", "facts")
"""Tables with a partition a day; the others have one for ever."""

CALL = Layout(">hi16siqiqiqiqihihi?i?i16s")
ATTEMPT = Layout(">hi16siqihihih")
AUCTION = Layout(">hi16si16siqiqiqiqiiih")
BIDS = Layout(">hi16siq")
BID = Layout(">iqiqiqihi?")
FACT = Layout(">hiqiqiqi16s")
OWN_FACT = Layout(">hiqiqiqi")  # about nothing: its length is −1
LINE = Layout(">hi16siqiqih")
TOP_UP = Layout(">hi16siqiq")

NS_PER_US = 1_000
US_PER_MS = 1_000
US_PER_DAY = 86_400_000_000


def _labels(kind: type[IntEnum]) -> dict[int, str]:
    return {int(member): member.name.lower() for member in kind}


DISPOSITIONS = words(_labels(Disposition))
PARTIES = words(_labels(Party))
ACCOUNTS = words(_labels(LedgerAccount))
# Which settlement a line of a call belongs to, by account; a top-up's lines are all of one kind.
KINDS = words(dict(enumerate((
    "", "revenue", "payout", "payout", "revenue", "payout", "carrier", "carrier", "adjustment",
    "adjustment",
))))
REASONS = tuple(INT2.pack(2, ordinal + REASON_BASE) for ordinal in range(ELIGIBLE))
TOP_UP_KIND = framed(b"top_up")
FACT_KINDS = {
    FACT_TYPES[kind]: str(kind.__struct_config__.tag)
    for kind in (
        Started, ClockSet, PlanApplied, CallRouted, AttemptFailed, CallAnswered, AnswerSent,
        CallClosed, TopUpPosted, TalkEnded,
    )
}
"""Word of each type of fact that has a row in facts."""

assert len(KINDS) == len(ACCOUNTS)
# Literals in the code below: what is compiled reads a name from a dictionary.
assert (US_PER_MS, US_PER_DAY, UNIX_TO_POSTGRES_US) == (
    1_000, 86_400_000_000, 946_684_800_000_000
)

TEXTS = Texts(nullable=False)
NAMES = Texts(nullable=True)

_encode_json = msgspec.json.Encoder().encode


class Head(Struct, frozen=True, gc=False, array_like=True):
    """The first fields that every fact of a call has; the rest is not even looked at."""

    tag: str
    at_ns: int
    call_id: Annotated[bytes, Meta(min_length=16, max_length=16)]


class DayRows:
    """Rows of one day by table."""

    __slots__ = DAILY

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.attempts: list[bytes] = []
        self.auctions: list[bytes] = []
        self.bids: list[bytes] = []
        self.facts: list[bytes] = []


class Rows:
    """Rows of a batch, and the plans that were applied. count: rows in all tables.

    days: by day, counted from 2000-01-01.
    """

    __slots__ = ("_kinds", "count", "days", "ledger_entries", "plans", "top_ups")

    def __init__(self, worker: int = 0) -> None:
        self.count = 0
        self.days: dict[int, DayRows] = {}
        self.ledger_entries: list[bytes] = []
        self.top_ups: list[bytes] = []
        self.plans: list[PlanApplied] = []
        self._kinds = {
            number: framed(word.encode()) + INT2.pack(2, worker)
            for number, word in FACT_KINDS.items()
        }

    def of_day(self, received_us: int) -> DayRows:
        """Rows of the day of an instant."""
        day = received_us // 86_400_000_000
        rows = self.days.get(day)
        if rows is None:
            rows = self.days[day] = DayRows()
        return rows

    def add_fact(self, kind: int, seq: int, at_ns: int, call_id: bytes) -> None:
        """Where a fact about a call or a top-up stands; its id tells the instant."""
        assert len(call_id) == 16
        ms = 0
        for index in range(6):
            ms = ms << 8 | call_id[index]
        us = ms * 1_000 - 946_684_800_000_000
        self.of_day(us).facts.append(
            FACT.pack(6, 8, us, 8, seq, 8, at_ns, 16, call_id) + self._kinds[kind]
        )
        self.count += 1

    def add_own_fact(self, kind: int, seq: int, at_ns: int, wall_ns: int) -> None:
        """Where a fact about the exchange itself stands."""
        us = _instant(wall_ns)
        self.of_day(us).facts.append(
            OWN_FACT.pack(6, 8, us, 8, seq, 8, at_ns, -1) + self._kinds[kind]
        )
        self.count += 1


def add_routed(fact: CallRouted, rows: Rows) -> None:
    """One auctions row and a bids row for each entry that is kept."""
    us = _instant(fact.wall_ns)
    day = rows.of_day(us)
    counts = reasons.tally(fact.reasons) if fact.reasons else {}
    counts.pop(ELIGIBLE, None)
    auction_id = fact.auction_id
    day.auctions.append(b"".join((
        AUCTION.pack(
            15, 16, auction_id, 16, fact.call_id, 8, us, 8, fact.floor_micros, 8, fact.book_seq,
            8, fact.plan_version, 4, fact.candidates, 2, fact.attestation,
        ),
        TEXTS[fact.price_kind], TEXTS[fact.currency], NAMES[fact.area],
        array_of([REASONS[ordinal] for ordinal in counts], INT2_OID),
        array_of([INT4.pack(4, count) for count in counts.values()], INT4_OID),
        _tags(fact.tags), framed(fact.reasons) if fact.reasons else NULL,
    )))
    bids = day.bids
    head = BIDS.pack(10, 16, auction_id, 8, us)
    place = 0
    for place, entry in enumerate(fact.ladder, 1):
        bids.append(_bid(head, entry, place, False))
    for entry in fact.runner_up:
        place += 1
        bids.append(_bid(head, entry, place, True))
    rows.count += place + 1


def add_closed(fact: CallClosed, rows: Rows) -> None:
    """The calls row, its attempts and its postings."""
    call_id = fact.call_id
    us = _instant(fact.wall_ns)
    day = rows.of_day(us)
    sealed = fact.personal.sealed
    day.calls.append(b"".join((
        CALL.pack(
            25, 16, call_id, 8, us, 8, fact.connected_ns, 8, fact.revenue_micros, 8,
            fact.payout_micros, 2, fact.refused, 2, fact.sip_status, 1, fact.qualified, 1,
            fact.recovered, 16, fact.subject,
        ),
        offsets(fact.decided_us, fact.ringing_us, fact.answered_us, fact.ended_us),
        DISPOSITIONS[fact.disposition], PARTIES[fact.hangup], TEXTS[fact.currency],
        NAMES[fact.trunk], NAMES[fact.publisher], NAMES[fact.campaign], NAMES[fact.number],
        NAMES[fact.buyer], NAMES[fact.target], NAMES[fact.bid_id], framed(sealed),
    )))
    attempts = day.attempts
    for leg in fact.attempts:
        attempts.append(b"".join((
            ATTEMPT.pack(
                12, 16, call_id, 8, us, 2, leg.number, 2, leg.entry, 2, leg.status
            ),
            offsets(leg.invited_us, leg.ringing_us, leg.answered_us, leg.ended_us),
            TEXTS[leg.cause], TEXTS[leg.target], TEXTS[leg.gateway],
        )))
    rows.count += 1 + len(fact.attempts)
    if fact.postings:
        ended_ns = fact.wall_ns + max(fact.ended_us, 0) * NS_PER_US
        _add_postings(rows, call_id, ended_ns, fact.currency, fact.postings, b"")


def add_top_up(fact: TopUpPosted, rows: Rows) -> None:
    """The top-up and its postings."""
    rows.top_ups.append(b"".join((
        TOP_UP.pack(6, 16, fact.top_up_id, 8, _instant(fact.wall_ns), 8, fact.amount_micros),
        TEXTS[fact.account], TEXTS[fact.currency],
        framed(fact.idempotency_key.replace("\0", "").encode()),
    )))
    rows.count += 1
    _add_postings(rows, fact.top_up_id, fact.wall_ns, fact.currency, fact.postings, TOP_UP_KIND)


class Loader:
    """Adds journal records to rows. worker: whose journal it is."""

    __slots__ = ("_decode", "_head", "_loaded", "_worker")

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._decode = fact_decoder().decode
        self._head = msgspec.msgpack.Decoder(Head).decode
        self._loaded: dict[int, Callable[[int, int, bytes, Rows], None]] = {
            FACT_TYPES[Started]: self._own,
            FACT_TYPES[ClockSet]: self._own,
            FACT_TYPES[PlanApplied]: self._own,
            FACT_TYPES[CallRouted]: self._routed,
            FACT_TYPES[AttemptFailed]: self._of_call,
            FACT_TYPES[CallAnswered]: self._of_call,
            FACT_TYPES[AnswerSent]: self._of_call,
            FACT_TYPES[TalkEnded]: self._of_call,
            FACT_TYPES[CallClosed]: self._closed,
            FACT_TYPES[TopUpPosted]: self._top_up,
        }

    def rows(self, records: Sequence[Entry]) -> Rows:
        """Rows of journal records. Raises what storage.copy_format.UNFIT lists, MsgspecError."""
        rows = Rows(self._worker)
        loaded = self._loaded.get
        for record in records:
            add = loaded(record.kind)
            if add is not None:
                add(record.kind, record.seq, record.payload, rows)
        return rows

    def _of_call(self, kind: int, seq: int, payload: bytes, rows: Rows) -> None:
        head = self._head(payload)
        rows.add_fact(kind, seq, head.at_ns, head.call_id)

    def _routed(self, kind: int, seq: int, payload: bytes, rows: Rows) -> None:
        fact = self._decode(payload)
        assert isinstance(fact, CallRouted)
        add_routed(fact, rows)
        rows.add_fact(kind, seq, fact.at_ns, fact.call_id)

    def _closed(self, kind: int, seq: int, payload: bytes, rows: Rows) -> None:
        fact = self._decode(payload)
        assert isinstance(fact, CallClosed)
        add_closed(fact, rows)
        rows.add_fact(kind, seq, fact.at_ns, fact.call_id)

    def _top_up(self, kind: int, seq: int, payload: bytes, rows: Rows) -> None:
        fact = self._decode(payload)
        assert isinstance(fact, TopUpPosted)
        add_top_up(fact, rows)
        rows.add_fact(kind, seq, fact.at_ns, fact.top_up_id)

    def _own(self, kind: int, seq: int, payload: bytes, rows: Rows) -> None:
        fact = self._decode(payload)
        if isinstance(fact, ClockSet):
            wall_ns = fact.at_ns + fact.offset_ns
        else:
            assert isinstance(fact, Started | PlanApplied)
            wall_ns = fact.wall_ns
        rows.add_own_fact(kind, seq, fact.at_ns, wall_ns)
        if isinstance(fact, PlanApplied):
            rows.plans.append(fact)


def _add_postings(
    rows: Rows, source_id: bytes, posted_ns: int, currency: str, postings: tuple[Posting, ...],
    kind: bytes,
) -> None:
    entries = rows.ledger_entries
    us = _instant(posted_ns)
    for line, posting in enumerate(postings):
        account = posting.account
        entries.append(b"".join((
            LINE.pack(8, 16, source_id, 8, us, 8, posting.amount_micros, 2, line),
            kind or KINDS[account], ACCOUNTS[account], TEXTS[posting.owner], TEXTS[currency],
        )))
    rows.count += len(postings)


def _bid(head: bytes, entry: LadderEntry, place: int, runner_up: bool) -> bytes:
    return b"".join((
        head,
        BID.pack(
            8, entry.score, 8, entry.bid_micros, 8, entry.price_micros, 2, place, 1, runner_up
        ),
        TEXTS[entry.bid_id], TEXTS[entry.buyer], TEXTS[entry.target],
    ))


def _instant(wall_ns: int) -> int:
    """PostgreSQL's timestamptz of Unix time: microseconds since 2000-01-01."""
    return wall_ns // NS_PER_US - UNIX_TO_POSTGRES_US


def _tags(tags: tuple[tuple[str, str], ...]) -> bytes:
    """The call's tags as a JSON object; jsonb takes no NUL either."""
    if not tags:
        return NULL
    clean = {name.replace("\0", ""): value.replace("\0", "") for name, value in tags}
    return framed(JSONB_VERSION + _encode_json(clean))
