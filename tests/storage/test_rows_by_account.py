"""Who sees and does what: rows by account, roles without rights on the schema, logins apart."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from storage.copying import open_copier
from storage.days import Days
from storage.fact_types import FACT_TYPES
from storage.migrate import migrate_up
from storage.segment import Entry
from storage.session import open_session
from tests.storage.facts_of_calls import encode, facts_of_call, top_up
from vocabulary.facts import Fact

CALLS = 12
SEEN = """
SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM attempts),
       (SELECT count(*) FROM auctions), (SELECT count(*) FROM bids), (SELECT count(*) FROM facts),
       (SELECT count(*) FROM ledger_entries), (SELECT count(*) FROM top_ups)
"""
DDL = (
    "CREATE TABLE mine (x int)", "DROP TABLE calls", "ALTER TABLE calls ADD COLUMN x int",
    "ALTER TABLE calls DISABLE ROW LEVEL SECURITY", "DROP POLICY by_account ON calls",
    "TRUNCATE calls", "CREATE INDEX mine ON calls (buyer)", "DROP FUNCTION ensure_days",
)


def entries(facts: list[Fact], first: int = 1) -> list[Entry]:
    return [
        Entry(seq, 1, FACT_TYPES[type(fact)], encode(fact), 0, 0)
        for seq, fact in enumerate(facts, first)
    ]


def some_facts() -> list[Fact]:
    return [fact for number in range(CALLS) for fact in facts_of_call(number)] + [top_up(99)]


@pytest.fixture
async def session(database_dsn: str) -> AsyncIterator[Any]:
    """A session of the tables' owner with some rows in the record."""
    found = await open_session(database_dsn, name="test", projection=True)
    copier = await open_copier(found, 0, "test", lock_wait_s=0)
    await copier.copy(entries(some_facts()))
    await found.execute("RESET ROLE")
    yield found
    await found.close()


async def seen(session: Any, account: str) -> tuple[int, ...]:
    async with session.transaction():
        await session.execute("SELECT set_config('dce.account', $1, true)", account)
        await session.execute("SET LOCAL ROLE dce_api")
        return tuple(await session.fetchrow(SEEN))


async def test_an_account_sees_its_rows_only(session: Any) -> None:
    assert await seen(session, "*") == (12, 12, 12, 132, 49, 50, 1)
    # Of twelve calls every fifth is of one buyer, every fourth of one publisher; each auction
    # has one bid of buyer-001.
    assert await seen(session, "buyer-001") == (3, 3, 0, 12, 0, 4, 1)
    assert await seen(session, "publisher-2") == (3, 3, 0, 0, 0, 3, 0)
    assert await seen(session, "stranger") == (0,) * 7
    assert await seen(session, "") == (0,) * 7


async def test_without_an_account_there_is_no_row(session: Any) -> None:
    await session.execute("RESET ALL; RESET dce.account; SET dce.account = ''")
    await session.execute("SET ROLE dce_api")
    assert tuple(await session.fetchrow(SEEN)) == (0,) * 7
    assert await session.fetchval("SELECT count(*) FROM call_records") == 0
    assert await session.fetchval("SELECT count(*) FROM account_balances") == 0


async def test_partitions_are_no_way_around(session: Any) -> None:
    await session.execute("SET ROLE dce_api")
    leaves = await session.fetch("SELECT inhrelid::regclass::text FROM pg_inherits")
    tables = [row[0] for row in leaves if not row[0].endswith("key")]
    assert len(tables) > 5
    for table in ("ledger_entries_all", "calls_20261124"):
        assert any(name.startswith(table[:5]) for name in tables)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await session.fetch("SELECT * FROM ledger_entries_all")


@pytest.mark.parametrize("role", ["dce_api", "dce_record"])
@pytest.mark.parametrize("statement", DDL)
async def test_the_services_change_no_schema(session: Any, role: str, statement: str) -> None:
    async with session.transaction():
        await session.execute("SET LOCAL ROLE dce_api" if role == "dce_api"
                              else "SET LOCAL ROLE dce_record")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with session.transaction():
                await session.execute(statement)


@pytest.mark.parametrize("statement", [
    "INSERT INTO top_ups SELECT * FROM top_ups", "DELETE FROM calls",
    "UPDATE calls SET target = ''",
    "DELETE FROM ledger_entries", "UPDATE record_cursors SET seq = 0", "SELECT ensure_days('{}')",
])
async def test_the_api_writes_no_record(session: Any, statement: str) -> None:
    async with session.transaction():
        await session.execute("SET LOCAL ROLE dce_api")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with session.transaction():
                await session.execute(statement)


async def test_a_login_of_its_own_copies_and_keeps_the_days(database_dsn: str) -> None:
    session = await open_session(database_dsn, name="test", projection=True)
    await session.execute("CREATE ROLE dce_test_record IN ROLE dce_record")
    try:
        await session.execute("SET SESSION AUTHORIZATION dce_test_record")
        await Days(400).keep(session)
        copier = await open_copier(session, 0, "test", lock_wait_s=0)
        assert await session.fetchval("SELECT current_user") == "dce_record"
        await copier.copy(entries(some_facts()))
        assert (copier.rows_copied, copier.facts_rejected) == (12 * 22 + 4, 0)
        copier.cursor = 0
        await session.execute("UPDATE record_cursors SET seq = 0")
        await copier.copy(entries(some_facts()))
        assert (copier.batches_staged, copier.facts_rejected) == (1, 0)
        assert await session.fetchval("SELECT count(*) FROM bids") == 132
    finally:
        await session.execute("RESET SESSION AUTHORIZATION")
        await session.execute("DROP ROLE dce_test_record")
        await session.close()


async def test_one_login_for_everything_needs_no_roles(empty_database_dsn: str) -> None:
    session = await open_session(empty_database_dsn, name="test", projection=True)
    await session.execute("CREATE ROLE dce_test_owner")
    name = await session.fetchval("SELECT current_database()")
    await session.execute(f'ALTER DATABASE "{name}" OWNER TO dce_test_owner')
    try:
        await session.execute("SET SESSION AUTHORIZATION dce_test_owner")
        await migrate_up(session)
        copier = await open_copier(session, 0, "test", lock_wait_s=0)
        assert await session.fetchval("SELECT current_user") == "dce_test_owner"
        await copier.copy(entries(some_facts()))
        assert tuple(await session.fetchrow(SEEN)) == (12, 12, 12, 132, 49, 50, 1)
        await session.execute("SET dce.account = 'buyer-001'")  # forced on the owner, too
        assert tuple(await session.fetchrow(SEEN)) == (3, 3, 0, 12, 0, 4, 1)
    finally:
        await session.execute("RESET SESSION AUTHORIZATION")
        await session.execute("REASSIGN OWNED BY dce_test_owner TO dce")
        await session.execute("DROP OWNED BY dce_test_owner")
        await session.execute("DROP ROLE dce_test_owner")
        await session.close()


async def test_entities_keep_their_stamps_and_histories_are_appended_to_only(
    session: Any,
) -> None:
    await session.execute("""
        INSERT INTO accounts (id, kind, status, slug, name, currency, time_zone, updated_at)
        VALUES (gen_random_uuid(), 'buyer', 'active', 'buyer-001', 'One', 'USD', 'UTC',
                '2020-01-01'),
               (gen_random_uuid(), 'buyer', 'active', 'buyer-002', 'Two', 'USD', 'UTC',
                '2020-01-01');
        INSERT INTO corrections (id, corrects, made_at, kind, account, actor, changes)
        VALUES (gen_random_uuid(), gen_random_uuid(), now(), 'note', 'buyer-001', 'ops', '{}');
        UPDATE accounts SET name = 'Uno' WHERE slug = 'buyer-001'
    """)
    stamps = await session.fetch("SELECT slug FROM accounts WHERE updated_at > '2021-01-01'")
    assert [row["slug"] for row in stamps] == ["buyer-001"]
    for statement in ("UPDATE corrections SET actor = 'x'", "DELETE FROM corrections"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await session.execute(statement)
    async with session.transaction():
        await session.execute("SELECT set_config('dce.account', 'buyer-002', true)")
        await session.execute("SET LOCAL ROLE dce_api")
        assert await session.fetchval("SELECT array_agg(slug) FROM accounts") == ["buyer-002"]
        assert await session.fetchval("SELECT count(*) FROM corrections") == 0
