"""The objects of a plan as rows, so that reports can join names and terms with the record.

The plan's truth is its source. A row has the id that was made when the object came first, and says
which version changed it last; an object that left the plan stays, closed, since the record goes on
naming it. A table of more than limits.plan_rows_max objects is left as it is.
"""

import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dce.database import Database
from routing.plan_source import PlanSource
from vocabulary import limits
from vocabulary.ids import IdSource, uuid_text
from vocabulary.money import parse_micros

WITHIN_S = 10.0
COLUMNS: dict[str, tuple[str, ...]] = {
    "accounts": (
        "kind", "slug", "status", "name", "currency", "time_zone", "credit_limit_micros",
    ),
    "campaigns": (
        "slug", "status", "name", "vertical", "strategy", "price_kind", "floor_micros",
        "currency", "schedule", "terms", "payout", "settings",
    ),
    "numbers": ("slug", "status", "campaign", "publisher"),
    "gateways": ("slug", "status", "host", "port", "transport", "settings"),
    "targets": (
        "slug", "status", "buyer", "kind", "destination", "gateways", "schedule", "concurrency",
        "priority", "weight", "ring_s", "caps",
    ),
    "standing_bids": (
        "slug", "status", "buyer", "target", "amount_micros", "budget_micros", "per", "currency",
        "criteria", "expires", "quality_ppm",
    ),
}
"""What a plan says of each kind of object; the names are of this file, none comes from a plan."""

Row = Mapping[str, Any]

log = logging.getLogger("dce.plan")


async def write_plan_rows(database: Database, source: PlanSource, version: int) -> None:
    """Bring the rows up to a plan, in one transaction. Raises CommandRefused while away."""
    ids = IdSource(os.urandom(32))
    wall_ns = time.time_ns()
    async with database.connection(WITHIN_S) as connection:
        for table, rows in _rows_of(source).items():
            if len(rows) > limits.plan_rows_max:
                log.warning("%d %s are too many for rows of their own", len(rows), table)
                continue
            stamped = [
                {**row, "id": uuid_text(ids.uuid7(wall_ns)), "plan_version": version}
                for row in rows
            ]
            await connection.execute(_put_statement(table), msgspec.json.encode(stamped).decode())
            await connection.execute(_close_statement(table), [_key(row) for row in rows], version)


def _rows_of(source: PlanSource) -> dict[str, list[Row]]:
    return {
        "accounts": [*_publishers(source), *_buyers(source)],
        "campaigns": list(_campaigns(source)),
        "numbers": [
            {"slug": n.number, "status": "active", "campaign": n.campaign,
             "publisher": n.publisher}
            for n in source.numbers
        ],
        "gateways": [
            {"slug": g.id, "status": "active", "host": g.host, "port": g.port,
             "transport": g.transport,
             "settings": {"number_format": g.number_format, "prefix": g.prefix}}
            for g in source.gateways
        ],
        "targets": list(_targets(source)),
        "standing_bids": list(_bids(source)),
    }


def _publishers(source: PlanSource) -> Iterable[Row]:
    for one in source.publishers:
        yield {
            "kind": "publisher", "slug": one.id, "status": one.status, "name": one.name,
            "currency": source.currency, "time_zone": one.zone, "credit_limit_micros": 0,
        }


def _buyers(source: PlanSource) -> Iterable[Row]:
    for one in source.buyers:
        yield {
            "kind": "buyer", "slug": one.id, "status": one.status, "name": one.name,
            "currency": source.currency, "time_zone": one.zone,
            "credit_limit_micros": parse_micros(str(one.credit_limit)),
        }


def _campaigns(source: PlanSource) -> Iterable[Row]:
    for one in source.campaigns:
        yield {
            "slug": one.id, "status": one.status, "name": one.name, "vertical": one.vertical,
            "strategy": one.strategy, "price_kind": one.price,
            "floor_micros": parse_micros(str(one.floor)), "currency": source.currency,
            "schedule": one.schedule, "terms": msgspec.to_builtins(one.terms),
            "payout": msgspec.to_builtins(one.payout),
            "settings": {
                "targets": one.targets, "concurrency": one.concurrency, "ladder": one.ladder,
                "caps": msgspec.to_builtins(one.caps), "increment": one.increment,
                "ring_s": one.ring_s, "ladder_s": one.ladder_s,
            },
        }


def _targets(source: PlanSource) -> Iterable[Row]:
    for one in source.targets:
        yield {
            "slug": one.id, "status": one.status, "buyer": one.buyer,
            "kind": "sip_uri" if one.uri else "number", "destination": one.uri or one.number,
            "gateways": one.gateways, "schedule": one.schedule, "concurrency": one.concurrency,
            "priority": one.priority, "weight": one.weight, "ring_s": one.ring_s,
            "caps": msgspec.to_builtins(one.caps),
        }


def _bids(source: PlanSource) -> Iterable[Row]:
    for one in source.bids:
        yield {
            "slug": one.id, "status": one.status, "buyer": one.buyer, "target": one.target,
            "amount_micros": parse_micros(str(one.amount)), "per": one.per,
            "budget_micros": parse_micros(str(one.budget)) if one.budget else None,
            "currency": one.currency or source.currency, "expires": one.expires,
            "criteria": msgspec.to_builtins(one.criteria), "quality_ppm": one.quality_ppm,
        }


def _key(row: Row) -> str:
    """What names an object among those of its table; an account by its kind, too."""
    return f"{row['kind']} {row['slug']}" if "time_zone" in row else str(row["slug"])


def _put_statement(table: str) -> str:
    """Rows of a JSON list, new ones put in, changed ones changed, the others not touched."""
    columns = COLUMNS[table]
    key = "kind, slug" if table == "accounts" else "slug"
    mine = ", ".join(f"{table}.{name}" for name in columns)
    new = ", ".join(f"excluded.{name}" for name in columns)
    every = ", ".join(("id", "plan_version", *columns))
    return (
        f"INSERT INTO {table} ({every}) SELECT {every}"
        f" FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)"
        f" ON CONFLICT ({key}) DO UPDATE"
        f" SET (plan_version, {', '.join(columns)}) = ROW(excluded.plan_version, {new})"
        f" WHERE ({mine}) IS DISTINCT FROM ({new})"
    )


def _close_statement(table: str) -> str:
    """Objects that are not among these keys any more."""
    key = "kind::text || ' ' || slug" if table == "accounts" else "slug"
    return (
        f"UPDATE {table} SET status = 'closed', plan_version = $2"
        f" WHERE status <> 'closed' AND plan_version IS NOT NULL AND NOT {key} = ANY($1)"
    )
