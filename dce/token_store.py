"""Tokens in PostgreSQL, and the cache file that follows them (see dce.tokens)."""

from pathlib import Path

import asyncpg

from dce.database import Database
from dce.tokens import make_token, write_cache
from vocabulary import limits
from vocabulary.errors import CommandRefused

INSERT_TOKEN = "INSERT INTO api_tokens (digest, name) VALUES ($1, $2)"
DELETE_TOKEN = "DELETE FROM api_tokens WHERE name = $1"
SELECT_TOKENS = "SELECT digest, name FROM api_tokens ORDER BY created_at"


async def create_token(database: Database, cache: Path, name: str) -> str:
    """A new bearer token under a name; valid at once. The only time that it is readable.

    Raises CommandRefused for a name that is taken or not fit, or while PostgreSQL is away.
    """
    if not (0 < len(name) <= limits.name_bytes_max and name.isprintable()):
        raise CommandRefused(
            "name_invalid", f"expected a name of 1 to {limits.name_bytes_max} printable characters"
        )
    token, digest = make_token()
    async with database.connection() as connection:
        try:
            await connection.execute(INSERT_TOKEN, digest, name)
        except asyncpg.UniqueViolationError:
            raise CommandRefused("name_taken", f"there is a token named {name} already") from None
    await refresh_cache(database, cache)
    return token


async def revoke_token(database: Database, cache: Path, name: str) -> None:
    """End the token of a name, at once. Raises CommandRefused if there is none."""
    async with database.connection() as connection:
        done = await connection.execute(DELETE_TOKEN, name)
    await refresh_cache(database, cache)
    if done != "DELETE 1":
        raise CommandRefused("name_unknown", f"there is no token named {name!r}")


async def refresh_cache(database: Database, cache: Path) -> int:
    """Write the cache anew from PostgreSQL; how many tokens it holds."""
    async with database.connection() as connection:
        rows = await connection.fetch(SELECT_TOKENS)
    names = {bytes(row["digest"]): row["name"] for row in rows}
    write_cache(cache, names)
    return len(names)
