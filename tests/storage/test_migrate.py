"""Migrations: up, down and up on data; refusals; enums agree with the code."""

import shutil
from collections.abc import AsyncIterator
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from storage.loader import COLUMNS
from storage.migrate import (
    SCHEMA_DIRECTORY,
    load_migrations,
    migrate_down,
    migrate_up,
    migration_status,
)
from vocabulary.errors import ConfigError
from vocabulary.facts import Disposition, LedgerAccount, Party

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

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
