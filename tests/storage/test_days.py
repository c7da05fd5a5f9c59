"""Days of the record: made when they are needed, detached when they are old, never in the way."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from storage.copying import open_copier
from storage.days import Days, days_ahead
from storage.fact_types import FACT_TYPES
from storage.segment import Entry
from storage.session import open_session
from tests.storage.facts_of_calls import WALL_NS, encode, facts_of_call
from vocabulary import limits
from vocabulary.facts import CallClosed, CallRouted

DAY_NS = 86_400 * limits.NS_PER_S
LEAVES = """
SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
WHERE inhparent = 'calls'::regclass ORDER BY relname
"""
DETACHED = "SELECT relname FROM pg_class WHERE relname LIKE 'detached!_calls!_%' ESCAPE '!' " \
    "AND relkind = 'r' ORDER BY relname"


@pytest.fixture
async def session(database_dsn: str) -> AsyncIterator[Any]:
    found = await open_session(database_dsn, name="test", projection=True)
    yield found
    await found.close()


def closed(number: int, wall_ns: int) -> CallClosed:
    """The end of a call that arrived then, its id made then, too."""
    fact = facts_of_call(number)[3]
    assert isinstance(fact, CallClosed)
    head = (wall_ns // 1_000_000).to_bytes(6, "big")
    return replace(fact, call_id=head + fact.call_id[6:], wall_ns=wall_ns)


def entry(seq: int, fact: CallClosed) -> Entry:
    return Entry(seq, 1, FACT_TYPES[CallClosed], encode(fact), 0, 0)


async def leaves(session: Any, query: str = LEAVES) -> list[str]:
    return [row[0] for row in await session.fetch(query)]


async def test_a_batch_makes_the_days_that_it_needs(session: Any) -> None:
    copier = await open_copier(session, 0, "test", lock_wait_s=0)
    assert await leaves(session) == []
    midnight_ns = WALL_NS - WALL_NS % DAY_NS + DAY_NS
    await copier.copy([
        entry(1, closed(1, midnight_ns - 1_000)), entry(2, closed(2, midnight_ns)),
        entry(3, closed(3, midnight_ns - 40 * DAY_NS)),
    ])
    assert copier.facts_rejected == 0
    days = [
        datetime.fromtimestamp((midnight_ns + d * DAY_NS) // limits.NS_PER_S, UTC)
        for d in (-40, -1, 0)
    ]
    assert await leaves(session) == [f"calls_{day:%Y%m%d}" for day in days]
    assert await session.fetchval("SELECT count(*) FROM calls") == 3


async def test_a_day_that_cannot_be_is_set_aside(session: Any) -> None:
    copier = await open_copier(session, 0, "test", lock_wait_s=0)
    await copier.copy([
        entry(1, closed(1, 0)), entry(2, closed(2, WALL_NS)), entry(3, closed(3, 9 * 10**18)),
    ])
    assert copier.facts_rejected == 2
    errors = await session.fetch("SELECT seq, error FROM rejected_facts ORDER BY seq")
    assert [row["seq"] for row in errors] == [1, 3]
    assert "no call was on" in errors[0]["error"]
    assert await session.fetchval("SELECT count(*) FROM calls") == 1


async def test_days_are_made_ahead_and_old_ones_leave(session: Any) -> None:
    copier = await open_copier(session, 0, "test", lock_wait_s=0)
    today = datetime.now(UTC).date()
    ages = (0, 9, 10, 11, 30)
    noon_ns = int(datetime.combine(today, datetime.min.time(), UTC).timestamp()) * limits.NS_PER_S
    await copier.copy([
        entry(n, closed(n, noon_ns - age * DAY_NS)) for n, age in enumerate(ages, 1)
    ])
    keeper = Days(10)
    await keeper.keep(session)
    kept = [today - timedelta(days=age) for age in (10, 9)] + days_ahead(today)
    assert await leaves(session) == [f"calls_{day:%Y%m%d}" for day in kept]
    gone = [today - timedelta(days=age) for age in (30, 11)]
    assert await leaves(session, DETACHED) == [f"detached_calls_{day:%Y%m%d}" for day in gone]
    assert keeper.detached == 10
    assert await session.fetchval("SELECT count(*) FROM calls") == 3
    assert await session.fetchval("SELECT count(*) FROM ledger_entries") == 20  # money stays
    await keeper.keep(session)  # within the hour nothing is asked
    assert keeper.detached == 10


async def test_old_reasons_leave_their_histogram(session: Any) -> None:
    copier = await open_copier(session, 0, "test", lock_wait_s=0)
    now_ns = int(datetime.now(UTC).timestamp()) * limits.NS_PER_S
    routed = facts_of_call(1)[0]
    assert isinstance(routed, CallRouted)
    await copier.copy([
        Entry(n, 1, FACT_TYPES[CallRouted], encode(replace(routed, wall_ns=wall_ns)), 0, 0)
        for n, wall_ns in enumerate((now_ns, now_ns - 9 * DAY_NS, now_ns - 40 * DAY_NS), 1)
    ])
    await Days(0, 10).keep(session)
    rows = await session.fetch(
        "SELECT reasons IS NULL, cardinality(reason_counts) FROM auctions ORDER BY received_at"
    )
    assert [tuple(row) for row in rows] == [(True, 5), (False, 5), (False, 5)]


async def test_a_day_that_came_back_is_detached_beside_the_first(session: Any) -> None:
    old = date(2020, 2, 29)
    for _ in range(3):
        await session.execute("SELECT ensure_days($1)", [old])
        assert await session.fetchval("SELECT detach_days($1, 50)", date(2021, 1, 1)) == 5
    assert await leaves(session, DETACHED) == [
        "detached_calls_20200229", "detached_calls_20200229_again",
        "detached_calls_20200229_again_again",
    ]
