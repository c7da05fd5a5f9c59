"""`dce check`: PostgreSQL answers, is new enough, has a schema that this version may touch, and
belongs to this journal."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import asyncpg

from dce.config import Config
from dce.database import AWAY, CONNECT_S, database_dsn
from dce.finding import Finding, fail, ok, warn
from dce.folders import is_running
from storage.copying import READ_CURSOR
from storage.migrate import load_migrations, migration_status
from storage.postgres_binaries import find_binaries
from storage.reader import JournalReader

WORKER = 0
OLDEST = 15  # tests run on 15 to 18
PROGRAM_S = 10.0
AWAY_ADVICE = (
    "see that it runs and lets this account in; calls are taken without it, but nothing\n"
    "is recorded and no plan is applied until it is back"
)


async def database(config: Config) -> Finding:
    """The server of database.url, or the embedded one, running or not."""
    if not config.database.url and not is_running(config):
        return _embedded(config)
    try:
        connection = await asyncpg.connect(database_dsn(config), timeout=CONNECT_S)
    except AWAY as error:
        return fail(f"{_place(config)}: {str(error) or type(error).__name__}", AWAY_ADVICE)
    try:
        return await _answering(config, connection)
    finally:
        await connection.close(timeout=CONNECT_S)


async def _answering(config: Config, connection: Any) -> Finding:
    version = connection.get_server_version()
    name = f"PostgreSQL {version.major} at {_place(config)}"
    if version.major < OLDEST:
        return fail(name, f"PostgreSQL {OLDEST} or newer is needed")
    known = len(load_migrations())
    if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL"):
        return ok(f"{name}: empty, dce run makes the schema ({known} migrations)")
    missing = sum(not step.applied for step in await migration_status(connection))
    if missing:
        return warn(
            f"{name}: schema {known - missing} of {known}", "dce migrate up, or let dce run do it"
        )
    cursor = int(await connection.fetchval(READ_CURSOR, WORKER) or 0)
    if cursor and not await asyncio.to_thread(holds, config, cursor):
        return fail(
            f"{name} is at record {cursor}, which {config.journal_dir} does not have",
            "one of them is a copy of another time: restore both from the same time, or point\n"
            "database.url at an empty database, which is filled from the journal",
        )
    return ok(f"{name}: schema {known} of {known}")


def holds(config: Config, seq: int) -> bool:
    """Whether the journal has this record. Blocks. Raises JournalDamaged."""
    reader = JournalReader(config.journal_dir, seq, whole=True)
    try:
        return bool(reader.read())
    finally:
        reader.close()


def _place(config: Config) -> str:
    if not config.database.url:
        return "the embedded server"
    return str(config.masked()["database.url"])


def _embedded(config: Config) -> Finding:
    """The programs run, and are of the version that made the data."""
    programs = find_binaries()
    version = _version(programs)
    made = config.postgres_dir / "PG_VERSION"
    found = int(made.read_text()) if made.exists() else 0
    if found and found != version:
        return fail(
            f"{config.postgres_dir} was made by PostgreSQL {found}, the programs are {version}",
            "run the older version of dce, pg_dump there, and restore into a new folder;\n"
            "or let the record fill an empty one from the journal",
        )
    state = "not running now" if found else "made at the first start"
    return ok(f"embedded PostgreSQL {version} in {config.postgres_dir}, {state}")


def _version(programs: Path) -> int:
    """Major version, asked of the program itself. Raises OSError."""
    done = subprocess.run(
        [programs / "bin" / "postgres", "--version"], capture_output=True, text=True, check=False,
        timeout=PROGRAM_S,
    )
    if done.returncode != 0:
        raise OSError(f"{programs}/bin/postgres does not run: {done.stderr.strip()}")
    return int(done.stdout.split()[-1].partition(".")[0])
