"""The record built again from the journal: row by row the same."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from storage.disk import OsDisk
from storage.fact_types import FACT_TYPES
from storage.rebuild import Rebuilt, rebuild
from storage.record import Record, session_name
from storage.segment import begun_segments
from storage.session import open_session
from tests.storage.facts_of_calls import append_call, append_fact, facts_of_call, top_up
from tests.storage.opened import Opened
from vocabulary.errors import ConfigError, JournalDamaged, StorageFailed
from vocabulary.facts import CallClosed, PlanApplied

SEGMENT_BYTES = 32_768
CALLS = 80
OF_THE_COPY = {"updated_at", "rejected_at"}  # clocks of the copying itself
TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'schema_migrations'
"""


@pytest.fixture
async def filled(tmp_path: Path, database_dsn: str) -> AsyncIterator[Opened]:
    """A journal of several segments, copied by the record process, with a poison fact in it."""
    opened = Opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES)
    journal = opened.journal
    session = await open_session(database_dsn, name="test")
    await session.execute("INSERT INTO plans (version, digest, source) VALUES (7, 'd', '{}')")
    await session.close()
    append_fact(journal, PlanApplied(1, 7, b"d", 1_795_500_000_123_456_000))
    append_fact(journal, PlanApplied(1, 8, b"e", 1_795_500_000_123_456_000))
    seq = 0
    for number in range(1, CALLS + 1):
        seq = append_call(journal, number)
        if number % 10 == 0:
            await opened.durable(seq)
    bad = facts_of_call(CALLS + 1)[3]
    assert isinstance(bad, CallClosed)
    append_fact(journal, replace(bad, sip_status=70_000))
    journal.append(journal.next_seq, FACT_TYPES[CallClosed], b"\x91\xa5bogus")
    seq = append_fact(journal, top_up(500))
    await opened.durable(seq)
    record = Record(journal.directory, 0, database_dsn)
    record.stop()
    await record.run()
    assert record.statistics().cursor_seq == seq
    yield opened
    journal.close()


async def contents(dsn: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, but for the clocks of copying."""
    session = await open_session(dsn, name="test", projection=True)
    found = {}
    for (table,) in await session.fetch(TABLES):
        rows = await session.fetch(f'SELECT to_jsonb(t)::text FROM "{table}" AS t')
        known = [json.loads(row[0]) for row in rows]
        found[table] = sorted(
            ({k: v for k, v in row.items() if k not in OF_THE_COPY} for row in known),
            key=lambda row: json.dumps(row, sort_keys=True),
        )
    await session.close()
    return found


async def again(opened: Opened, dsn: str, segment: int) -> Rebuilt:
    told: list[int] = []
    done = await rebuild(
        dsn, opened.journal.directory, 0, segment, lambda seq, last: told.append(last - seq)
    )
    assert told[-1] == 0
    return done


async def change(dsn: str, statements: str) -> None:
    session = await open_session(dsn, name="test", projection=True)
    await session.execute(statements)
    await session.close()


async def test_an_emptied_record_is_the_same_row_by_row(
    filled: Opened, database_dsn: str
) -> None:
    before = await contents(database_dsn)
    assert {table: len(rows) for table, rows in before.items() if table in ("calls", "bids")} == {
        "calls": CALLS, "bids": CALLS * 11
    }
    assert len(before["rejected_facts"]) == 2
    await change(database_dsn, """
        TRUNCATE calls, attempts, auctions, bids, facts, ledger_entries, top_ups, rejected_facts,
        record_cursors, reason_names; UPDATE plans SET applied_at = NULL
    """)
    done = await again(filled, database_dsn, 1)
    assert (done.first_seq, done.last_seq, done.rejected) == (1, CALLS * 4 + 5, 2)
    assert await contents(database_dsn) == before


async def test_wrong_rows_do_not_survive_a_whole_rebuild(
    filled: Opened, database_dsn: str
) -> None:
    before = await contents(database_dsn)
    await change(database_dsn, """
        UPDATE calls SET revenue_micros = 1; DELETE FROM bids WHERE place = 3;
        UPDATE ledger_entries SET owner = 'nobody' WHERE line = 0;
        DELETE FROM plans WHERE version = 8;
        INSERT INTO top_ups SELECT gen_random_uuid(), now(), 1, 'x', 'USD', 'y'
    """)
    assert await contents(database_dsn) != before
    await again(filled, database_dsn, 1)
    assert await contents(database_dsn) == before


async def test_from_a_later_segment_what_lies_before_it_stays(
    filled: Opened, database_dsn: str
) -> None:
    before = await contents(database_dsn)
    segments = begun_segments(OsDisk(), filled.journal.directory)
    assert len(segments) > 3
    third = segments[2].header
    await change(database_dsn, f"""
        UPDATE calls SET revenue_micros = 1; DELETE FROM bids WHERE place = 3;
        DELETE FROM top_ups; DELETE FROM ledger_entries WHERE kind = 'top_up';
        UPDATE facts SET engine_ns = 0 WHERE seq >= {third.first_seq}
    """)
    done = await again(filled, database_dsn, third.ordinal)
    assert done.first_seq == third.first_seq > 1
    after = await contents(database_dsn)
    for table in ("facts", "top_ups", "ledger_entries", "rejected_facts", "plans",
                  "record_cursors", "attempts", "auctions"):
        assert after[table] == before[table], table
    wrong = [row for row in after["calls"] if row["revenue_micros"] == 1]
    assert 0 < len(wrong) < CALLS
    assert 0 < len(before["bids"]) - len(after["bids"]) <= len(wrong) + 1


async def test_it_waits_for_no_record_process(filled: Opened, database_dsn: str) -> None:
    before = await contents(database_dsn)
    holder = await open_session(database_dsn, name=session_name(0))
    await holder.execute("SELECT pg_advisory_lock(1684235570, 0)")
    with pytest.raises(StorageFailed, match="another record process copies worker 0"):
        await again(filled, database_dsn, 1)
    await holder.close()
    assert await contents(database_dsn) == before


async def test_missing_segments_are_refused(filled: Opened, database_dsn: str) -> None:
    segments = begun_segments(OsDisk(), filled.journal.directory)
    with pytest.raises(ConfigError, match=f"no segment 99; there are 1 to {len(segments)}"):
        await again(filled, database_dsn, 99)
    await change(database_dsn, "UPDATE record_cursors SET seq = 3")
    with pytest.raises(StorageFailed, match=r"the record ends at 3, .* would be missing"):
        await again(filled, database_dsn, 3)
    segments[1].path.unlink()
    with pytest.raises(JournalDamaged, match="missing"):
        await again(filled, database_dsn, 1)
    with pytest.raises(ConfigError, match="there is no journal"):
        await rebuild(database_dsn, filled.journal.directory / "no", 0, 1, lambda *_: None)


async def test_half_a_rebuild_is_finished_by_the_record_process(
    filled: Opened, database_dsn: str
) -> None:
    before = await contents(database_dsn)
    await again(filled, database_dsn, 1)
    await change(database_dsn, """
        TRUNCATE calls, attempts, auctions, bids, facts, ledger_entries, top_ups, rejected_facts;
        DELETE FROM record_cursors
    """)
    record = Record(filled.journal.directory, 0, database_dsn)
    record.stop()
    await record.run()
    assert await contents(database_dsn) == before
