"""Tokens: shown once, kept as a hash, valid at once, and valid while PostgreSQL is away."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from dce.database import Database
from dce.token_store import create_token, revoke_token
from dce.tokens import TokenCache, make_token, write_cache
from storage.session import open_session
from vocabulary.errors import CommandRefused


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[Database]:
    made = Database(database_dsn)
    yield made
    await made.close()


async def test_a_new_token_is_valid_at_once_and_stored_as_a_hash(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.json"
    cache = TokenCache(path)  # of an api that runs already
    assert cache.find(b"x" * 32) is None
    token = await create_token(database, path, "alice")
    digest = sha256(token.encode()).digest()
    assert cache.find(digest) == "alice"
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    session = await open_session(database_dsn, name="test")
    rows = await session.fetch("SELECT digest, name FROM api_tokens")
    await session.close()
    assert [(row["digest"], row["name"]) for row in rows] == [(digest, "alice")]


async def test_names_are_unique_and_printable(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    await create_token(database, path, "alice")
    with pytest.raises(CommandRefused, match="there is a token named alice already"):
        await create_token(database, path, "alice")
    for name in ("", "a\nb", "x" * 201, "a\0"):
        with pytest.raises(CommandRefused, match="expected a name"):
            await create_token(database, path, name)
    await create_token(database, path, "Bob's ☎; DROP TABLE api_tokens")


async def test_a_revoked_token_is_gone_with_the_next_look(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.json"
    token, other = [await create_token(database, path, name) for name in ("alice", "bob")]
    cache = TokenCache(path)
    digest, kept = [sha256(text.encode()).digest() for text in (token, other)]
    assert cache.find(digest) == "alice"
    await revoke_token(database, path, "alice")
    assert (cache.find(digest), cache.find(kept)) == (None, "bob")
    with pytest.raises(CommandRefused, match="no token named 'alice'"):
        await revoke_token(database, path, "alice")


async def test_without_postgresql_there_is_no_new_token_but_old_ones_work(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token, digest = make_token()
    write_cache(path, {digest: "alice"})
    away = Database(f"postgresql://dce@/dce?host={tmp_path}")
    with pytest.raises(CommandRefused) as caught:
        await create_token(away, path, "bob")
    assert (caught.value.code, caught.value.retry) == ("database_away", True)
    assert not await away.up()
    assert TokenCache(path).find(digest) == "alice"
    assert token.startswith("dce_")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"a": 1}', b"\xff"])
def test_a_damaged_cache_lets_nobody_in(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "tokens.json"
    _, digest = make_token()
    write_cache(path, {digest: "alice"})
    cache = TokenCache(path)
    assert cache.find(digest) == "alice"
    path.write_bytes(damage)
    assert cache.find(digest) is None


def test_tokens_are_long_and_differ() -> None:
    tokens = {make_token()[0] for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 47 for token in tokens)
