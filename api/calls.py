"""Calls: finished ones from PostgreSQL, live ones from the signal worker.

GET /api/v1/calls           newest first, filtered, paged by cursor
GET /api/v1/calls/live      the calls in progress
GET /api/v1/calls/{id}      one call: attempts, auction, decision, ladder, postings
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.answers import ask_for
from api.body import json_response, read_query
from api.cursor import make_cursor, read_cursor
from api.deps import CallFilter, Deps
from api.problem import FieldError, Problem
from vocabulary import limits
from vocabulary.commands import ListLiveCalls, LiveCall, LiveCalls
from vocabulary.facts import Disposition
from vocabulary.ids import Slug, parse_uuid, uuid_text
from vocabulary.instants import format_wall

PAGE_ROWS = 50
Rows = Annotated[int, Meta(ge=1, le=limits.page_rows_max)]
Instant = Annotated[datetime, Meta(tz=True)]
Outcome = Literal[
    "completed", "no_answer", "busy", "canceled", "blocked", "unsold", "failed", "no_ack"
]


class CallQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Query parameters of the list. from, to: RFC 3339 instants, from ≤ arrival < to."""

    limit: Rows = PAGE_ROWS
    cursor: str = ""
    campaign: Slug | None = None
    publisher: Slug | None = None
    buyer: Slug | None = None
    target: Slug | None = None
    number: Annotated[str, Meta(pattern=r"^\+?[0-9]{3,15}$")] | None = None
    disposition: Outcome | None = None
    qualified: bool | None = None
    from_: Instant | None = None
    to: Instant | None = None


class LiveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Query parameters of the live list."""

    limit: Rows = 100


class LiveRow(Struct, frozen=True):
    """One call in progress."""

    id: str
    state: str
    campaign: str
    publisher: str
    number: str
    buyer: str
    target: str
    started_at: str


def call_routes(deps: Deps) -> list[web.AbstractRouteDef]:
    """The routes of this module; live stands before {id}."""

    async def list_calls(request: web.Request) -> web.Response:
        query = read_query(request, CallQuery)
        chosen = _filter(query)
        scope = b"calls" + msgspec.json.encode(chosen)
        before = read_cursor(deps.cursor_key, scope, query.cursor) if query.cursor else None
        rows = await deps.records.list_calls(chosen, before, query.limit + 1)
        page = rows[: query.limit]
        more = len(rows) > query.limit
        following = make_cursor(deps.cursor_key, scope, page[-1][0]) if more else None
        return json_response({"calls": [row for _, row in page], "next": following})

    async def list_live(request: web.Request) -> web.Response:
        query = read_query(request, LiveQuery)
        live = await ask_for(deps.ask, ListLiveCalls(query.limit), LiveCalls)
        return json_response({"calls": [_live(row) for row in live.rows], "total": live.total})

    async def read_call(request: web.Request) -> web.Response:
        call = await deps.records.read_call(_call_id(request))
        if call is None:
            raise _unknown_call()
        return json_response(call)

    return [
        web.get("/api/v1/calls", list_calls, name="calls", allow_head=False),
        web.get("/api/v1/calls/live", list_live, name="calls_live", allow_head=False),
        web.get("/api/v1/calls/{id}", read_call, name="call", allow_head=False),
    ]


def _call_id(request: web.Request) -> bytes:
    try:
        return parse_uuid(request.match_info["id"])
    except ValueError:
        raise _unknown_call() from None


def _unknown_call() -> Problem:
    return Problem(404, "call_unknown", "no such call among the recorded ones")


def _filter(query: CallQuery) -> CallFilter:
    """What the query asks of the records. Raises Problem 400 for an empty span."""
    from_ns, to_ns = _ns(query.from_), _ns(query.to)
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        message = "expected an instant after `from`"
        raise Problem(
            400, "request_invalid", f"to: {message}", errors=(FieldError("to", message),)
        )
    number = query.number or ""
    return CallFilter(
        campaign=query.campaign or "", publisher=query.publisher or "",
        buyer=query.buyer or "", target=query.target or "",
        number=number if not number or number.startswith("+") else f"+{number}",
        disposition=Disposition[query.disposition.upper()] if query.disposition else 0,
        qualified=query.qualified, from_ns=from_ns, to_ns=to_ns,
    )


def _ns(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    whole = int(moment.timestamp() // 1)
    return whole * limits.NS_PER_S + moment.microsecond * 1_000


def _live(call: LiveCall) -> LiveRow:
    return LiveRow(
        id=uuid_text(call.call_id), state=call.state, campaign=call.campaign,
        publisher=call.publisher, number=call.number, buyer=call.buyer, target=call.target,
        started_at=format_wall(call.started_wall_ns),
    )
