"""Lists of calls: paging by sealed cursors, filters, live ones; wrong parameters named."""

from typing import Any
from urllib.parse import quote

import pytest

from api.cursor import make_cursor
from api.deps import CallFilter
from tests.api.exchange_double import Bench
from vocabulary.facts import Disposition


async def get(bench: Bench, path: str) -> tuple[int, Any]:
    reply = await bench.client.get(path)
    return reply.status, await reply.json(content_type=None)


async def test_pages_follow_each_other_without_gap_or_repeat(bench: Bench) -> None:
    seen: list[int] = []
    path = "/api/v1/calls?limit=3"
    cursor = ""
    sizes = []
    while True:
        status, page = await get(bench, path + (f"&cursor={cursor}" if cursor else ""))
        assert status == 200
        seen += [row["id"] for row in page["calls"]]
        sizes.append(len(page["calls"]))
        if page["next"] is None:
            break
        cursor = page["next"]
    assert (seen, sizes) == (list(range(7)), [3, 3, 1])


async def test_an_exact_last_page_has_no_next(bench: Bench) -> None:
    status, page = await get(bench, "/api/v1/calls?limit=7")
    assert (status, len(page["calls"]), page["next"]) == (200, 7, None)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "a" * 64, "é", "A" * 500, "%00", "=", "-_"])
async def test_made_up_cursors_are_refused(bench: Bench, cursor: str) -> None:
    status, problem = await get(bench, f"/api/v1/calls?cursor={quote(cursor, safe='%')}")
    assert (status, problem["code"]) == (400, "cursor_invalid")


async def test_a_cursor_is_of_its_filters_and_key(bench: Bench) -> None:
    _, page = await get(bench, "/api/v1/calls?limit=2&buyer=acme")
    status, problem = await get(bench, f"/api/v1/calls?limit=2&cursor={page['next']}")
    assert (status, problem["code"]) == (400, "cursor_invalid")
    status, _ = await get(bench, f"/api/v1/calls?limit=2&buyer=acme&cursor={page['next']}")
    assert status == 200
    foreign = make_cursor(b"z" * 32, b"calls", b"\x00\x01")
    assert (await get(bench, f"/api/v1/calls?cursor={foreign}"))[0] == 400


async def test_filters_reach_the_records(bench: Bench) -> None:
    await get(
        bench,
        "/api/v1/calls?campaign=auto&publisher=p1&buyer=acme&target=t1&number=12125550100"
        "&disposition=no_answer&qualified=false&from=2026-11-24T00:00:00Z"
        "&to=2026-11-25T00:00:00.000001%2B00:00",
    )
    assert bench.records.asked == [CallFilter(
        campaign="auto", publisher="p1", buyer="acme", target="t1", number="+12125550100",
        disposition=Disposition.NO_ANSWER, qualified=False,
        from_ns=1_795_478_400_000_000_000, to_ns=1_795_564_800_000_001_000,
    )]


@pytest.mark.parametrize(("query", "path"), [
    ("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
    ("limit=1&limit=2", "limit"), ("color=red", "query"), ("buyer=A%20B", "buyer"),
    ("buyer=%00", "buyer"), ("buyer=%27%20OR%201%3D1--", "buyer"), ("number=abc", "number"),
    ("disposition=won", "disposition"), ("qualified=maybe", "qualified"),
    ("from=yesterday", "from"), ("from=2026-11-24T00:00:00", "from"),
    ("from=2026-11-25T00:00:00Z&to=2026-11-25T00:00:00Z", "to"),
])
async def test_wrong_parameters_are_named(bench: Bench, query: str, path: str) -> None:
    status, problem = await get(bench, f"/api/v1/calls?{query}")
    assert (status, problem["code"]) == (400, "request_invalid")
    assert problem["errors"][0]["path"] == path
    assert bench.records.asked == []


async def test_one_call(bench: Bench) -> None:
    known = "07070707-0707-0707-0707-070707070707"
    assert await get(bench, f"/api/v1/calls/{known}") == (200, {"id": known})
    assert (await get(bench, f"/api/v1/calls/{known.replace('-', '')}"))[0] == 200
    for unknown in ("0" * 32, "nonsense", "..", "%2e%2e", "7" * 31, "' OR 1=1"):
        status, problem = await get(bench, f"/api/v1/calls/{unknown}")
        assert status == 404
        assert problem["code"] in ("call_unknown", "not_found")


async def test_live_calls(bench: Bench) -> None:
    status, live = await get(bench, "/api/v1/calls/live?limit=1")
    assert status == 200
    assert live["total"] == 9
    assert live["calls"] == [{
        "id": "00000000-0000-0000-0000-000000000000", "state": "connected", "campaign": "auto",
        "publisher": "pub", "number": "+12125550100", "buyer": "acme", "target": "t1",
        "started_at": "2023-11-14T22:13:20.000Z",
    }]


async def test_recorded_calls_wait_for_postgresql(bench: Bench) -> None:
    bench.records.away = True
    for path in ("/api/v1/calls", f"/api/v1/calls/{'07' * 16}"):
        status, problem = await get(bench, path)
        assert (status, problem["code"], problem["retry"]) == (503, "database_away", True)
    assert (await get(bench, "/api/v1/calls/live"))[0] == 200
