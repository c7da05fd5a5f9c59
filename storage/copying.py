"""One batch into PostgreSQL: its rows and the cursor behind them in one transaction.

```
COPY calls_20261124, bids_20261124, …  ──► cursor ──► commit          the ordinary way
  │ a row is there already (the cursor was lost): the same batch by way of
  ├──► COPY into staging tables ──► INSERT … ON CONFLICT DO NOTHING ──► cursor ──► commit
  │ PostgreSQL refuses a value: the batch in halves, and those again, until that fact is alone;
  └──► it is kept whole in rejected_facts, the rest is copied
```
Rows are copied straight into the partition of their day, which is made first where it is missing:
COPY into the parents would have to pass row security, which it cannot.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TypeAlias

import asyncpg
import msgspec

from storage.copy_format import END, HEADER, UNFIT
from storage.loader import COLUMNS, DAILY, Loader, Rows
from storage.segment import Entry
from vocabulary.errors import StorageFailed
from vocabulary.facts import PlanApplied
from vocabulary.reasons import Reason, Refused

LOCK_WORKER = "SELECT pg_try_advisory_lock(1684235570, $1)"  # "dcer", the worker
LOCK_HOLDER = """
SELECT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid::bigint = 1684235570 AND objid::bigint = $1
AND datname = current_database()
"""
END_SESSION = "SELECT pg_terminate_backend($1)"
LOCK_AGAIN_S = 0.1
READ_CURSOR = "SELECT seq FROM record_cursors WHERE worker = $1"
MOVE_CURSOR = """
INSERT INTO record_cursors AS c (worker, seq) VALUES ($1, $2)
ON CONFLICT (worker) DO UPDATE SET seq = excluded.seq, updated_at = now() WHERE c.seq = $3
"""
APPLY_PLAN = """
INSERT INTO plans (version, digest, stored_at, applied_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (version) DO UPDATE SET applied_at = excluded.applied_at
"""
REJECT = """
INSERT INTO rejected_facts (worker, seq, kind, payload, error) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
NAME_REASONS = """
INSERT INTO reason_names (id, name) SELECT * FROM unnest($1::smallint[], $2::text[])
ON CONFLICT (id) DO UPDATE SET name = excluded.name
"""
STAGES = {
    "calls": "CREATE TEMP TABLE staged_calls (LIKE calls)",
    "attempts": "CREATE TEMP TABLE staged_attempts (LIKE attempts)",
    "auctions": "CREATE TEMP TABLE staged_auctions (LIKE auctions)",
    "bids": "CREATE TEMP TABLE staged_bids (LIKE bids)",
    "facts": "CREATE TEMP TABLE staged_facts (LIKE facts)",
    "ledger_entries": "CREATE TEMP TABLE staged_ledger_entries (LIKE ledger_entries)",
    "top_ups": "CREATE TEMP TABLE staged_top_ups (LIKE top_ups)",
}
UNSTAGES = {
    "calls": "INSERT INTO calls SELECT * FROM staged_calls ON CONFLICT DO NOTHING",
    "attempts": "INSERT INTO attempts SELECT * FROM staged_attempts ON CONFLICT DO NOTHING",
    "auctions": "INSERT INTO auctions SELECT * FROM staged_auctions ON CONFLICT DO NOTHING",
    "bids": "INSERT INTO bids SELECT * FROM staged_bids ON CONFLICT DO NOTHING",
    "facts": "INSERT INTO facts SELECT * FROM staged_facts ON CONFLICT DO NOTHING",
    "ledger_entries":
        "INSERT INTO ledger_entries SELECT * FROM staged_ledger_entries ON CONFLICT DO NOTHING",
    "top_ups": "INSERT INTO top_ups SELECT * FROM staged_top_ups ON CONFLICT DO NOTHING",
}
# What a rebuild from the middle does with rows that are there: those of the journal count.
REPLACES = {
    "calls": "DELETE FROM calls AS old USING staged_calls AS new"
        " WHERE old.received_at = new.received_at AND old.call_id = new.call_id",
    "attempts": "DELETE FROM attempts AS old USING staged_attempts AS new"
        " WHERE old.received_at = new.received_at AND old.call_id = new.call_id"
        " AND old.number = new.number",
    "auctions": "DELETE FROM auctions AS old USING staged_auctions AS new"
        " WHERE old.received_at = new.received_at AND old.auction_id = new.auction_id",
    "bids": "DELETE FROM bids AS old USING staged_bids AS new"
        " WHERE old.received_at = new.received_at AND old.auction_id = new.auction_id"
        " AND old.place = new.place",
    "facts": "DELETE FROM facts AS old USING staged_facts AS new"
        " WHERE old.received_at = new.received_at AND old.worker = new.worker"
        " AND old.seq = new.seq",
    "ledger_entries": "DELETE FROM ledger_entries AS old USING staged_ledger_entries AS new"
        " WHERE old.source_id = new.source_id AND old.kind = new.kind AND old.line = new.line",
    "top_ups": "DELETE FROM top_ups AS old USING staged_top_ups AS new"
        " WHERE old.top_up_id = new.top_up_id",
}
DROPS = {
    "calls": "DROP TABLE staged_calls",
    "attempts": "DROP TABLE staged_attempts",
    "auctions": "DROP TABLE staged_auctions",
    "bids": "DROP TABLE staged_bids",
    "facts": "DROP TABLE staged_facts",
    "ledger_entries": "DROP TABLE staged_ledger_entries",
    "top_ups": "DROP TABLE staged_top_ups",
}
ENSURE_DAYS = "SELECT ensure_days($1)"
TAKE_ROLE = """
SELECT set_config('role', rolname, false) FROM pg_roles
WHERE rolname = 'dce_record' AND pg_has_role(oid, 'MEMBER')
"""

FIRST_DAY = date(2000, 1, 1)
LAST_DAYS = (date.max - FIRST_DAY).days

assert DROPS.keys() == STAGES.keys() == UNSTAGES.keys() == REPLACES.keys() == COLUMNS.keys()

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# What a single fact can be to blame for: the server's refusal, or that of whoever makes its row,
# which raises plain errors. Everything else is the server's state.
REFUSED_VALUES = (
    asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, msgspec.MsgspecError, *UNFIT,
)


class Copier:
    """Copies batches of one worker's journal over one session, moving its cursor."""

    def __init__(
        self, session: Session, worker: int, cursor: int, *, replace: bool = False
    ) -> None:
        """Use `open_copier`. replace: rows that are there already are written again."""
        self.cursor = cursor
        self.rows_copied = 0
        self.batches_staged = 0
        self.facts_rejected = 0
        self._session = session
        self._worker = worker
        self._replace = replace
        self._load = Loader(worker).rows
        self._days: set[int] = set()

    async def copy(self, entries: Sequence[Entry]) -> None:
        """Copy records that follow the cursor. Raises asyncpg.PostgresError, OSError, …

        Whatever is raised, no transaction is half done: the cursor in the database says what was
        committed. A batch with a fact that is refused is halved until that fact is alone.
        """
        assert entries[0].seq == self.cursor + 1
        try:
            await self._copy_whole(entries)
        except REFUSED_VALUES as error:
            if len(entries) == 1:
                await self._set_aside(entries[0], str(error) or type(error).__name__)
                return
            half = len(entries) // 2
            await self.copy(entries[:half])
            await self.copy(entries[half:])

    async def _copy_whole(self, entries: Sequence[Entry]) -> None:
        rows = self._load(entries)
        await self._ensure_days(rows)
        try:
            await self._commit(rows, entries[-1].seq, staged=self._replace)
        except asyncpg.UniqueViolationError:
            self.batches_staged += 1
            await self._commit(rows, entries[-1].seq, staged=True)

    async def _ensure_days(self, rows: Rows) -> None:
        """The partitions that a batch needs; a session asks once for each day."""
        missing = rows.days.keys() - self._days
        if missing:
            await self._session.execute(ENSURE_DAYS, [_date(day) for day in sorted(missing)])
            self._days |= missing

    async def _commit(self, rows: Rows, seq: int, *, staged: bool) -> None:
        async with self._session.transaction():
            await self._put(rows, staged=staged)
            await self._move_cursor(seq)
        self.cursor = seq
        self.rows_copied += rows.count

    async def _set_aside(self, entry: Entry, error: str) -> None:
        """One fact that the tables do not take, with the reason."""
        async with self._session.transaction():
            await self._session.execute(
                REJECT, self._worker, entry.seq, entry.kind, entry.payload, error
            )
            await self._move_cursor(entry.seq)
        self.cursor = entry.seq
        self.facts_rejected += 1

    async def _put(self, rows: Rows, *, staged: bool) -> None:
        for table, leaf, parts in _tables(rows):
            if staged:
                await self._session.execute(STAGES[table])
            await self._session.copy_to_table(
                "staged_" + table if staged else leaf, source=_stream(parts),
                columns=COLUMNS[table], format="binary",
            )
            if staged:
                if self._replace:
                    await self._session.execute(REPLACES[table])
                await self._session.execute(UNSTAGES[table])
                await self._session.execute(DROPS[table])
        for plan in rows.plans:
            await self._apply_plan(plan)

    async def _apply_plan(self, plan: PlanApplied) -> None:
        await self._session.execute(APPLY_PLAN, plan.version, plan.digest, plan.wall_ns)

    async def _move_cursor(self, seq: int) -> None:
        """Forward from where it was; another record process that moved it ends this one."""
        done = await self._session.execute(
            MOVE_CURSOR, self._worker, seq, self.cursor
        )
        if done != "INSERT 0 1":
            raise StorageFailed("another record process moved the cursor")


def _date(day: int) -> date:
    """Day number → date. One far off becomes one that no partition is made for."""
    return FIRST_DAY + timedelta(days=max(-1, min(day, LAST_DAYS)))


def _tables(rows: Rows) -> Iterator[tuple[str, str, list[bytes]]]:
    """(table, partition, rows) of everything in a batch."""
    for day, by_table in rows.days.items():
        suffix = _date(day).strftime("%Y%m%d")
        for table in DAILY:
            if parts := getattr(by_table, table):
                yield table, f"{table}_{suffix}", parts
    if rows.ledger_entries:
        yield "ledger_entries", "ledger_entries_all", rows.ledger_entries
    if rows.top_ups:
        yield "top_ups", "top_ups_all", rows.top_ups


def _stream(parts: list[bytes]) -> memoryview:
    """A whole COPY stream. asyncpg takes it in one piece (bare bytes it would take for a path):
    between pieces it would wait for room in the socket, also once the connection is lost."""
    return memoryview(b"".join((HEADER, *parts, END)))


async def open_copier(
    session: Session, worker: int, name: str, lock_wait_s: float
) -> Copier:
    """The copier of a worker, once no other session holds it; from there on as dce_record.

    name: of the session, which all sessions of this process have and no other process's. One of
    ours that hung is ended; since its lock ends with it, its commit is through or gone before the
    cursor is read here. Raises asyncpg.PostgresError, OSError, TimeoutError, and StorageFailed if
    another process holds the worker for lock_wait_s.
    """
    await lock_worker(session, worker, name, lock_wait_s)
    await session.execute(TAKE_ROLE)
    await name_reasons(session)
    cursor = await session.fetchval(READ_CURSOR, worker)
    return Copier(session, worker, cursor or 0)


async def name_reasons(session: Session) -> None:
    """Fill reason_names from the code's enums."""
    names = [(int(r), r.name.lower()) for kind in (Reason, Refused) for r in kind]
    await session.execute(NAME_REASONS, [i for i, _ in names], [name for _, name in names])


async def lock_worker(
    session: Session, worker: int, name: str, lock_wait_s: float
) -> None:
    """Hold a worker; it ends with the session. Raises as `open_copier`."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + lock_wait_s
    while not await session.fetchval(LOCK_WORKER, worker):
        holder = await session.fetchrow(LOCK_HOLDER, worker)
        if holder is None:
            continue  # it has just ended
        if holder["application_name"] == name:
            await session.execute(END_SESSION, holder["pid"])
        elif loop.time() > deadline_s:
            raise StorageFailed(
                f"another record process copies worker {worker} to this database: session"
                f" {holder['pid']}, {holder['application_name']}"
            )
        await asyncio.sleep(LOCK_AGAIN_S)
