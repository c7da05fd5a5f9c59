"""Migrations: up, down and up on data; refusals; enums agree with the code."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from storage.loader import COLUMNS
from storage.migrate import (
    LOCK_KEY,
    SCHEMA_DIRECTORY,
    Migration,
    create_migration,
    load_migrations,
    migrate_down,
    migrate_up,
    migration_status,
)
from storage.postgres import EmbeddedPostgres
from tests.postgres_fixture import open_folder, require_postgres
from vocabulary.errors import ConfigError
from vocabulary.facts import Disposition, LedgerAccount, Party

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Contents: TypeAlias = dict[str, list[str]]
ROWS_0001 = (Path(__file__).parent / "rows_0001.sql").read_text()
TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_migrations'
"""
SHAPE = """
SELECT relname || ' ' || relkind::text || ' ' || relrowsecurity || ' ' || relforcerowsecurity
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT relname || ' ' || attname || ' ' || atttypid::regtype || ' ' || attnotnull
FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND relkind IN ('r', 'p', 'v')
UNION ALL SELECT proname || ' ' || prosecdef FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT typname || ' ' || enumlabel FROM pg_enum JOIN pg_type ON enumtypid = pg_type.oid
ORDER BY 1
"""


def quoted(name: str) -> str:
    """A table's name in a statement; it comes from the catalogue."""
    return '"' + name.replace('"', '""') + '"'


async def contents(connection: Connection) -> Contents:
    """Rows of every table as text, in an order of their own."""
    await connection.execute("SET dce.account = '*'")
    found = {}
    for (table,) in await connection.fetch(TABLES):
        rows = await connection.fetch(f"SELECT to_jsonb(t)::text FROM {quoted(table)} AS t")
        found[table] = sorted(row[0] for row in rows)
    return found


async def shape(connection: Connection) -> list[str]:
    """Tables, columns, functions, triggers and enums of the schema."""
    return [row[0] for row in await connection.fetch(SHAPE)]


def up_to(directory: Path, version: int, tmp_path: Path) -> Path:
    """A folder with the first migrations only."""
    found = tmp_path / f"up_to_{version}"
    found.mkdir(exist_ok=True)
    for path in directory.glob("*.sql"):
        if int(path.name[:4]) <= version:
            shutil.copy(path, found / path.name)
    return found


def known_to(old: Contents, new: Contents) -> Contents:
    """What of the newer contents an older schema has words for: its tables and columns."""
    kept: Contents = {}
    for table, rows in old.items():
        columns = set(json.loads(rows[0])) if rows else set()
        kept[table] = sorted(
            json.dumps({k: v for k, v in json.loads(row).items() if k in columns}, sort_keys=True)
            for row in new[table]
        )
    return kept


@pytest.mark.parametrize("step", load_migrations()[1:], ids=lambda step: step.name)
async def test_each_step_up_down_and_up_on_data(
    connection: Connection, tmp_path: Path, step: Migration
) -> None:
    before = up_to(SCHEMA_DIRECTORY, step.version - 1, tmp_path)
    after = up_to(SCHEMA_DIRECTORY, step.version, tmp_path)
    await migrate_up(connection, up_to(SCHEMA_DIRECTORY, 1, tmp_path))
    await connection.execute(ROWS_0001)
    await migrate_up(connection, before)
    old, old_shape = await contents(connection), await shape(connection)
    assert [taken.version for taken in await migrate_up(connection, after)] == [step.version]
    new, new_shape = await contents(connection), await shape(connection)
    assert known_to(old, new) == known_to(old, old)
    await migrate_down(connection, 1, after)
    assert (await contents(connection), await shape(connection)) == (old, old_shape)
    await migrate_up(connection, after)
    assert (await contents(connection), await shape(connection)) == (new, new_shape)

@pytest.fixture
async def connection(empty_database_dsn: str) -> AsyncIterator[Connection]:
    found = await asyncpg.connect(empty_database_dsn)
    yield found
    await found.close()


async def tables(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    return {row[0] for row in rows}


async def test_up_down_up(connection: Connection) -> None:
    steps = load_migrations()
    assert [step.applied for step in await migration_status(connection)] == [False] * len(steps)
    assert [step.version for step in await migrate_up(connection)] == [s.version for s in steps]
    assert await migrate_up(connection) == []
    full = await tables(connection)
    assert set(COLUMNS) < full
    await connection.execute("INSERT INTO record_cursors (worker, seq) VALUES (0, 1)")
    taken = await migrate_down(connection, 99)
    assert [step.version for step in taken] == [s.version for s in reversed(steps)]
    assert await tables(connection) == {"schema_migrations"}
    enums = await connection.fetchval(
        "SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        "WHERE n.nspname = 'public' AND t.typtype = 'e'"
    )
    assert enums == 0
    await migrate_up(connection)
    assert await tables(connection) == full
    assert all(step.applied for step in await migration_status(connection))


async def test_columns_are_those_of_the_tables(connection: Connection) -> None:
    await migrate_up(connection)
    for table, columns in COLUMNS.items():
        rows = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table
        )
        assert {row[0] for row in rows} == set(columns)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("disposition", Disposition), ("party", Party), ("ledger_account", LedgerAccount)],
)
async def test_enum_types_hold_the_enums(
    connection: Connection, name: str, kind: type[IntEnum]
) -> None:
    await migrate_up(connection)
    rows = await connection.fetch(
        "SELECT enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid "
        "WHERE t.typname = $1 ORDER BY enumsortorder", name,
    )
    assert [row[0] for row in rows] == [member.name.lower() for member in kind]


async def test_a_changed_or_unknown_migration_is_refused(
    connection: Connection, tmp_path: Path
) -> None:
    directory = tmp_path / "schema"
    shutil.copytree(SCHEMA_DIRECTORY, directory)
    await migrate_up(connection, directory)
    up = directory / "0001_record.up.sql"
    up.write_text(up.read_text() + "-- changed\n")
    with pytest.raises(ConfigError, match="0001_record changed"):
        await migrate_up(connection, directory)
    for path in directory.glob("*.sql"):
        path.unlink()
    with pytest.raises(ConfigError, match="newer version"):
        await migration_status(connection, directory)


async def test_a_failing_migration_leaves_nothing(
    connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.up.sql").write_text("CREATE TABLE a (x int); SELECT 1 / 0;")
    (tmp_path / "0001_a.down.sql").write_text("DROP TABLE a")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate_up(connection, tmp_path)
    assert await tables(connection) == {"schema_migrations"}


async def test_a_schema_that_has_everything_is_only_read(
    connection: Connection, empty_database_dsn: str
) -> None:
    await migrate_up(connection)
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    other = await asyncpg.connect(empty_database_dsn)
    await other.execute("SET default_transaction_read_only = on")
    assert await migrate_up(other) == []
    await other.close()


async def test_two_do_not_migrate_at_once(
    connection: Connection, empty_database_dsn: str
) -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    other = await asyncpg.connect(empty_database_dsn)
    with pytest.raises(asyncpg.LockNotAvailableError):
        await migrate_up(other, within_s=0.2)
    await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    assert len(await migrate_up(other)) == len(load_migrations())
    await other.close()


async def test_a_step_that_takes_too_long_leaves_nothing(
    connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.up.sql").write_text("CREATE TABLE a (x int); SELECT pg_sleep(600);")
    (tmp_path / "0001_a.down.sql").write_text("DROP TABLE a")
    with pytest.raises(asyncpg.QueryCanceledError):
        await migrate_up(connection, tmp_path, within_s=0.2)
    assert await tables(connection) == {"schema_migrations"}


async def test_a_server_that_hangs_in_the_middle_is_given_up() -> None:
    require_postgres()
    folder = open_folder()
    server = EmbeddedPostgres(folder / "data", folder / "run")
    server.start()
    try:
        connection = await asyncpg.connect(server.dsn)
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
                    await migrate_up(connection, within_s=0.2)
        finally:
            os.kill(backend, signal.SIGCONT)
        again = await asyncpg.connect(server.dsn)
        assert len(await migrate_up(again)) == len(load_migrations())
        await again.close()
    finally:
        server.stop()
        shutil.rmtree(folder)


async def test_a_login_without_rights_is_told(
    connection: Connection, empty_database_dsn: str
) -> None:
    await connection.execute("CREATE ROLE dce_test_stranger")
    try:
        await connection.execute("SET ROLE dce_test_stranger")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await migrate_up(connection)
    finally:
        await connection.execute("RESET ROLE; DROP ROLE dce_test_stranger")


def test_the_next_step_is_made_empty(tmp_path: Path) -> None:
    (tmp_path / "0001_a.up.sql").write_text("SELECT 1")
    (tmp_path / "0001_a.down.sql").write_text("SELECT 1")
    up, down = create_migration("more_columns", tmp_path)
    assert (up.name, down.name) == ("0002_more_columns.up.sql", "0002_more_columns.down.sql")
    assert [step.name for step in load_migrations(tmp_path)] == ["a", "more_columns"]
    for name in ("", "No", "a b", "../a"):
        with pytest.raises(ConfigError, match="lower-case"):
            create_migration(name, tmp_path)


def test_files_must_be_numbered_and_reversible(tmp_path: Path) -> None:
    (tmp_path / "0001_a.up.sql").write_text("SELECT 1")
    with pytest.raises(ConfigError, match=r"\.down\.sql beside"):
        load_migrations(tmp_path)
    (tmp_path / "0001_a.down.sql").write_text("SELECT 1")
    assert len(load_migrations(tmp_path)) == 1
    for name in ("0003_c.up.sql", "0003_c.down.sql"):
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(ConfigError, match="expected version 0002"):
        load_migrations(tmp_path)
