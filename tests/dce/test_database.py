"""The pool against a PostgreSQL that is stunned in mid-air: every use ends within its bound."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dce.database import Database
from storage.postgres import EmbeddedPostgres
from tests.postgres_fixture import open_folder, require_postgres, tell
from vocabulary.errors import CommandRefused

WITHIN_S = 0.3
BOUND_S = 3.0


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this test alone, to be stunned."""
    require_postgres()
    folder = open_folder()
    own = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        own.start()
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder)


@pytest.fixture
async def database(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    made = Database(server.dsn)
    yield made
    await made.close()


@contextmanager
def stunned(server: EmbeddedPostgres) -> Iterator[None]:
    """SIGSTOP for the server and its sessions, SIGCONT on leaving."""
    pid = server.pid
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pids = [pid, *map(int, children)]
    tell(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        tell(pids, signal.SIGCONT)


async def one(database: Database) -> int:
    async with database.connection(WITHIN_S) as connection:
        found: int = await connection.fetchval("SELECT 1")
    return found


@pytest.mark.parametrize("warm", [True, False], ids=["pooled", "new"])
async def test_a_hung_server_is_away_within_the_bound_and_back_by_itself(
    server: EmbeddedPostgres, database: Database, warm: bool
) -> None:
    if warm:
        assert await one(database) == 1
    with stunned(server):
        began_s = time.monotonic()
        for _ in range(2):  # the second meets the pool after a cut
            with pytest.raises(CommandRefused) as caught:
                await one(database)
            assert (caught.value.code, caught.value.retry) == ("database_away", True)
        assert time.monotonic() - began_s < BOUND_S
    assert await one(database) == 1


async def test_all_sessions_hung_at_once_are_given_up(
    server: EmbeddedPostgres, database: Database
) -> None:
    await asyncio.gather(*(one(database) for _ in range(8)))
    with stunned(server):
        async with asyncio.timeout(BOUND_S):
            done = await asyncio.gather(
                *(one(database) for _ in range(20)), return_exceptions=True
            )
        assert {type(each) for each in done} == {CommandRefused}
        async with asyncio.timeout(2 * BOUND_S):
            assert not await database.up()
    assert await database.up()


async def test_who_gives_up_waiting_does_not_wait_for_the_server(
    server: EmbeddedPostgres, database: Database
) -> None:
    assert await one(database) == 1
    with stunned(server):
        asking = asyncio.create_task(one(database))
        await asyncio.sleep(0)
        asking.cancel()
        async with asyncio.timeout(BOUND_S):
            await asyncio.gather(asking, return_exceptions=True)
    assert await one(database) == 1
