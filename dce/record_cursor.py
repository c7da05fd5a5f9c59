"""The record's cursor beside the journal: what PostgreSQL has, so that the rest is kept.

The truth of it is in PostgreSQL; this copy follows behind and serves retention only.
"""

import asyncio
import logging
from pathlib import Path

from storage.cursors import RECORD_CURSOR, write_cursor
from storage.record import Record
from vocabulary.limits import NS_PER_S, record_cursor_ns

log = logging.getLogger("dce.record")


class RecordCursor:
    """Writes down how far `record` came, whenever that has changed."""

    def __init__(self, record: Record, journal_dir: Path) -> None:
        self._record = record
        self._directory = journal_dir
        self._written = 0
        self._told = ""

    async def run(self) -> None:
        """Every ten seconds, until cancelled."""
        while True:
            await asyncio.sleep(record_cursor_ns / NS_PER_S)
            await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Now. An error is logged once: segments are kept for longer, nothing else. Blocks."""
        seq = self._record.statistics().cursor_seq
        if not seq or seq == self._written:
            return
        try:
            write_cursor(self._directory, RECORD_CURSOR, seq)
        except OSError as error:
            if str(error) != self._told:
                log.error("the record's cursor is not written, segments are kept: %s", error)
            self._told = str(error)
            return
        self._written = seq
        self._told = ""
