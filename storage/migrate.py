"""Migrations: numbered SQL files, each applied once, in order, in its own transaction.

```
schema/0001_record.up.sql ──► schema_migrations (version, name, checksum, applied_at)
schema/0001_record.down.sql   the way back
```
An advisory lock keeps two processes from migrating at once. A file that changed after it was
applied is refused: what runs is what was reviewed.
"""

import re
from hashlib import sha256
from pathlib import Path

import asyncpg
from msgspec import Struct

from vocabulary.errors import ConfigError

SCHEMA_DIRECTORY = Path(__file__).parent / "schema"
NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.up\.sql")
LOCK_KEY = 0x6463655F6D6967  # "dce_mig"

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer     NOT NULL PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
SELECT_APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
INSERT_APPLIED = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"
DELETE_APPLIED = "DELETE FROM schema_migrations WHERE version = $1"


class Migration(Struct, frozen=True):
    """One step. checksum: SHA-256 of both files. applied: whether the database has it."""

    version: int
    name: str
    up: str
    down: str
    checksum: str
    applied: bool = False


def load_migrations(directory: Path = SCHEMA_DIRECTORY) -> list[Migration]:
    """The steps in order. Raises ConfigError for a gap or a missing way back."""
    found: list[Migration] = []
    for path in sorted(directory.glob("*.up.sql")):
        match = NAME.fullmatch(path.name)
        down_path = path.with_name(path.name.replace(".up.sql", ".down.sql"))
        if match is None or not down_path.exists():
            raise ConfigError(f"{path}: expected NNNN_name.up.sql with a .down.sql beside it")
        if int(match[1]) != len(found) + 1:
            raise ConfigError(f"{path}: expected version {len(found) + 1:04d}")
        up, down = path.read_text(), down_path.read_text()
        checksum = sha256(f"{up}\0{down}".encode()).hexdigest()
        found.append(Migration(len(found) + 1, match[2], up, down, checksum))
    return found


async def migrate_up(
    connection: "asyncpg.Connection[asyncpg.Record]", directory: Path = SCHEMA_DIRECTORY
) -> list[Migration]:
    """Apply what is missing; what was applied. Raises ConfigError, asyncpg.PostgresError."""
    async with _Locked(connection):
        missing = [step for step in await _status(connection, directory) if not step.applied]
        for step in missing:
            async with connection.transaction():
                await connection.execute(step.up)
                await connection.execute(INSERT_APPLIED, step.version, step.name, step.checksum)
        return missing


async def migrate_down(
    connection: "asyncpg.Connection[asyncpg.Record]",
    steps: int,
    directory: Path = SCHEMA_DIRECTORY,
) -> list[Migration]:
    """Take the newest `steps` back; what was taken back. Raises as migrate_up."""
    assert steps > 0
    async with _Locked(connection):
        applied = [step for step in await _status(connection, directory) if step.applied]
        taken = list(reversed(applied))[:steps]
        for step in taken:
            async with connection.transaction():
                await connection.execute(step.down)
                await connection.execute(DELETE_APPLIED, step.version)
        return taken


async def migration_status(
    connection: "asyncpg.Connection[asyncpg.Record]", directory: Path = SCHEMA_DIRECTORY
) -> list[Migration]:
    """Every step with whether it is applied. Raises as migrate_up."""
    async with _Locked(connection):
        return await _status(connection, directory)


class _Locked:
    """The advisory lock of migrations, with their table in place."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        await self._connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        await self._connection.execute(CREATE_TABLE)

    async def __aexit__(self, *_: object) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)


async def _status(
    connection: "asyncpg.Connection[asyncpg.Record]", directory: Path
) -> list[Migration]:
    steps = load_migrations(directory)
    applied = await connection.fetch(SELECT_APPLIED)
    if len(applied) > len(steps):
        raise ConfigError(
            f"the database has migration {applied[-1]['version']:04d}, which this version of dce "
            "does not know: run the newer version"
        )
    for step, row in zip(steps, applied, strict=False):
        if row["version"] != step.version or row["checksum"] != step.checksum:
            raise ConfigError(
                f"migration {step.version:04d}_{step.name} changed after it was applied"
            )
    return [
        Migration(s.version, s.name, s.up, s.down, s.checksum, s.version <= len(applied))
        for s in steps
    ]
