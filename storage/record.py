"""The record process: follows a journal to its durable mark and copies it to PostgreSQL.

```
            ┌──────────── PostgreSQL away, hung or in error: back-off ◄────────────┐
            ▼                                                                      │
    connect, lock the worker, read the cursor ──► read journal ──► copy a batch ───┤
                                                       ▲    nothing new: 100 ms    │
                                                       └───────────────────────────┘
```
PostgreSQL being away only makes the cursor lag. What ends the process is what more tries cannot
mend: a damaged journal, a database that is ahead of this journal, a second record process.
"""

import asyncio
import logging
import os
import secrets
import time
from pathlib import Path
from typing import TypeAlias

import asyncpg
from msgspec import Struct

from storage.copying import Copier, open_copier
from storage.days import Days
from storage.reader import JournalReader
from storage.segment import Entry
from storage.session import given_up, open_session
from vocabulary import limits
from vocabulary.errors import StorageFailed

BATCH_S = 0.1
HUNG_S = 30.0
LOCK_WAIT_S = 20.0  # in HUNG_S, and longer than a session outlives its process (storage.session)
STOP_S = 10.0
HOST_KEPT = 24  # characters; PostgreSQL keeps 63 of the whole name
BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

log = logging.getLogger("dce.record")

# TimeoutError is a server that hangs, the last two a connection that died under asyncpg.
AWAY = (
    OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class RecordStatistics(Struct, gc=False):
    """Counters since the start, gauges now.

    lag_s: how long ago everything that was durable then was copied; 0 at the mark. rows_per_s:
    over the last batch that held rows. connected: 1 while PostgreSQL answers.
    """

    cursor_seq: int
    lag_records: int
    lag_s: float
    rows: int
    rows_per_s: float
    batches: int
    batches_staged: int
    facts_rejected: int
    partitions_detached: int
    connects: int
    connected: int


class Record:
    """Copies the journal of one worker. `run` until `stop`; both once."""

    def __init__(
        self,
        journal_dir: Path,
        worker: int,
        dsn: str,
        *,
        batch_s: float = BATCH_S,
        batch_records_max: int = limits.record_batch_records_max,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        hung_s: float = HUNG_S,
        lock_wait_s: float = LOCK_WAIT_S,
        stop_s: float = STOP_S,
        retention_days: int = 0,
        reasons_days: int = 0,
    ) -> None:
        """batch_s: pause when nothing is new. hung_s: when a silent server is given up.

        lock_wait_s: how long another record process may hold the worker. stop_s: how long `stop`
        lets it catch up; the next run goes on from there. retention_days, reasons_days: older
        days leave the record, older reason vectors are dropped; 0 for none.
        """
        self._journal_dir = journal_dir
        self._worker = worker
        self._dsn = dsn
        self._batch_s = batch_s
        self._batch_records_max = batch_records_max
        self._back_off_s = back_off_s
        self._hung_s = hung_s
        self._lock_wait_s = lock_wait_s
        self._stop_s = stop_s
        self._name = session_name(worker)
        self._days = Days(retention_days, reasons_days)
        self._session: Session | None = None
        self._stopping = asyncio.Event()
        self._tail = JournalReader(journal_dir)
        self._caught_up_s = time.monotonic()
        self._cursor: int | None = None
        self._rows = self._batches = self._staged = self._rejected = self._connects = 0
        self._rows_per_s = 0.0
        self._connected = False
        self._reason = ""
        self._moved = asyncio.Condition()

    async def run(self) -> None:
        """Until `stop`, then until everything durable is copied, if PostgreSQL is there.

        Raises JournalDamaged, StorageFailed.
        """
        tries = -1
        while True:
            connects = self._connects
            try:
                await self._follow()
                return
            except AWAY as error:
                tries = 0 if self._connects > connects else tries + 1
                pause_s = self._back_off_s[min(tries, len(self._back_off_s) - 1)]
                self._say_away(str(error) or type(error).__name__, again=tries > 0)
            finally:
                self._connected = False
            if await self._stopped_within(pause_s):
                return

    def stop(self) -> None:
        """Let `run` end when it has caught up or after stop_s; at once if PostgreSQL is away."""
        if not self._stopping.is_set():
            asyncio.get_running_loop().call_later(self._stop_s, self._cut)
        self._stopping.set()

    def _cut(self) -> None:
        if self._session is not None:
            self._session.terminate()

    async def reached(self, seq: int) -> None:
        """Until the journal is copied up to seq."""
        async with self._moved:
            await self._moved.wait_for(lambda: (self._cursor or 0) >= seq)

    def statistics(self) -> RecordStatistics:
        """Counters for the metrics."""
        durable = self._tail.durable_seq()
        lag = max(0, durable - self._cursor) if self._cursor is not None else durable
        return RecordStatistics(
            self._cursor or 0, lag, time.monotonic() - self._caught_up_s if lag else 0.0,
            self._rows, self._rows_per_s, self._batches, self._staged, self._rejected,
            self._days.detached, self._connects, int(self._connected),
        )

    def _say_away(self, reason: str, *, again: bool) -> None:
        """One line an outage and reason, not one a try."""
        if not again or reason != self._reason:
            log.warning("PostgreSQL is away, calls go on: %s", reason)
        self._reason = reason

    async def _follow(self) -> None:
        """One session: from the cursor to wherever it ends."""
        session = await open_session(self._dsn, name=self._name, projection=True)
        self._session = session
        try:
            async with given_up(session, self._hung_s):
                copier = await open_copier(
                    session, self._worker, self._name, self._lock_wait_s
                )
            self._connects += 1
            self._connected = True
            log.info("copying to PostgreSQL from record %d on", copier.cursor + 1)
            await self._set_cursor(copier.cursor)
            reader = JournalReader(self._journal_dir, copier.cursor + 1)
            try:
                await self._copy_until_stopped(session, copier, reader)
            finally:
                reader.close()
        finally:
            self._session = None
            session.terminate()

    async def _copy_until_stopped(
        self, session: Session, copier: Copier, reader: JournalReader
    ) -> None:
        while True:
            stopping = self._stopping.is_set()
            async with given_up(session, self._hung_s):
                await self._days.keep(session)
            read_s = time.monotonic()
            if entries := read_batch(reader, self._batch_records_max):
                async with given_up(session, self._hung_s):
                    await self._copy(copier, entries)
                if len(entries) >= self._batch_records_max:
                    continue
            self._caught_up_s = read_s  # all that was durable then is copied now
            durable = reader.durable_seq()
            if copier.cursor > durable:
                raise StorageFailed(
                    f"the database is at record {copier.cursor}, the journal in "
                    f"{self._journal_dir} ends at {durable}: they do not belong together"
                )
            if stopping and copier.cursor == durable:
                return
            await self._stopped_within(self._batch_s)

    async def _copy(self, copier: Copier, entries: list[Entry]) -> None:
        started_s = time.monotonic()
        rows = copier.rows_copied
        staged, rejected = copier.batches_staged, copier.facts_rejected
        await copier.copy(entries)
        copied = copier.rows_copied - rows
        self._batches += 1
        self._rows += copied
        self._staged += copier.batches_staged - staged
        if copier.facts_rejected > rejected:
            self._rejected += copier.facts_rejected - rejected
            log.error("facts up to %d were rejected, see rejected_facts", copier.cursor)
        if copied:
            self._rows_per_s = copied / max(time.monotonic() - started_s, 1e-6)
        await self._set_cursor(copier.cursor)

    async def _set_cursor(self, seq: int) -> None:
        self._cursor = seq
        async with self._moved:
            self._moved.notify_all()

    async def _stopped_within(self, seconds: float) -> bool:
        """Pause, but not beyond `stop`; whether it came."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
        return self._stopping.is_set()


def read_batch(reader: JournalReader, records_max: int) -> list[Entry]:
    """Everything that is new, up to a bound (and what was read with the last of it)."""
    entries: list[Entry] = []
    while len(entries) < records_max and (more := reader.read()):
        entries += more
    return entries


def session_name(worker: int) -> str:
    """What all sessions of one record process are called in pg_stat_activity, and no other's."""
    host = os.uname().nodename[:HOST_KEPT]
    return f"dce-record-{worker} {secrets.token_hex(4)} pid {os.getpid()} {host}"
