"""Checkpoints, off the call path: replays the journal behind the worker and writes the state.

```
journal ──durable──► JournalReader ──► Replay ──every 10 s or 100,000 records──► checkpoint file
```
It runs beside the record in a process of its own, so the worker that owns the calls never stops
to copy its state: what it would write is a function of the facts, and those are on disk.
"""

import asyncio
import logging
import time
from pathlib import Path

from msgspec import MsgspecError

from dce.config import Config
from dce.recovery import position_of, reader_behind, starts
from exchange.recover import Replay
from storage.checkpoint import CheckpointWriter
from storage.disk import Disk, OsDisk
from storage.fact_reading import unreadable
from storage.reader import JournalReader
from vocabulary import limits
from vocabulary.codec import fact_decoder
from vocabulary.facts import Heartbeat

POLL_S = 0.25

log = logging.getLogger("dce.checkpoint")


class Checkpointer:
    """Follows one journal. written_seq: of the newest checkpoint; failures: how many failed."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.written_seq = 0
        self.failures = 0
        self._every_s = config.journal.checkpoint_s
        self._replay, self._reader = follow(
            config.journal_dir, config.checkpoint_dir, OsDisk()
        )
        self._decode = fact_decoder().decode
        self._writer = CheckpointWriter(config.checkpoint_dir, loop, self._written, self._failed)
        self._begun_at_s = time.monotonic()
        self._begun_seq = self._replay.state.seq
        self._changed = False

    async def run(self) -> None:
        """Follow until cancelled. Raises JournalDamaged, JournalNewer for what is no fact."""
        while True:
            entries = self._reader.read()
            for entry in entries:
                try:
                    fact = self._decode(entry.payload)
                except MsgspecError as error:
                    raise unreadable(entry, self._replay.state.version, error) from error
                self._changed = self._changed or type(fact) is not Heartbeat
                self._replay.apply(entry.seq, fact)
            if entries:
                self._replay.state.position = position_of(entries[-1])
            self._write_if_due()
            await asyncio.sleep(0 if entries else POLL_S)

    def close(self) -> None:
        """Give the files back; waits for a checkpoint under way."""
        self._writer.close()
        self._reader.close()

    def _write_if_due(self) -> None:
        """A due checkpoint, unless nothing but heartbeats came since the last."""
        seq = self._replay.state.seq
        records = seq - self._begun_seq
        waited_s = time.monotonic() - self._begun_at_s
        due = self._changed and (
            waited_s >= self._every_s or records >= limits.checkpoint_every_records
        )
        if not due or self._writer.busy:
            return
        if self._writer.begin(seq, self._replay.checkpoint(), seq):
            self._begun_at_s = time.monotonic()
            self._begun_seq = seq
            self._changed = False

    def _written(self, seq: int) -> None:
        self.written_seq = seq

    def _failed(self, reason: str) -> None:
        self.failures += 1
        self._changed = True
        log.error("checkpoint not written, the start will replay more: %s", reason)


def follow(
    journal_dir: Path, checkpoint_dir: Path, disk: Disk
) -> tuple[Replay, JournalReader]:
    """The newest state that belongs to the journal, and a reader of what follows it."""
    for replay in starts(checkpoint_dir, disk):
        reader = reader_behind(journal_dir, replay.state, disk, whole=False)
        if reader is not None:
            return replay, reader
    raise AssertionError("the journal's start is always tried last")
