"""Building the record again: rows out of the journal, from one of its segments on.

```
from the first record    every table of the record is emptied, then filled from the journal
from a later one         what lies before it stays; rows of facts behind it are written again
```
Plans and tokens have their truth in PostgreSQL and stay; when a plan came into force is a fact and
comes back. The result is what the record process would have copied: it goes on behind it.
"""

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from storage.copying import READ_CURSOR, Copier, Session, lock_worker, name_reasons
from storage.disk import OsDisk
from storage.reader import JournalReader
from storage.record import HUNG_S, read_batch, session_name
from storage.segment import begun_segments
from storage.session import given_up, open_session
from vocabulary import limits
from vocabulary.errors import ConfigError, StorageFailed

LOCK_WAIT = "SET lock_timeout = '5s'"
EMPTY = """
TRUNCATE calls, attempts, auctions, bids, facts, ledger_entries, top_ups, rejected_facts
"""
FORGET_PLANS = "DELETE FROM plans WHERE source IS NULL"
FORGET_APPLIED = "UPDATE plans SET applied_at = NULL"
FORGET_REJECTED = "DELETE FROM rejected_facts WHERE worker = $1 AND seq > $2"
SET_CURSOR = """
INSERT INTO record_cursors (worker, seq) VALUES ($1, $2)
ON CONFLICT (worker) DO UPDATE SET seq = excluded.seq, updated_at = now()
"""


class Rebuilt(Struct, frozen=True):
    """What was done: records from … to …, rows, facts set aside, and how long it took."""

    first_seq: int
    last_seq: int
    rows: int
    rejected: int
    seconds: float


async def rebuild(
    dsn: str,
    journal_dir: Path,
    worker: int,
    ordinal: int,
    tell: Callable[[int, int], None],
    *,
    hung_s: float = HUNG_S,
) -> Rebuilt:
    """Build the record again from segment `ordinal` on, up to what is durable.

    dsn: of the owner of the tables. tell: (records done, last record) after each batch. Raises
    ConfigError for a segment that is not there, StorageFailed where rows would be missing or
    while a record process copies, JournalDamaged, and asyncpg's errors while PostgreSQL is away.
    """
    first = _first_record(journal_dir, ordinal)
    name = session_name(worker)
    session = await open_session(dsn, name=name, projection=True)
    reader = JournalReader(journal_dir, first)
    began_s = time.monotonic()
    try:
        async with given_up(session, hung_s):
            await lock_worker(session, worker, name, 0)
            await session.execute(LOCK_WAIT)
            await _prepare(session, worker, first)
            await name_reasons(session)
        copier = Copier(session, worker, first - 1, replace=first > 1)
        while entries := read_batch(reader, limits.record_batch_records_max):
            async with given_up(session, hung_s):
                await copier.copy(entries)
            tell(copier.cursor, reader.durable_seq())
    finally:
        reader.close()
        session.terminate()
    return Rebuilt(
        first, copier.cursor, copier.rows_copied, copier.facts_rejected,
        time.monotonic() - began_s,
    )


async def _prepare(session: Session, worker: int, first: int) -> None:
    """Empty the record, or only what is noted about the facts that come again."""
    known = await session.fetchval(READ_CURSOR, worker) or 0
    if known < first - 1:
        raise StorageFailed(
            f"the record ends at {known}, this segment begins with record {first}: rows of the"
            " records between would be missing; put earlier segments back, or a dump that has them"
        )
    async with session.transaction():
        if first == 1:
            await session.execute(EMPTY)
            await session.execute(FORGET_PLANS)
            await session.execute(FORGET_APPLIED)
        else:
            await session.execute(FORGET_REJECTED, worker, first - 1)
        await session.execute(SET_CURSOR, worker, first - 1)


def _first_record(journal_dir: Path, ordinal: int) -> int:
    """First record of a segment. Raises JournalDamaged where one behind it is missing."""
    segments = begun_segments(OsDisk(), journal_dir)
    if not segments:
        raise ConfigError(f"{journal_dir}: there is no journal")
    ordinals = [segment.header.ordinal for segment in segments]
    if ordinal not in ordinals:
        raise ConfigError(
            f"{journal_dir}: there is no segment {ordinal}; there are {ordinals[0]} to"
            f" {ordinals[-1]}"
        )
    return segments[ordinals.index(ordinal)].header.first_seq

