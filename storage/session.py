"""Connections to PostgreSQL whose values are those of the vocabulary: no UUID or datetime objects.

uuid ↔ 16 bytes · timestamptz ↔ Unix ns (PostgreSQL keeps µs) · jsonb ↔ its text · enum ↔ its word
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from storage.copy_format import UNIX_TO_POSTGRES_US

NS_PER_US = 1_000
CONNECT_TIMEOUT_S = 5.0
CUT_S = 2.0
OPERATOR = "*"  # of dce.account: rows of all accounts (schema/0003)
# After 15 s the server ends a session whose client's machine is gone, and with it its lock.
KEEPALIVES = {
    "tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "2",
}


async def open_session(
    dsn: str, *, name: str, projection: bool = False, timeout_s: float = CONNECT_TIMEOUT_S
) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect. name: shown in pg_stat_activity. Raises OSError, TimeoutError, PostgresError.

    projection: it sees and writes the rows of every account, and its commits do not wait for the
    disk. Right for rows copied from the journal, which is the truth: their cursor commits with
    them, so what a crash takes back is copied again. Plans and tokens have their truth in
    PostgreSQL and never go this way.
    """
    settings = {"application_name": name}
    if projection:
        settings |= {"synchronous_commit": "off", "dce.account": OPERATOR, **KEEPALIVES}
    connection = await asyncpg.connect(dsn, timeout=timeout_s, server_settings=settings)
    # Cut, not cancelled: cancelling would wait for an answer of the server that is silent.
    watch = asyncio.get_running_loop().call_later(timeout_s, connection.terminate)
    try:
        await set_codecs(connection)
    except BaseException:
        connection.terminate()
        raise
    finally:
        watch.cancel()
    return connection


@asynccontextmanager
async def given_up(
    session: "asyncpg.Connection[asyncpg.Record]", silent_s: float
) -> AsyncIterator[None]:
    """Within this the session ends if the server keeps silent.

    It is cut, not cancelled: a cancelled transaction would wait for its rollback. What goes on
    waiting after the cut is cancelled then, and what it raises is TimeoutError.
    """
    watch = asyncio.get_running_loop().call_later(silent_s, session.terminate)
    try:
        async with asyncio.timeout(silent_s + CUT_S):
            yield
    finally:
        watch.cancel()


async def set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Teach a connection the values of the vocabulary; the `init` of a pool, too."""
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=_same, decoder=bytes, format="binary"
    )
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_to_postgres, decoder=_from_postgres,
        format="tuple",
    )


def _same(value: bytes) -> bytes:
    assert len(value) == 16
    return value


def _to_postgres(wall_ns: int) -> tuple[int]:
    return (wall_ns // NS_PER_US - UNIX_TO_POSTGRES_US,)


def _from_postgres(value: tuple[int]) -> int:
    return (value[0] + UNIX_TO_POSTGRES_US) * NS_PER_US
