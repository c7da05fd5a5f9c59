"""One batch into PostgreSQL: all its rows and its cursor in one transaction, or none of it.

```
COPY calls, attempts, …  ──► cursor ──► commit          the ordinary way
  │ a row is there already (the cursor was lost): the same batch by way of
  ├──► COPY into staging tables ──► INSERT … ON CONFLICT DO NOTHING ──► cursor ──► commit
  │ PostgreSQL refuses a value: the same batch fact by fact, each in a savepoint;
  └──► the one that is refused is kept whole in rejected_facts, the rest goes on
```
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import msgspec

from storage.loader import COLUMNS, LOADED, Rows
from storage.segment import Entry
from vocabulary.codec import fact_decoder
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
INSERT INTO plans (version, digest, applied_at) VALUES ($1, $2, $3)
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
    "calls": "CREATE TEMP TABLE staged_calls (LIKE calls) ON COMMIT DROP",
    "attempts": "CREATE TEMP TABLE staged_attempts (LIKE attempts) ON COMMIT DROP",
    "auctions": "CREATE TEMP TABLE staged_auctions (LIKE auctions) ON COMMIT DROP",
    "bids": "CREATE TEMP TABLE staged_bids (LIKE bids) ON COMMIT DROP",
    "ledger_entries":
        "CREATE TEMP TABLE staged_ledger_entries (LIKE ledger_entries) ON COMMIT DROP",
    "top_ups": "CREATE TEMP TABLE staged_top_ups (LIKE top_ups) ON COMMIT DROP",
}
UNSTAGES = {
    "calls": "INSERT INTO calls SELECT * FROM staged_calls ON CONFLICT DO NOTHING",
    "attempts": "INSERT INTO attempts SELECT * FROM staged_attempts ON CONFLICT DO NOTHING",
    "auctions": "INSERT INTO auctions SELECT * FROM staged_auctions ON CONFLICT DO NOTHING",
    "bids": "INSERT INTO bids SELECT * FROM staged_bids ON CONFLICT DO NOTHING",
    "ledger_entries":
        "INSERT INTO ledger_entries SELECT * FROM staged_ledger_entries ON CONFLICT DO NOTHING",
    "top_ups": "INSERT INTO top_ups SELECT * FROM staged_top_ups ON CONFLICT DO NOTHING",
}
DROPS = {
    "calls": "DROP TABLE staged_calls",
    "attempts": "DROP TABLE staged_attempts",
    "auctions": "DROP TABLE staged_auctions",
    "bids": "DROP TABLE staged_bids",
    "ledger_entries": "DROP TABLE staged_ledger_entries",
    "top_ups": "DROP TABLE staged_top_ups",
}

assert DROPS.keys() == STAGES.keys() == UNSTAGES.keys() == COLUMNS.keys()

# What a single fact can be to blame for: the server's refusal, or that of the COPY encoder, which
# raises plain errors. Everything else is the server's state.
REFUSED_VALUES = (
    asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, msgspec.MsgspecError,
    OverflowError, ValueError, TypeError, LookupError,
)


class Copier:
    """Copies batches of one worker's journal over one session, moving its cursor."""

    def __init__(
        self, session: "asyncpg.Connection[asyncpg.Record]", worker: int, cursor: int
    ) -> None:
        """Use `open_copier`."""
        self.cursor = cursor
        self.rows_copied = 0
        self.batches_staged = 0
        self.facts_rejected = 0
        self._session = session
        self._worker = worker
        self._decode = fact_decoder().decode

    async def copy(self, entries: Sequence[Entry]) -> None:
        """Copy records that follow the cursor. Raises asyncpg.PostgresError, OSError, …

        Whatever is raised, the transaction is not half done: the cursor in the database says
        whether it was committed.
        """
        assert entries[0].seq == self.cursor + 1
        try:
            rows = self._rows_of(entries)
            try:
                await self._commit(rows, entries[-1].seq, staged=False)
            except asyncpg.UniqueViolationError:
                self.batches_staged += 1
                await self._commit(rows, entries[-1].seq, staged=True)
        except REFUSED_VALUES:
            await self._copy_singly(entries)

    def _rows_of(self, entries: Sequence[Entry]) -> Rows:
        rows = Rows()
        decode = self._decode
        loaded = LOADED.get
        for entry in entries:
            add = loaded(entry.kind)
            if add is not None:
                add(decode(entry.payload), rows)
        return rows

    async def _commit(self, rows: Rows, seq: int, *, staged: bool) -> None:
        async with self._session.transaction():
            await self._put(rows, staged=staged)
            await self._move_cursor(seq)
        self.cursor = seq
        self.rows_copied += rows.count()

    async def _copy_singly(self, entries: Sequence[Entry]) -> None:
        """The batch in which some fact is refused, each fact on its own."""
        copied = rejected = 0
        async with self._session.transaction():
            for entry in entries:
                if entry.kind not in LOADED:
                    continue
                try:
                    rows = self._rows_of((entry,))
                    async with self._session.transaction():
                        await self._put(rows, staged=True)
                        await self._drop_stages(rows)
                    copied += rows.count()
                except REFUSED_VALUES as error:
                    rejected += 1
                    await self._session.execute(
                        REJECT, self._worker, entry.seq, entry.kind, entry.payload, str(error)
                    )
            await self._move_cursor(entries[-1].seq)
        self.cursor = entries[-1].seq
        self.rows_copied += copied
        self.facts_rejected += rejected

    async def _put(self, rows: Rows, *, staged: bool) -> None:
        for table, records in rows.tables.items():
            if not records:
                continue
            if staged:
                await self._session.execute(STAGES[table])
            await self._session.copy_records_to_table(
                "staged_" + table if staged else table, records=records,
                columns=COLUMNS[table],
            )
            if staged:
                await self._session.execute(UNSTAGES[table])
        for plan in rows.plans:
            await self._apply_plan(plan)

    async def _drop_stages(self, rows: Rows) -> None:
        for table, records in rows.tables.items():
            if records:
                await self._session.execute(DROPS[table])

    async def _apply_plan(self, plan: PlanApplied) -> None:
        await self._session.execute(APPLY_PLAN, plan.version, plan.digest, plan.wall_ns)

    async def _move_cursor(self, seq: int) -> None:
        """Forward from where it was; another record process that moved it ends this one."""
        done = await self._session.execute(
            MOVE_CURSOR, self._worker, seq, self.cursor
        )
        if done != "INSERT 0 1":
            raise StorageFailed("another record process moved the cursor")


async def open_copier(
    session: "asyncpg.Connection[asyncpg.Record]", worker: int, name: str, lock_wait_s: float
) -> Copier:
    """The copier of a worker, once no other session holds it.

    name: of the session, which all sessions of this process have and no other process's. One of
    ours that hung is ended; since its lock ends with it, its commit is through or gone before the
    cursor is read here. Raises asyncpg.PostgresError, OSError, TimeoutError, and StorageFailed if
    another process holds the worker for lock_wait_s.
    """
    await _lock(session, worker, name, lock_wait_s)
    names = [(int(r), r.name.lower()) for kind in (Reason, Refused) for r in kind]
    await session.execute(NAME_REASONS, [i for i, _ in names], [name for _, name in names])
    cursor = await session.fetchval(READ_CURSOR, worker)
    return Copier(session, worker, cursor or 0)


async def _lock(
    session: "asyncpg.Connection[asyncpg.Record]", worker: int, name: str, lock_wait_s: float
) -> None:
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
