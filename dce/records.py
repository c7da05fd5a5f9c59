"""Finished calls out of PostgreSQL, as the API and `dce call show` give them.

A list is walked by (received_at, call_id), newest first; that pair is a page's position. A call's
id tells the millisecond of its arrival, and so the one partition in which everything of it lies.
Every value from outside is a bind parameter; only the fixed texts below are joined.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from api.deps import CallFilter
from dce.config import Config
from dce.database import Database
from dce.explain import Explainer
from storage.session import OPERATOR
from vocabulary.facts import Disposition
from vocabulary.ids import uuid_text
from vocabulary.instants import format_wall
from vocabulary.limits import NS_PER_S
from vocabulary.money import format_micros
from vocabulary.reasons import Reason, Refused, openrtb_code

POSITION_BYTES = 8
UUID_VERSION_AT, UUID_VERSION = 6, 7
LAST_WALL_NS = 7_258_118_400 * NS_PER_S  # 2200-01-01: no partition is later
US_PER_MS = 1_000
NS_PER_MS = 1_000_000

SELECT_CALLS = (
    "SELECT call_id, received_at, decided_us, ringing_us, answered_us, ended_us, connected_ns,"
    " revenue_micros, payout_micros, disposition::text, hangup::text, refused, sip_status,"
    " qualified, recovered, currency, trunk, publisher, campaign, number, buyer, target, bid_id,"
    " subject, personal FROM calls"
)
SELECT_ONE = SELECT_CALLS + " WHERE call_id = $1 AND received_at >= $2 AND received_at < $3"
NEWEST_FIRST = " ORDER BY received_at DESC, call_id DESC LIMIT "
SELECT_ATTEMPTS = (
    "SELECT number, entry, status, cause, target, gateway, invited_us, ringing_us, answered_us,"
    " ended_us FROM attempts WHERE call_id = $1 AND received_at = $2 ORDER BY number"
)
SELECT_AUCTION = (
    "SELECT auction_id, received_at, floor_micros, book_seq, plan_version, candidates,"
    " attestation, price_kind, currency, area, reason_ids, reason_counts, tags, reasons"
    " FROM auctions WHERE call_id = $1 AND received_at = $2"
)
SELECT_BIDS = (
    "SELECT place, runner_up, bid_id, buyer, target, score, bid_micros, price_micros FROM bids"
    " WHERE auction_id = $1 AND received_at = $2 ORDER BY place"
)
SELECT_POSTINGS = (
    "SELECT kind::text, account::text, owner, amount_micros, currency, posted_at"
    " FROM ledger_entries WHERE source_id = $1 ORDER BY line"
)
SELECT_FACTS = (
    "SELECT worker, seq, kind::text, engine_ns FROM facts"
    " WHERE about = $1 AND received_at >= $2 AND received_at < $3 ORDER BY worker, seq"
)
ATTESTATIONS = {0: "unknown", 1: "A", 2: "B", 4: "C"}

Row = Mapping[str, Any]


class RecordedCalls:
    """`api.deps.Records` over PostgreSQL."""

    def __init__(
        self, config: Config, database: Database, *, account: str = OPERATOR
    ) -> None:
        """account: whose rows are there; by default those of all accounts."""
        self._database = database
        self._account = account
        self._explainer = Explainer(config.plans_dir, config.keys_dir)

    async def list_calls(
        self, chosen: CallFilter, before: bytes | None, rows_max: int
    ) -> list[tuple[bytes, Row]]:
        """(position, row) newest first. Raises CommandRefused while PostgreSQL is away."""
        text, values = list_query(chosen, before, rows_max)
        async with self._database.connection(account=self._account) as connection:
            rows = await connection.fetch(text, *values)
        return [(_position(row), call_row(row)) for row in rows]

    async def read_call(self, call_id: bytes) -> Row | None:
        """One call with attempts, auction, decision, postings and facts; None if not recorded."""
        span = arrival_span(call_id)
        async with self._database.connection(account=self._account) as connection:
            call = await connection.fetchrow(SELECT_ONE, call_id, *span)
            if call is None:
                return None
            at = call["received_at"]
            attempts = await connection.fetch(SELECT_ATTEMPTS, call_id, at)
            auction = await connection.fetchrow(SELECT_AUCTION, call_id, at)
            bids = []
            if auction is not None:
                bids = await connection.fetch(SELECT_BIDS, auction["auction_id"], at)
            postings = await connection.fetch(SELECT_POSTINGS, call_id)
            facts = await connection.fetch(SELECT_FACTS, call_id, *span)
        return {
            **call_row(call),
            "attempts": [_attempt(row) for row in attempts],
            "auction": await self._auction(call, auction, bids) if auction else None,
            "postings": [_posting(row) for row in postings],
            "facts": [_fact(row, facts[0]["engine_ns"]) for row in facts],
        }

    async def _auction(self, call: Row, auction: Row, bids: list[Row]) -> Row:
        entries = [_bid(row, auction["currency"]) for row in bids]
        named = await self._explainer.candidates(call, auction, bids)
        return {
            "id": uuid_text(auction["auction_id"]),
            "price": auction["price_kind"], "currency": auction["currency"],
            "floor": format_micros(auction["floor_micros"]),
            "attestation": ATTESTATIONS.get(auction["attestation"], "unknown"),
            "area": auction["area"] or "", "tags": _tags(auction["tags"]),
            "plan_version": auction["plan_version"], "book_seq": auction["book_seq"],
            "candidates": auction["candidates"],
            "reasons": [
                {**reason_words(number), "candidates": count}
                for number, count in zip(
                    auction["reason_ids"], auction["reason_counts"], strict=True
                )
            ],
            "ladder": [
                entry for row, entry in zip(bids, entries, strict=True) if not row["runner_up"]
            ],
            "runner_up": next(
                (e for row, e in zip(bids, entries, strict=True) if row["runner_up"]), None
            ),
            "decision": named,
        }


def list_query(
    chosen: CallFilter, before: bytes | None, rows_max: int
) -> tuple[str, list[object]]:
    """SQL text and its values."""
    given: list[tuple[str, object]] = []
    for column, value in (
        ("campaign = ", chosen.campaign), ("publisher = ", chosen.publisher),
        ("buyer = ", chosen.buyer), ("target = ", chosen.target), ("number = ", chosen.number),
    ):
        if value:
            given.append((column, value))
    if chosen.disposition:
        given.append(("disposition::text = ", Disposition(chosen.disposition).name.lower()))
    for column, bound in (
        ("qualified = ", chosen.qualified), ("received_at >= ", chosen.from_ns),
        ("received_at < ", chosen.to_ns),
    ):
        if bound is not None:
            given.append((column, bound))
    conditions = [f"{text}${number}" for number, (text, _) in enumerate(given, 1)]
    values = [value for _, value in given]
    if before is not None:
        values += [
            int.from_bytes(before[:POSITION_BYTES], "big"), before[POSITION_BYTES:]
        ]
        conditions.append(f"(received_at, call_id) < (${len(values) - 1}, ${len(values)})")
    values.append(rows_max)
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    return f"{SELECT_CALLS}{where}{NEWEST_FIRST}${len(values)}", values


def arrival_span(call_id: bytes) -> tuple[int, int]:
    """(from, to) in Unix ns between which a call arrived, by its UUIDv7; else all time."""
    if call_id[UUID_VERSION_AT] >> 4 != UUID_VERSION:
        return 0, LAST_WALL_NS
    from_ns = int.from_bytes(call_id[:6], "big") * NS_PER_MS
    return min(from_ns, LAST_WALL_NS), min(from_ns + NS_PER_MS, LAST_WALL_NS)


def call_row(row: Row) -> dict[str, Any]:
    """A call as JSON shows it; instants as text, offsets in ms from the arrival."""
    return {
        "id": uuid_text(row["call_id"]), "received_at": format_wall(row["received_at"]),
        "disposition": row["disposition"], "sip_status": row["sip_status"],
        "refused": Refused(row["refused"]).name.lower() if row["refused"] else None,
        "hangup": row["hangup"], "trunk": row["trunk"], "publisher": row["publisher"],
        "campaign": row["campaign"], "number": row["number"], "buyer": row["buyer"],
        "target": row["target"], "bid": row["bid_id"], "qualified": row["qualified"],
        "connected_s": round(row["connected_ns"] / NS_PER_S, 3),
        **_offsets(row, ("decided", "ringing", "answered", "ended")),
        "currency": row["currency"], "revenue": format_micros(row["revenue_micros"]),
        "payout": format_micros(row["payout_micros"]),
        "margin": format_micros(row["revenue_micros"] - row["payout_micros"]),
        "recovered": row["recovered"], "subject": row["subject"].hex(),
    }


def reason_words(number: int) -> dict[str, Any]:
    """A reason's number, name and OpenRTB code."""
    try:
        reason = Reason(number)
    except ValueError:  # recorded by a newer version
        return {"reason": f"reason_{number}", "reason_id": number, "openrtb": None}
    return {
        "reason": reason.name.lower(), "reason_id": number, "openrtb": openrtb_code(reason)
    }


def _position(row: Row) -> bytes:
    at: int = row["received_at"]
    call_id: bytes = row["call_id"]
    return at.to_bytes(POSITION_BYTES, "big") + call_id


def _offsets(row: Row, names: tuple[str, ...]) -> dict[str, float | None]:
    offsets = {name: row[f"{name}_us"] for name in names}
    return {
        f"{name}_ms": None if micros is None else micros / US_PER_MS
        for name, micros in offsets.items()
    }


def _attempt(row: Row) -> Row:
    plain = {name: row[name] for name in ("number", "entry", "status", "cause", "target")}
    return {
        **plain, "gateway": row["gateway"],
        **_offsets(row, ("invited", "ringing", "answered", "ended")),
    }


def _bid(row: Row, currency: str) -> Row:
    return {
        "place": row["place"], "bid": row["bid_id"], "buyer": row["buyer"],
        "target": row["target"], "score": row["score"], "currency": currency,
        "amount": format_micros(row["bid_micros"]), "price": format_micros(row["price_micros"]),
    }


def _posting(row: Row) -> Row:
    return {
        "kind": row["kind"], "account": row["account"], "owner": row["owner"],
        "amount": format_micros(row["amount_micros"]), "currency": row["currency"],
        "posted_at": format_wall(row["posted_at"]),
    }


def _fact(row: Row, first_ns: int) -> Row:
    """Where it stands in the journal, and when it happened, counted from the first."""
    return {
        "worker": row["worker"], "seq": row["seq"], "fact": row["kind"],
        "after_ms": round((row["engine_ns"] - first_ns) / NS_PER_MS, 3),
    }


def _tags(text: str | None) -> Any:
    return msgspec.json.decode(text) if text else {}
