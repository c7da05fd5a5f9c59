"""postgres.rows_per_cpu_s and rebuild.facts_per_cpu_s: what the record costs its own process.

A journal of made-up calls, each answered and settled after an auction of 1,000 candidates, is
copied into an embedded PostgreSQL with the whole schema and its indexes: once as the record
process does it, once as `dce record rebuild` does. Counted is the CPU of this process from the
first session to the last commit; what PostgreSQL spent stands beside it as a row of its own.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from storage.migrate import migrate_up
from storage.postgres import EmbeddedPostgres
from storage.rebuild import rebuild
from storage.record import Record
from storage.session import open_session
from tests.bench.cpu import cpu_ns, tree, tree_cpu_ns
from tests.bench.our_server import build
from tests.bench.rows import ROOT, Row, row
from tests.postgres_fixture import open_folder
from tests.storage.facts_of_calls import append_fact, facts_of_call, reason_vector
from tests.storage.opened import Opened

CALLS = 20_000
VECTORS = 50
NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Spent:
    """CPU of one run, and what it did."""

    ours_ns: int
    server_ns: int
    rows: int
    facts: int


def bench_record() -> list[Row]:
    """Four figures, from about a minute."""
    (ROOT / "build").mkdir(exist_ok=True)
    folder = open_folder()
    with tempfile.TemporaryDirectory(prefix="record-", dir=ROOT / "build") as name:
        server = EmbeddedPostgres(folder / "data", folder / "run")
        try:
            server.start()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                journal = runner.run(_written(Path(name) / "journal"))
                copied = runner.run(_copied(server, journal))
                rebuilt = runner.run(_rebuilt(server, journal))
        finally:
            server.stop()
            shutil.rmtree(folder)
    assert copied.rows == rebuilt.rows, (copied, rebuilt)
    text = (
        f"{copied.facts:,} facts, {copied.rows:,} rows, {copied.rows / CALLS:.0f} a call;"
        f" whole schema with its indexes; {build()}"
    )
    return [
        row("postgres.rows_per_cpu_s", _per_s(copied.rows, copied.ours_ns), "rows/s", "higher",
            f"CPU of the record's copying alone; {text}"),
        row("postgres.server_us_per_row", copied.server_ns / copied.rows / 1_000, "us", "lower",
            f"CPU of PostgreSQL; {text}"),
        row("rebuild.facts_per_cpu_s", _per_s(rebuilt.facts, rebuilt.ours_ns), "facts/s",
            "higher", f"CPU of the rebuild alone; {text}"),
        row("rebuild.server_us_per_fact", rebuilt.server_ns / rebuilt.facts / 1_000, "us",
            "lower", f"CPU of PostgreSQL; {text}"),
    ]


def _per_s(count: int, cpu: int) -> float:
    return count * NS_PER_S / cpu


async def _written(directory: Path) -> Path:
    """The journal of all calls, durable."""
    vectors = [reason_vector(number) for number in range(VECTORS)]
    opened = Opened(directory, segment_bytes=64 * 1_048_576)
    seq = 0
    for number in range(CALLS):
        for fact in facts_of_call(number, vector=vectors[number % VECTORS]):
            seq = append_fact(opened.journal, fact)
        if number % 500 == 0:
            await opened.durable(seq)
    await opened.durable(seq)
    await asyncio.to_thread(opened.journal.close)
    return directory


async def _copied(server: EmbeddedPostgres, journal: Path) -> Spent:
    session = await open_session(server.dsn, name="bench")
    await migrate_up(session)
    await session.close()
    record = Record(journal, 0, server.dsn)

    async def work() -> tuple[int, int]:
        record.stop()  # it ends when everything is copied
        await record.run()
        return record.statistics().rows, record.statistics().cursor_seq

    return await _counted(server, work)


async def _rebuilt(server: EmbeddedPostgres, journal: Path) -> Spent:
    async def work() -> tuple[int, int]:
        done = await rebuild(server.dsn, journal, 0, 1, lambda _done, _last: None)
        return done.rows, done.last_seq

    return await _counted(server, work)


async def _counted(
    server: EmbeddedPostgres, work: Callable[[], Awaitable[tuple[int, int]]]
) -> Spent:
    assert server.pid is not None
    ours, theirs = cpu_ns(os.getpid()), tree_cpu_ns(tree(server.pid))
    rows, facts = await work()
    return Spent(
        cpu_ns(os.getpid()) - ours, tree_cpu_ns(tree(server.pid)) - theirs, rows, facts
    )
