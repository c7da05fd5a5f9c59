"""PostgreSQL as our processes see it: a pool that opens when it can, and an honest "away".

Which server: database.url, else the embedded one, whose socket lies below runtime_dir.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from dce.config import Config
from storage.postgres import EmbeddedPostgres
from storage.session import set_codecs
from vocabulary.errors import CommandRefused

CONNECT_S = 5.0
STATEMENT_S = 15.0
HEALTH_S = 2.0
CONNECTIONS_MAX = 8

# What asyncpg raises when the server is away, starting, ending, full, hung, crashed, not ours or
# not migrated: SQLSTATE classes 08, 53, 57, 58, XX and 28, and its own errors of a dead session.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
)


def embedded_postgres(config: Config) -> EmbeddedPostgres:
    """The embedded server of this installation, not started."""
    return EmbeddedPostgres(config.postgres_dir, postgres_socket_dir(config))


def postgres_socket_dir(config: Config) -> Path:
    """Folder of the embedded server's socket; it belongs to the account that runs it."""
    return config.runtime / "postgres"


def database_dsn(config: Config) -> str:
    """Where to connect."""
    return config.database.url or embedded_postgres(config).dsn


def database_away(error: BaseException) -> CommandRefused:
    """The refusal of whatever needs PostgreSQL while it is away."""
    reason = str(error) or type(error).__name__
    return CommandRefused("database_away", f"PostgreSQL is away: {reason}", retry=True)


class Database:
    """A pool that is made at the first use and works again by itself after an outage."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection for a few statements. Raises CommandRefused("database_away")."""
        try:
            pool = await self._open()
            async with pool.acquire(timeout=CONNECT_S) as connection:
                yield connection
        except AWAY as error:
            raise database_away(error) from error

    async def up(self) -> bool:
        """Whether the server answers now."""
        try:
            async with asyncio.timeout(HEALTH_S), self.connection() as connection:
                await connection.fetchval("SELECT 1")
        except (CommandRefused, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Close the pool, within bounds even if the server hangs."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(HEALTH_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _open(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn, min_size=0, max_size=CONNECTIONS_MAX, timeout=CONNECT_S,
                    command_timeout=STATEMENT_S, init=set_codecs,
                    server_settings={"application_name": "dce api"},
                )
            return self._pool
