"""The record worker: the journal's follower with its statistics on a link of its own.

It is ready at once, whether PostgreSQL is there or not: the schema is brought up when it comes,
and what was recorded meanwhile waits in the journal.
"""

import asyncio
import logging
import signal

import asyncpg

from dce.checkpointer import Checkpointer
from dce.child import EXIT_RECORD, announce_ready
from dce.config import Config
from dce.database import CONNECT_S, migration_dsn, record_dsn
from dce.journal_text import refusal_text
from dce.link import Handler, LinkServer
from dce.record_cursor import RecordCursor
from storage.migrate import migrate_up
from storage.record import AWAY, Record, RecordStatistics
from vocabulary.commands import (
    Health,
    Metric,
    ReadHealth,
    ReadStatistics,
    Request,
    Response,
    Statistics,
)
from vocabulary.errors import CommandRefused, ConfigError, ExchangeError, JournalDamaged

MIGRATE_AGAIN_S = 2.0

GAUGES = {
    "cursor_seq": ("dce_record_cursor", "Journal sequence up to which PostgreSQL has everything"),
    "lag_records": ("dce_record_lag_records", "Durable facts that PostgreSQL does not have yet"),
    "lag_s": ("dce_record_lag_seconds", "How long PostgreSQL has been behind the journal"),
    "rows_per_s": ("dce_record_rows_per_second", "Rows a second in the last batch"),
    "connected": ("dce_record_connected", "Whether the record process has PostgreSQL"),
}
COUNTERS = {
    "rows": ("dce_record_rows_total", "Rows copied"),
    "batches": ("dce_record_batches_total", "Batches copied"),
    "batches_staged": ("dce_record_batches_staged_total", "Batches that held known rows"),
    "facts_rejected": ("dce_record_facts_rejected_total", "Facts PostgreSQL would not take"),
    "partitions_detached": (
        "dce_record_partitions_detached_total", "Partitions that left the record by retention"
    ),
    "connects": ("dce_record_connects_total", "Sessions opened with PostgreSQL"),
}

log = logging.getLogger("dce.record")


async def run(config: Config) -> int:
    """Run the worker to its end; its exit code: 0, or EXIT_RECORD where more tries cannot help:
    a damaged journal, a database that does not belong to it, a second record process."""
    try:
        await _run(config)
    except JournalDamaged as error:
        log.error("the record cannot go on: %s", refusal_text(error, config))
        return EXIT_RECORD
    except (ExchangeError, OSError) as error:
        log.error("the record cannot go on: %s", error)
        return EXIT_RECORD
    return 0


async def _run(config: Config) -> None:
    record = Record(
        config.journal_dir, 0, record_dsn(config),
        retention_days=config.database.retention_days,
        reasons_days=config.database.reasons_days,
    )
    checkpointer = Checkpointer(config, asyncio.get_running_loop())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = LinkServer(config.record_socket, handler(record))
    await server.start()
    announce_ready()
    told = asyncio.create_task(_stop_when_told(record, stopping))
    cursor = RecordCursor(record, config.journal_dir)
    noting = asyncio.create_task(cursor.run())
    following = asyncio.create_task(checkpointer.run())
    following.add_done_callback(lambda _: stopping.set())
    try:
        if await migrated(migration_dsn(config), stopping):
            await record.run()
        if following.done():
            following.result()  # it ends by an error only, and the next start would meet it too
    finally:
        for task in (told, following, noting):
            task.cancel()
        await asyncio.to_thread(cursor.write)
        checkpointer.close()
        await server.stop()


def handler(record: Record) -> Handler:
    """Answers of the record's link."""

    async def handle(request: Request) -> Response:
        statistics = record.statistics()
        if isinstance(request, ReadStatistics):
            return metrics_of(statistics)
        if isinstance(request, ReadHealth):
            away = () if statistics.connected else ("database_away",)
            return Health(
                ready=not away, reasons=away, plan_version=0, calls_live=0,
                durable_seq=statistics.cursor_seq,
            )
        raise CommandRefused("command_unknown", f"not for the record: {type(request).__name__}")

    return handle


def metrics_of(statistics: RecordStatistics) -> Statistics:
    """The record's counters under their Prometheus names."""
    return Statistics(
        tuple(
            Metric(name, kind, text, (), float(getattr(statistics, field)))
            for kind, table in (("gauge", GAUGES), ("counter", COUNTERS))
            for field, (name, text) in table.items()
        ),
        (),
    )


async def migrated(dsn: str, stopping: asyncio.Event) -> bool:
    """Bring the schema up as soon as PostgreSQL is there; False if the end came first.

    Raises ConfigError for a database that this version must not touch.
    """
    while not stopping.is_set():
        try:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
            try:
                await migrate_up(connection)
                return True
            finally:
                await connection.close(timeout=CONNECT_S)
        except ConfigError:
            raise
        except asyncpg.InsufficientPrivilegeError as error:
            log.error(
                "the schema is not up to date and this login may not change it (%s): run"
                " `dce migrate up` as the owner, or set database.migration_url", error,
            )
        except AWAY as error:
            why = str(error) or type(error).__name__
            log.warning("PostgreSQL is away, calls go on: %s", why)
        try:
            async with asyncio.timeout(MIGRATE_AGAIN_S):
                await stopping.wait()
        except TimeoutError:
            pass
    return False


async def _stop_when_told(record: Record, stopping: asyncio.Event) -> None:
    await stopping.wait()
    record.stop()
