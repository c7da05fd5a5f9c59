"""restore.rto_1m_calls_s: how long a machine without data needs to a restored one, by calls.

A history is copied into PostgreSQL by the real record, backed up, and restored beside it. What
the restore took is measured for these calls and told for a million: its parts (files, replay,
pg_restore with indexes) grow with them. The start of the server comes on top (recovery.*).
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import asyncpg

from dce.backup import back_up, restore
from dce.config import Config, load
from dce.database import embedded_postgres
from storage.migrate import migrate_up
from storage.record import Record
from tests.bench.history import write_checkpoints
from tests.bench.our_server import build
from tests.bench.recovery import write_history
from tests.bench.rows import Row, row
from tests.interop.ports import free_port
from tests.interop.server import passable_folder
from vocabulary.limits import checkpoint_every_records

RECORDS = 3 * checkpoint_every_records
PORT = 5_079  # of buyers that nobody calls
MILLION = 1_000_000


def bench_drill() -> list[Row]:
    """About two minutes."""
    with passable_folder("dce-drill-") as folder:
        old, new = _config(folder / "old"), _config(folder / "new")
        last_seq = asyncio.run(write_history(old, PORT, RECORDS))
        write_checkpoints(old, last_seq)
        calls = _filled(old, last_seq, folder)
        took_s, restored = _restored(new, folder)
    assert restored == calls, (restored, calls)
    return [row("restore.rto_1m_calls_s", took_s * MILLION / calls, "s", "lower",
                f"{calls:,} calls of {last_seq:,} records restored in {took_s:.1f} s, full "
                f"schema with its indexes, told for a million; embedded PostgreSQL; {build()}")]


def _config(folder: Path) -> Config:
    folder.mkdir()
    folder.chmod(0o711)
    flags = {"data_dir": str(folder / "data"), "http.listen": f"127.0.0.1:{free_port('127.0.0.1')}",
             "runtime_dir": tempfile.mkdtemp(prefix="run-", dir=folder)}
    Path(flags["runtime_dir"]).chmod(0o711)
    return load(os.devnull, environ={}, flags=flags)


def _filled(config: Config, last_seq: int, folder: Path) -> int:
    """The record of the history and a backup of both; how many calls."""
    postgres = embedded_postgres(config)
    dsn = postgres.start()
    try:
        asyncio.run(_record(config, dsn, last_seq))
        calls = asyncio.run(_calls(dsn))
        back_up(config, folder / "backup", folder / "keys")
        return calls
    finally:
        postgres.stop()


async def _record(config: Config, dsn: str, last_seq: int) -> None:
    connection = await asyncpg.connect(dsn)
    await migrate_up(connection)
    await connection.close()
    record = Record(config.journal_dir, 0, dsn)
    running = asyncio.create_task(record.run())
    reached = asyncio.create_task(record.reached(last_seq))
    await asyncio.wait([running, reached], return_when=asyncio.FIRST_COMPLETED)
    record.stop()
    await running
    reached.cancel()


def _restored(config: Config, folder: Path) -> tuple[float, int]:
    """Seconds of the restore, and how many calls are there afterwards."""
    began_s = time.perf_counter()
    postgres = embedded_postgres(config)
    dsn = postgres.start()
    try:
        restore(config, folder / "backup", folder / "keys")
        return time.perf_counter() - began_s, asyncio.run(_calls(dsn))
    finally:
        postgres.stop()


async def _calls(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM calls"))
    finally:
        await connection.close()
