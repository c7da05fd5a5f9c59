"""A real PostgreSQL for tests: the embedded one, once a session, with a fresh database a test.

A conftest that wants it imports the fixtures: `from tests.postgres_fixture import …  # noqa`.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from storage.migrate import migrate_up
from storage.postgres import EmbeddedPostgres
from storage.postgres_binaries import find_binaries
from vocabulary.errors import ConfigError

_numbers = count(1)


def open_folder() -> Path:
    """A new short folder that an unprivileged server can reach (pytest's own are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="dce-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


def require_postgres() -> None:
    """Skip where the wheel is missing; in CI that is a failure."""
    try:
        find_binaries()
    except ConfigError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A server for the whole session; its database `dce` is empty."""
    require_postgres()
    folder = open_folder()
    server = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template_database(postgres_dsn: str) -> str:
    """Name of a database with all migrations, to be copied."""
    import asyncio

    async def make() -> None:
        await _execute(postgres_dsn, "CREATE DATABASE template_dce")
        connection = await asyncpg.connect(_other(postgres_dsn, "template_dce"))
        await migrate_up(connection)
        await connection.close()

    asyncio.run(make())
    return "template_dce"


@pytest.fixture
async def database_dsn(postgres_dsn: str, template_database: str) -> AsyncIterator[str]:
    """DSN of a database of this test alone, migrated and empty."""
    name = f"test_{next(_numbers)}"
    await _execute(postgres_dsn, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _other(postgres_dsn, name)
    await _execute(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """DSN of a database of this test alone, without any table."""
    name = f"test_{next(_numbers)}"
    await _execute(postgres_dsn, f"CREATE DATABASE {name}")
    yield _other(postgres_dsn, name)
    await _execute(postgres_dsn, f"DROP DATABASE {name} WITH (FORCE)")


def _other(dsn: str, database: str) -> str:
    return dsn.replace("@/dce?", f"@/{database}?")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def tell(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal those that still run: a session may have ended since it was seen."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
