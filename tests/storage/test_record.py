"""The record process against a real PostgreSQL: nothing missing, nothing twice."""

import asyncio
import logging
import os
import select
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from storage.fact_types import FACT_TYPES
from storage.migrate import migrate_up
from storage.postgres import EmbeddedPostgres
from storage.record import Record
from storage.session import open_session
from tests.postgres_fixture import open_folder, require_postgres, tell
from tests.storage.facts_of_calls import (
    append_call,
    append_fact,
    call_id,
    encode,
    facts_of_call,
    top_up,
)
from tests.storage.opened import Opened
from vocabulary.errors import StorageFailed
from vocabulary.facts import CallClosed, PlanApplied

SEGMENT_BYTES = 65_536
COUNTS = """
SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM attempts),
       (SELECT count(*) FROM auctions), (SELECT count(*) FROM bids), (SELECT count(*) FROM facts),
       (SELECT count(*) FROM ledger_entries), (SELECT coalesce(sum(amount_micros), 0)
                                               FROM ledger_entries)
"""


async def fetch(dsn: str, query: str, *arguments: object) -> list[tuple[object, ...]]:
    session = await open_session(dsn, name="test")
    try:
        return [tuple(row) for row in await session.fetch(query, *arguments)]
    finally:
        await session.close()


async def counts(dsn: str) -> tuple[object, ...]:
    return (await fetch(dsn, COUNTS))[0]


def expected(calls: int) -> tuple[int, ...]:
    return (calls, calls, calls, 11 * calls, 4 * calls, 4 * calls, 0)


class Running:
    """A record process's core at work; `stopped` drains it."""

    def __init__(self, directory: Path, dsn: str, **options: float) -> None:
        self.record = Record(
            directory, 0, dsn, batch_s=0.01, back_off_s=(0.01, 0.05),
            **options,  # type: ignore[arg-type]
        )
        self.task = asyncio.create_task(self.record.run())

    async def reached(self, seq: int) -> None:
        """Until the record is there; raises what ended it before."""
        there = asyncio.create_task(self.record.reached(seq))
        await asyncio.wait([there, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not there.done():
            there.cancel()
            self.task.result()
            raise AssertionError(f"it ended before {seq}")

    async def stopped(self) -> None:
        self.record.stop()
        await self.task


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    journal = Opened(tmp_path / "journal", segment_bytes=SEGMENT_BYTES)
    yield journal
    journal.journal.close()


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this test alone, to be stopped and stunned."""
    require_postgres()
    folder = open_folder()
    own = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        own.start()
        yield own
    finally:
        own.stop()
        shutil.rmtree(folder)


async def migrated(server: EmbeddedPostgres) -> None:
    session = await open_session(server.dsn, name="test")
    await migrate_up(session)
    await session.close()


async def test_facts_become_rows(opened: Opened, database_dsn: str) -> None:
    journal = opened.journal
    for number in range(1, 41):
        append_call(journal, number)
    append_fact(journal, top_up(500))
    seq = append_fact(journal, PlanApplied(1, 7, b"digest", 1_795_500_000_123_456_000))
    running = Running(journal.directory, database_dsn)
    await running.reached(seq)
    statistics = running.record.statistics()
    assert (statistics.cursor_seq, statistics.lag_records, statistics.lag_s) == (seq, 0, 0.0)
    assert statistics.rows == 40 * 22 + 5
    assert statistics.rows_per_s > 0
    assert statistics.connected == 1
    await running.stopped()
    assert await counts(database_dsn) == (40, 40, 40, 440, 162, 162, 0)
    rows = await fetch(
        database_dsn,
        "SELECT received_at, disposition, hangup, refused, campaign, answered_us, subject, "
        "personal FROM calls WHERE call_id = $1", call_id(2),
    )
    fact = facts_of_call(2)[3]
    assert isinstance(fact, CallClosed)
    assert rows == [(
        fact.wall_ns, "completed", "caller", 0, "campaign-2", 90_000, fact.subject,
        fact.personal.sealed,
    )]
    assert await fetch(database_dsn, "SELECT version, digest, applied_at FROM plans") == [
        (7, b"digest", 1_795_500_000_123_456_000)
    ]
    view = "SELECT disposition, setup_ms, revenue, margin, refused FROM call_records LIMIT 1"
    row = (await fetch(database_dsn, view))[0]
    assert [row[0], row[1], float(str(row[2])), float(str(row[3])), row[4]] == [
        "completed", 90, 11.0, 4.0, None
    ]


async def test_it_follows_a_growing_journal_and_drains(opened: Opened, database_dsn: str) -> None:
    running = Running(opened.journal.directory, database_dsn)
    seq = 0
    for number in range(1, 201):
        seq = append_call(opened.journal, number)
        if number % 20 == 0:
            await opened.durable(seq)
    await opened.durable(seq)
    await running.stopped()
    assert await counts(database_dsn) == expected(200)
    assert running.record.statistics().cursor_seq == seq


async def test_a_second_run_goes_on_at_the_cursor(opened: Opened, database_dsn: str) -> None:
    for start in (1, 51):
        seq = 0
        for number in range(start, start + 50):
            seq = append_call(opened.journal, number)
        await opened.durable(seq)
        running = Running(opened.journal.directory, database_dsn)
        await running.stopped()
        assert running.record.statistics().rows == 50 * 22
    assert await counts(database_dsn) == expected(100)


@pytest.mark.parametrize("statement", [
    "DELETE FROM record_cursors",
    "DELETE FROM record_cursors; DELETE FROM bids WHERE place > 4; DELETE FROM attempts",
    "UPDATE record_cursors SET seq = seq - 100; DELETE FROM calls WHERE campaign = 'campaign-1'",
])
async def test_a_lost_cursor_copies_nothing_twice(
    opened: Opened, database_dsn: str, statement: str
) -> None:
    seq = 0
    for number in range(1, 101):
        seq = append_call(opened.journal, number)
    await opened.durable(seq)
    await Running(opened.journal.directory, database_dsn).stopped()
    session = await open_session(database_dsn, name="test")
    await session.execute(statement)
    await session.close()
    again = Running(opened.journal.directory, database_dsn)
    await again.stopped()
    assert again.record.statistics().batches_staged > 0
    found = await counts(database_dsn)
    if "campaign-1" not in statement:
        assert found == expected(100)
    else:  # only what lies behind the cursor comes back
        assert found[1:] == expected(100)[1:]


async def test_a_fact_that_is_refused_is_kept_and_stops_nothing(
    opened: Opened, database_dsn: str
) -> None:
    journal = opened.journal
    append_call(journal, 1)
    bad = facts_of_call(2)[3]
    assert isinstance(bad, CallClosed)
    append_fact(journal, replace(bad, sip_status=70_000))
    seq = journal.next_seq
    journal.append(seq, FACT_TYPES[CallClosed], b"\x91\xa5bogus")
    append_fact(journal, replace(facts_of_call(3)[3], number="+1\x00555"))
    seq = append_call(journal, 4)
    running = Running(journal.directory, database_dsn)
    await running.reached(seq)
    await running.stopped()
    assert running.record.statistics().facts_rejected == 2
    assert await fetch(database_dsn, "SELECT call_id FROM calls ORDER BY 1") == [
        (call_id(1),), (call_id(3),), (call_id(4),)
    ]
    kept = await fetch(database_dsn, "SELECT seq, payload FROM rejected_facts ORDER BY seq")
    assert kept == [(5, encode(replace(bad, sip_status=70_000))), (6, b"\x91\xa5bogus")]
    assert await fetch(database_dsn, "SELECT seq FROM record_cursors") == [(seq,)]


async def test_a_database_ahead_of_the_journal_is_refused(
    opened: Opened, database_dsn: str
) -> None:
    session = await open_session(database_dsn, name="test")
    await session.execute("INSERT INTO record_cursors (worker, seq) VALUES (0, 900)")
    await session.close()
    running = Running(opened.journal.directory, database_dsn)
    with pytest.raises(StorageFailed, match="record 900"):
        await running.task


async def test_a_second_record_process_ends_and_says_whose_place_it_wanted(
    opened: Opened, database_dsn: str
) -> None:
    seq = append_call(opened.journal, 1)
    first = Running(opened.journal.directory, database_dsn)
    await first.reached(seq)
    second = Running(opened.journal.directory, database_dsn, lock_wait_s=0.05)
    async with asyncio.timeout(10):
        with pytest.raises(StorageFailed, match=r"another record process .*dce-record-0 .* pid"):
            await second.task
    assert not first.task.done()
    await first.stopped()


async def test_a_place_that_becomes_free_is_taken(opened: Opened, database_dsn: str) -> None:
    seq = append_call(opened.journal, 1)
    first = Running(opened.journal.directory, database_dsn)
    await first.reached(seq)
    second = Running(opened.journal.directory, database_dsn, lock_wait_s=60)
    await first.stopped()
    await second.reached(seq)
    await second.stopped()


async def test_a_hung_postgresql_does_not_hold_up_the_end(
    opened: Opened, server: EmbeddedPostgres
) -> None:
    await migrated(server)
    running = Running(opened.journal.directory, server.dsn, stop_s=0.2)
    await running.reached(append_call(opened.journal, 1))
    tell(family(server), signal.SIGSTOP)
    try:
        await opened.durable(append_call(opened.journal, 2))
        async with asyncio.timeout(10):
            await running.stopped()
    finally:
        tell(family(server), signal.SIGCONT)


async def test_postgresql_stopped_and_started_under_load(
    opened: Opened, server: EmbeddedPostgres
) -> None:
    await migrated(server)
    running = Running(opened.journal.directory, server.dsn)
    number = 0
    for round_ in range(3):
        for _ in range(100):
            number += 1
            seq = append_call(opened.journal, number)
        await opened.durable(seq)
        if round_ == 0:
            await running.reached(seq)
        server.stop()
        for _ in range(100):
            number += 1
            seq = append_call(opened.journal, number)
        await opened.durable(seq)
        assert running.record.statistics().lag_records > 0
        assert running.record.statistics().lag_s > 0
        assert not running.task.done()
        server.start()
    await running.reached(seq)
    await running.stopped()
    assert await counts(server.dsn) == expected(number)


async def test_postgresql_killed_in_the_middle(
    opened: Opened, server: EmbeddedPostgres
) -> None:
    await migrated(server)
    running = Running(opened.journal.directory, server.dsn)
    for number in range(1, 301):
        seq = append_call(opened.journal, number)
        if number % 100 == 0:
            await opened.durable(seq)
            await kill(family(server))
            server.stop()
            server.start()
    await running.reached(seq)
    await running.stopped()
    assert await counts(server.dsn) == expected(300)


def family(server: EmbeddedPostgres) -> list[int]:
    """The server's processes, itself first."""
    pid = server.pid
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


async def kill(pids: list[int]) -> None:
    """Kill -9 and wait until the last is gone."""
    handles = [os.pidfd_open(pid) for pid in pids]
    for handle in handles:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    for handle in handles:
        await asyncio.to_thread(select.select, [handle], [], [])
        os.close(handle)


class AwayEvent(logging.Handler):
    """Set when the record process says that PostgreSQL is away."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._event = asyncio.Event()
        logging.getLogger("dce.record").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        logging.getLogger("dce.record").removeHandler(self)


async def test_a_hung_postgresql_is_given_up_and_found_again(
    opened: Opened, server: EmbeddedPostgres
) -> None:
    await migrated(server)
    running = Running(opened.journal.directory, server.dsn, hung_s=0.2)
    away = AwayEvent()
    seq = append_call(opened.journal, 1)
    await running.reached(seq)
    tell(family(server), signal.SIGSTOP)
    try:
        for number in range(2, 102):
            seq = append_call(opened.journal, number)
        await opened.durable(seq)
        await away.wait()
        assert running.record.statistics().lag_records == 400
    finally:
        tell(family(server), signal.SIGCONT)
    await running.reached(seq)
    await running.stopped()
    assert running.record.statistics().connects >= 2
    assert await counts(server.dsn) == expected(101)


async def test_stop_does_not_wait_for_a_server_that_is_away(
    opened: Opened, tmp_path: Path
) -> None:
    running = Running(opened.journal.directory, f"postgresql://dce@/dce?host={tmp_path}")
    await opened.durable(append_call(opened.journal, 1))
    await running.stopped()
    assert running.record.statistics().lag_records == 4
