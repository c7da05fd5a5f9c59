"""Old segments of the journal: the signal worker, which owns the files, removes them.

```
record process ──► cursor-record, checkpoints ──┐
dce journal export --cursor NAME ─► cursor-NAME ┴─► signal worker, once a minute ─► unlink
```
"""

import asyncio
import logging
import time

from dce.config import Config
from storage.journal import Journal
from storage.retention import Retained, retain
from vocabulary.errors import JournalDamaged
from vocabulary.limits import NS_PER_S, journal_retention_ns

NS_PER_DAY = 86_400 * NS_PER_S

log = logging.getLogger("dce.journal")


class JournalKeeping:
    """removed: segments since the start. segments, oldest_seq: at the last look. held_by: who
    keeps the oldest one, a reader's name, "checkpoints", "age" or ""."""

    def __init__(self, config: Config, journal: Journal) -> None:
        self.removed = 0
        self.segments = 0
        self.oldest_seq = 0
        self.held_by = ""
        self._config = config
        self._journal = journal
        self._told = ""

    async def run(self) -> None:
        """Look once a minute, until cancelled; nothing is touched once the journal has failed."""
        while not self._journal.failed:
            await self.look()
            await asyncio.sleep(journal_retention_ns / NS_PER_S)

    async def look(self) -> None:
        """Remove what may go now. An error is logged once and changes nothing for the calls."""
        try:
            found = await asyncio.to_thread(self._retain)
        except (OSError, JournalDamaged) as error:
            if str(error) != self._told:
                log.error("old segments of the journal are not removed: %s", error)
            self._told = str(error)
            return
        self._told = ""
        self.segments, self.oldest_seq = found.segments, found.removed_to + 1
        self.removed += found.removed
        self.held_by = found.held_by
        if found.removed:
            log.info(
                "removed %d segments of the journal, up to record %d; %d are left",
                found.removed, found.removed_to, found.segments,
            )

    def _retain(self) -> Retained:
        config = self._config
        return retain(
            config.journal_dir, config.checkpoint_dir,
            wall_ns=time.time_ns(), keep_ns=config.journal.keep_days * NS_PER_DAY,
        )
