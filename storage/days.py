"""The days of the record: partitions made ahead of time, old ones detached by retention.

```
 detached_calls_20211123 │ calls_20211124 … calls_20261124 (today) │ _25 _26 _27
   a table of its own     └──────── retention_days ────────┘        made ahead
```
The functions of the schema do both (schema/0002): they run as the owner of the tables, so that the
record process needs no right to change the schema. A detached partition is nobody's any more; the
operator archives and drops it. An auction's reason vector goes earlier: after reasons_days only its
histogram is left.
"""

import logging
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from vocabulary import limits

EVERY_S = 3_600.0
SOON_S = 60.0  # where more is left to do than one time allows
ENSURE_DAYS = "SELECT ensure_days($1)"
DETACH_DAYS = "SELECT detach_days($1, $2)"
FORGET_REASONS = """
UPDATE auctions SET reasons = NULL WHERE (received_at, auction_id) IN (
    SELECT received_at, auction_id FROM auctions
    WHERE received_at < $1 AND reasons IS NOT NULL ORDER BY received_at, auction_id LIMIT $2
)
"""

log = logging.getLogger("dce.record")


class Days:
    """Keeps the days of one database. detached: partitions taken out since the start."""

    def __init__(self, retention_days: int, reasons_days: int = 0) -> None:
        """Full days before today that stay in the record, and with their reasons; 0 for all."""
        assert min(retention_days, reasons_days) >= 0
        self.detached = 0
        self._retention_days = retention_days
        self._reasons_days = reasons_days
        self._next_s = 0.0

    async def keep(self, session: Any) -> None:
        """Once an hour: days ahead and days behind. Raises asyncpg.PostgresError, OSError.

        A partition that a long report holds is left for the next time.
        """
        if time.monotonic() < self._next_s:
            return
        today = datetime.now(UTC).date()
        await session.execute(ENSURE_DAYS, days_ahead(today))
        if self._retention_days:
            await self._detach(session, today - timedelta(days=self._retention_days))
        done = True
        if self._reasons_days:
            done = await self._forget(session, today - timedelta(days=self._reasons_days))
        self._next_s = time.monotonic() + (EVERY_S if done else SOON_S)

    async def _forget(self, session: Any, before: date) -> bool:
        """Drop old reason vectors, some of them at a time; whether all are gone."""
        midnight = datetime.combine(before, datetime.min.time(), UTC)
        before_ns = int(midnight.timestamp()) * limits.NS_PER_S
        for _ in range(limits.reasons_forgotten_rounds_max):
            done = await session.execute(
                FORGET_REASONS, before_ns, limits.reasons_forgotten_max
            )
            if done != f"UPDATE {limits.reasons_forgotten_max}":
                return True
        return False

    async def _detach(self, session: Any, before: date) -> None:
        try:
            taken = await session.fetchval(
                DETACH_DAYS, before, limits.partitions_detached_max
            )
        except asyncpg.LockNotAvailableError as error:
            log.warning("days before %s stay for another hour: %s", before, error)
            return
        if taken:
            self.detached += taken
            log.info("%d partitions of days before %s left the record", taken, before)


def days_ahead(today: date) -> list[date]:
    """Today and the days for which partitions are made ahead."""
    return [today + timedelta(days=n) for n in range(limits.partition_days_ahead + 1)]
