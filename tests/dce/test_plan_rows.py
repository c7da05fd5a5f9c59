"""Objects of a plan as rows: new, changed, gone and back again."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dce import plan_rows
from dce.database import Database
from dce.plan_rows import COLUMNS, write_plan_rows
from routing.plan_source import load
from tests.routing.plans import written_plan


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    made = Database(database_dsn)
    yield made
    await made.close()


async def put(database: Database, document: dict[str, Any], version: int) -> None:
    await write_plan_rows(database, load(document), version)


async def read(database: Database, query: str, account: str = "*") -> list[tuple[Any, ...]]:
    async with database.connection(account=account) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def test_every_kind_of_object_has_its_rows(database: Database) -> None:
    document = written_plan(3, 2)
    await put(database, document, 1)
    lists = {"accounts": ("publishers", "buyers"), "standing_bids": ("bids",)}
    for table in COLUMNS:
        written = sum(len(document.get(name, ())) for name in lists.get(table, (table,)))
        async with database.connection() as connection:
            rows = await connection.fetch(f"SELECT * FROM {table}")
        assert len(rows) == written, table
        assert {row["plan_version"] for row in rows} <= {1}
        assert all(row["id"][6] >> 4 == 7 for row in rows)
    assert await read(database, "SELECT count(*) FROM targets", "buyer-001") == [(2,)]


async def test_only_what_changed_is_written_again(database: Database) -> None:
    document = written_plan(3)
    await put(database, document, 1)
    query = "SELECT slug, id, status::text, plan_version, updated_at FROM accounts ORDER BY slug"
    before = {row[0]: row for row in await read(database, query)}
    document["buyers"][1]["status"] = "paused"
    await put(database, document, 2)
    after = {row[0]: row for row in await read(database, query)}
    changed = [slug for slug in after if after[slug] != before[slug]]
    assert changed == ["buyer-001"]
    assert after["buyer-001"][1:4] == (before["buyer-001"][1], "paused", 2)
    assert after["buyer-001"][4] > before["buyer-001"][4]


async def test_what_left_the_plan_is_closed_and_may_come_back(database: Database) -> None:
    await put(database, written_plan(3), 1)
    await put(database, written_plan(2), 2)
    query = "SELECT slug, status::text, plan_version FROM standing_bids ORDER BY slug"
    gone = await read(database, query)
    assert [row[1:] for row in gone] == [("active", 1), ("active", 1), ("closed", 2)]
    await put(database, written_plan(3), 3)
    back = await read(database, query)
    assert [row[1:] for row in back] == [("active", 1), ("active", 1), ("active", 3)]
    assert [row[0] for row in back] == [row[0] for row in gone]


def test_the_tables_and_columns_are_of_this_file_alone() -> None:
    for table, columns in COLUMNS.items():
        for name in (table, *columns):
            assert re.fullmatch("[a-z_]+", name)
        assert plan_rows._put_statement(table).count("$") == 1
