"""The days of the record: partitions made ahead of time, old ones detached by retention.

```
 detached_calls_20211123 │ calls_20211124 … calls_20261124 (today) │ _25 _26 _27
   a table of its own     └──────── retention_days ────────┘        made ahead
```
The functions of the schema do both (schema/0002): they run as the owner of the tables, so that the
record process needs no right to change the schema. A detached partition is nobody's any more; the
operator archives and drops it.
"""

import logging
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from vocabulary import limits

EVERY_S = 3_600.0
ENSURE_DAYS = "SELECT ensure_days($1)"
DETACH_DAYS = "SELECT detach_days($1, $2)"

log = logging.getLogger("dce.record")


class Days:
    """Keeps the days of one database. detached: partitions taken out since the start."""

    def __init__(self, retention_days: int) -> None:
        """retention_days: full days before today that stay; 0 for all."""
        assert retention_days >= 0
        self.detached = 0
        self._retention_days = retention_days
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
        self._next_s = time.monotonic() + EVERY_S

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
