"""PostgreSQL as our processes see it: a pool that opens when it can, and an honest "away".

Which server: database.url, else the embedded one, whose socket lies below runtime_dir.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from dce.config import Config
from storage.postgres import EmbeddedPostgres
from storage.session import OPERATOR, set_codecs
from vocabulary import limits
from vocabulary.errors import CommandRefused

CONNECT_S = 5.0
STATEMENTS_S = 10.0
HEALTH_S = 2.0

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
    asyncpg.InsufficientPrivilegeError,
)

# For one transaction: whose rows there are (schema/0003), and no more rights than the API needs.
# A server without the role has one login for everything, and row security holds for that.
ENTER = """
SELECT set_config('dce.account', $1, true), (
    SELECT set_config('role', rolname, true) FROM pg_roles
    WHERE rolname = 'dce_api' AND pg_has_role(oid, 'MEMBER')
)
"""


def embedded_postgres(config: Config) -> EmbeddedPostgres:
    """The embedded server of this installation, not started."""
    return EmbeddedPostgres(config.postgres_dir, postgres_socket_dir(config))


def postgres_socket_dir(config: Config) -> Path:
    """Folder of the embedded server's socket; it belongs to the account that runs it."""
    return config.runtime / "postgres"


def database_dsn(config: Config) -> str:
    """Where to connect."""
    return config.database.url or embedded_postgres(config).dsn


def record_dsn(config: Config) -> str:
    """Where the record process connects, as whom."""
    return config.database.record_url or database_dsn(config)


def migration_dsn(config: Config) -> str:
    """Where migrations connect, as the owner of the tables."""
    return config.database.migration_url or database_dsn(config)


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
    async def connection(
        self, within_s: float = STATEMENTS_S, *, account: str = OPERATOR
    ) -> AsyncIterator[Any]:
        """One transaction of a few statements that take at most within_s together.

        account: whose rows it sees; no row of any other is there for it.
        A server that hangs is cut off, not cancelled: a cancellation would wait for its answer.
        Raises CommandRefused("database_away").
        """
        try:
            pool = await self._open()
            connection = await pool.acquire(timeout=min(CONNECT_S, within_s))
            loop = asyncio.get_running_loop()
            watch = loop.call_later(within_s, _cut, connection)
            try:
                async with connection.transaction():
                    await connection.execute(ENTER, account)
                    yield connection
            finally:
                await pool.release(connection)  # a reset, so it waits for the server too
                watch.cancel()
        except AWAY as error:
            raise database_away(error) from error

    async def up(self) -> bool:
        """Whether the server answers now."""
        try:
            async with self.connection(HEALTH_S) as connection:
                await connection.fetchval("SELECT 1")
        except CommandRefused:
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
                    self._dsn, min_size=0, max_size=limits.database_connections_max,
                    timeout=CONNECT_S, init=_prepare,
                    server_settings={"application_name": "dce api"},
                )
            return self._pool


async def _prepare(connection: Any) -> None:
    """First statements of a pool's connection; one that hangs in them is cut off."""
    try:
        await set_codecs(connection)
    except BaseException:  # cancelled at the bound of acquire
        connection.terminate()
        raise


def _cut(connection: Any) -> None:
    """End a connection without a word to the server."""
    with suppress(asyncpg.InterfaceError):  # it is gone already
        connection.terminate()
