"""An upgrade finds what the release before it left, and a rollback what the newer one wrote."""

import asyncio
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace

from dce.recovery import recover
from exchange.recover import Replay
from storage.fact_types import FACT_TYPES
from storage.migrate import migrate_down, migrate_up
from tests.exchange.test_recovery import recorded, replayed
from tests.postgres_fixture import empty_database_dsn, postgres_dsn
from tests.releases.c64e1e8e import facts as old_facts
from tests.releases.c64e1e8e import states as old_states
from tests.storage.opened import Opened
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.errors import JournalDamaged, JournalNewer
from vocabulary.facts import CallAnswered, CallClosed, Fact, Heartbeat, Started

__all__ = ["empty_database_dsn", "postgres_dsn"]  # fixtures

BEFORE = Path(__file__).parent / "c64e1e8e"
EXPECTED: dict[str, Any] = msgspec.json.decode((BEFORE / "expected.json").read_bytes())
COLUMNS_THEN: dict[str, Any] = msgspec.json.decode((BEFORE / "columns.json").read_bytes())
SEALED = b"sealed"
WAITING = """SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
AND relation = 'calls'::regclass AND mode = 'AccessExclusiveLock')"""

decode = fact_decoder().decode
encode = fact_encoder(lambda personal: SEALED).encode


def left(folder: Path, checkpoints: int) -> tuple[Path, Path]:
    """Journal and checkpoint folders as the release left them, with so many of the two states."""
    shutil.copytree(BEFORE / "journal", folder / "journal")
    shutil.copytree(BEFORE / "checkpoints", folder / "checkpoints")
    for path in sorted((folder / "checkpoints").iterdir())[checkpoints:]:
        path.unlink()
    return folder / "journal", folder / "checkpoints"


@pytest.mark.parametrize("checkpoints", [0, 1, 2])
def test_its_journal_and_checkpoints_are_recovered_as_it_did(
    tmp_path: Path, checkpoints: int
) -> None:
    replay = recover(*left(tmp_path, checkpoints))
    state = replay.state
    for name in ("seq", "at_ns", "offset_ns", "plan_version", "beat_seq", "balances", "pending",
                 "caps"):
        assert getattr(state, name) == EXPECTED[name], name
    assert EXPECTED["bids"] == {
        bid_id: [bid.terms.hex(), bid.spent_micros, bid.last_won_ns, bid.removed]
        for bid_id, bid in state.bids.items()
    }
    assert EXPECTED["top_ups"] == {
        key: [top_up_id.hex(), account, micros]
        for key, (top_up_id, account, micros) in state.top_ups.items()
    }
    closings = [decode(b64decode(text)) for text in EXPECTED["closings"]]
    assert replay.close_open(state.at_ns + 1) == closings
    assert {fact.revenue_micros > 0 for fact in closings} == {True, False}


def test_its_schema_is_migrated_with_everything_in_it(empty_database_dsn: str) -> None:
    asyncio.run(migrate_from(empty_database_dsn))


async def migrate_from(dsn: str) -> None:
    """The release's schema and rows, then all migrations of now, then back to its own."""
    session = await asyncpg.connect(dsn)
    try:
        theirs = await migrate_up(session, BEFORE / "schema")
        for path in sorted((BEFORE / "rows").glob("*.copy")):
            await session.copy_to_table(
                path.stem, columns=COLUMNS_THEN.get(path.stem), source=str(path), null="\\N")
        before = await figures(session)
        assert before["buyer"] == -sum(EXPECTED["balances"].values())
        later = await migrate_up(session)
        assert await figures(session) == before
        if later:
            await migrate_down(session, len(later))
        assert await figures(session) == before
        assert await migrate_up(session, BEFORE / "schema") == []
        assert len(theirs) == 1
    finally:
        await session.close()


async def figures(session: Any) -> dict[str, int]:
    """How many rows each table has, and the sum of each ledger account."""
    counted = {
        path.stem: int(await session.fetchval(f"SELECT count(*) FROM {path.stem}"))
        for path in (BEFORE / "rows").glob("*.copy")
    }
    sums = await session.fetch(
        "SELECT account::text, sum(balance_micros)::bigint FROM account_balances GROUP BY 1")
    return counted | {account: int(micros) for account, micros in sums}


def test_a_migration_that_waits_for_a_table_lets_the_others_through(
    empty_database_dsn: str,
) -> None:
    asyncio.run(migrate_beside_a_reader(empty_database_dsn))


async def migrate_beside_a_reader(dsn: str) -> None:
    """A report that holds `calls` for long, a migration behind it, a second report behind that."""
    sessions = [await asyncpg.connect(dsn) for _ in range(4)]
    first, migrating, second, watching = sessions
    try:
        await migrate_up(migrating, BEFORE / "schema")
        report = first.transaction()
        await report.start()
        await first.fetchval("SELECT count(*) FROM calls")
        waiting = asyncio.create_task(migrate_up(migrating))
        while not await watching.fetchval(WAITING):
            await asyncio.sleep(0)
        assert await second.fetchval("SELECT count(*) FROM calls") == 0  # the report still lasts
        with pytest.raises(asyncpg.LockNotAvailableError):
            await waiting
        await report.rollback()
        assert await migrate_up(migrating)
    finally:
        for session in sessions:
            await session.close()


# A rollback: what this version writes, read by the release before it.


def open_hook(kind: type, value: Any) -> Any:
    """The release's own reading of a sealed field."""
    assert kind is old_facts.Personal
    return old_facts.Personal(None, value)


def seal_hook(value: Any) -> bytes:
    """Its writing of one."""
    assert isinstance(value, old_facts.Personal)
    return value.sealed


def known_then(fact: Fact) -> Fact:
    """A fact without the fields that were appended since."""
    if isinstance(fact, Heartbeat):
        return replace(fact, turns=())
    if isinstance(fact, CallAnswered | CallClosed):
        return replace(fact, caps=tuple(replace(use, window_end_s=0) for use in fact.caps))
    return fact


def test_the_release_before_reads_every_fact_of_now() -> None:
    read = msgspec.msgpack.Decoder(old_facts.AnyFact, dec_hook=open_hook).decode
    write = msgspec.msgpack.Encoder(enc_hook=seal_hook).encode
    kinds = set()
    for _, fact in recorded():
        kinds.add(type(fact))
        assert decode(write(read(encode(fact)))) == known_then(decode(encode(fact)))
    assert len(kinds) == 12


def test_the_release_before_reads_the_checkpoints_of_now() -> None:
    facts = recorded()
    for at in range(0, len(facts), 20):
        payload = replayed(facts[:at]).checkpoint()
        mine = Replay.from_checkpoint(payload).state
        theirs = msgspec.msgpack.decode(payload, type=old_states.ReplayState)
        for name in ("seq", "at_ns", "offset_ns", "epoch", "plan_version", "beat_seq",
                     "beat_at_ns", "balances", "pending", "caps", "top_ups"):
            assert getattr(theirs, name) == getattr(mine, name), name
        assert [bid.terms for bid in theirs.bids.values()] == [
            bid.terms for bid in mine.bids.values()]
        assert [(key, call.sent, len(call.caps)) for key, call in theirs.open.items()] == [
            (key, call.sent, len(call.caps)) for key, call in mine.open.items()]


# What it does not know it refuses by name.


async def journal_of(folder: Path, records: list[tuple[int, bytes]]) -> Path:
    """A closed journal of raw records (kind, payload)."""
    opened = Opened(folder / "journal")
    for kind, payload in records:
        await opened.durable(opened.put(payload, kind))
    opened.journal.close()
    return folder / "journal"


async def test_a_record_of_a_newer_version_is_refused_by_its_name(tmp_path: Path) -> None:
    started = encode(Started(1, 0, 1, 2, "9.8.7"))
    later = msgspec.msgpack.encode(["law_changed", 5, "something"])
    journal = await journal_of(tmp_path, [(FACT_TYPES[Started], started), (99, later)])
    with pytest.raises(JournalNewer, match=r"record 2 is of kind 99, .* dce 9\.8\.7 wrote it"):
        recover(journal, tmp_path / "checkpoints")


async def test_a_whole_record_that_is_no_fact_is_damage(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path, [(FACT_TYPES[Started], b"\xc1")])
    with pytest.raises(JournalDamaged, match=r"record 1, a Started by an unnamed version"):
        recover(journal, tmp_path / "checkpoints")
