"""Migrations: numbered SQL files, each applied once, in order, in its own transaction.

```
schema/0001_record.up.sql ──► schema_migrations (version, name, checksum, applied_at)
schema/0001_record.down.sql   the way back
```
An advisory lock keeps two processes from migrating at once. A file that changed after it was
applied is refused: what runs is what was reviewed. A schema that has everything is only read, so
that a login without any right to change it will do.

Everything here is bounded: the server ends a statement, or a wait for a lock, that takes too long,
and a server that keeps silent is cut off.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import asyncpg
from msgspec import Struct

from vocabulary.errors import ConfigError

SCHEMA_DIRECTORY = Path(__file__).parent / "schema"
NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.up\.sql")
LOCK_KEY = 0x6463655F6D6967  # "dce_mig"
WITHIN_S = 900.0  # a step may have to move millions of rows
LOOK_S = 10.0  # to see what is applied
LOCK_WAIT_S = 5.0
SILENT_S = 2.0  # on top of what the server was told to end by itself

CREATE_TABLE = """
CREATE TABLE schema_migrations (
    version    integer     NOT NULL PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
BOUND = """
SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false)
"""
# A step that waits for a table makes everybody else wait behind it: it gives up and comes again.
STEP_LOCK_WAIT = "SET LOCAL lock_timeout = '1s'"
FIND_TABLE = "SELECT to_regclass('schema_migrations') IS NOT NULL"
SELECT_APPLIED = "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
INSERT_APPLIED = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"
DELETE_APPLIED = "DELETE FROM schema_migrations WHERE version = $1"


Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


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


def create_migration(name: str, directory: Path = SCHEMA_DIRECTORY) -> tuple[Path, Path]:
    """Two empty files for the next step, up and down. Raises ConfigError for an unfit name."""
    version = len(load_migrations(directory)) + 1
    up = directory / f"{version:04d}_{name}.up.sql"
    if NAME.fullmatch(up.name) is None:
        raise ConfigError(f"{name!r}: expected lower-case letters, digits and underscores")
    down = directory / f"{version:04d}_{name}.down.sql"
    for path, why in ((up, "What changes, and why."), (down, "The way back, with the data.")):
        try:
            with path.open("x") as file:
                file.write(f"-- {why}\n")
        except OSError as error:
            raise ConfigError(f"{path} cannot be made: {error.strerror}") from error
    return up, down


async def migrate_up(
    connection: Session, directory: Path = SCHEMA_DIRECTORY, *, within_s: float = WITHIN_S
) -> list[Migration]:
    """Apply what is missing; what was applied. within_s: for each statement, and in all.

    Raises ConfigError, and asyncpg's errors: LockNotAvailableError while another process migrates,
    InsufficientPrivilegeError for a login that may not.
    """
    steps = await migration_status(connection, directory, within_s=min(LOOK_S, within_s))
    if all(step.applied for step in steps):
        return []
    async with _bounded(connection, within_s), _locked(connection):
        missing = [step for step in await _status(connection, directory) if not step.applied]
        for step in missing:
            async with connection.transaction():
                await connection.execute(STEP_LOCK_WAIT)
                await connection.execute(step.up)
                await connection.execute(INSERT_APPLIED, step.version, step.name, step.checksum)
        return missing


async def migrate_down(
    connection: Session,
    steps: int,
    directory: Path = SCHEMA_DIRECTORY,
    *,
    within_s: float = WITHIN_S,
) -> list[Migration]:
    """Take the newest `steps` back; what was taken back. Raises as migrate_up."""
    assert steps > 0
    async with _bounded(connection, within_s), _locked(connection):
        applied = [step for step in await _status(connection, directory) if step.applied]
        taken = list(reversed(applied))[:steps]
        for step in taken:
            async with connection.transaction():
                await connection.execute(STEP_LOCK_WAIT)
                await connection.execute(step.down)
                await connection.execute(DELETE_APPLIED, step.version)
        return taken


async def migration_status(
    connection: Session, directory: Path = SCHEMA_DIRECTORY, *, within_s: float = LOOK_S
) -> list[Migration]:
    """Every step with whether it is applied; changes nothing. Raises as migrate_up."""
    async with _bounded(connection, within_s):
        return await _status(connection, directory)


@asynccontextmanager
async def _bounded(connection: Session, within_s: float) -> AsyncIterator[None]:
    """Bounds of the server for each statement, and a cut where it keeps silent beyond them.

    Cut, not cancelled: a cancellation would wait for the answer of a server that hangs.
    """
    watch = asyncio.get_running_loop().call_later(within_s + SILENT_S, _cut, connection)
    try:
        await connection.execute(
            BOUND, f"{within_s * 1_000:.0f}ms", f"{min(LOCK_WAIT_S, within_s / 2) * 1_000:.0f}ms"
        )
        yield
        await connection.execute(BOUND, "0", "0")
    finally:
        watch.cancel()


def _cut(connection: Session) -> None:
    with suppress(asyncpg.InterfaceError):  # it is gone already
        connection.terminate()


@asynccontextmanager
async def _locked(connection: Session) -> AsyncIterator[None]:
    """The advisory lock of migrations, with their table in place."""
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    try:
        if not await connection.fetchval(FIND_TABLE):
            await connection.execute(CREATE_TABLE)
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)


async def _status(connection: Session, directory: Path) -> list[Migration]:
    steps = load_migrations(directory)
    known = await connection.fetchval(FIND_TABLE)
    applied = await connection.fetch(SELECT_APPLIED) if known else []
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
