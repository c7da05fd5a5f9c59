"""A journal with someone who waits for it: the tests' stand-in for the desk."""

import asyncio
from pathlib import Path
from typing import Any

from storage.journal import Journal

SEGMENT_BYTES = 8_192


class Opened:
    """An open journal; `durable` waits for the event, never for the clock."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self.wakes: list[int] = []
        self.reasons: list[str] = []
        self.full: list[str] = []
        self._changed = asyncio.Event()
        options.setdefault("segment_bytes", SEGMENT_BYTES)
        options.setdefault("reserve_bytes", SEGMENT_BYTES)
        options.setdefault("sync_gap_ns", 0)
        options.setdefault("retry_ns", 1_000_000)
        self.journal = Journal.open(
            directory, worker=0, loop=self._loop, on_durable=self._on_durable,
            on_failed=self._on_failed, on_full=self._on_full, **options,
        )

    def put(self, payload: bytes, kind: int = 7) -> int:
        """Append one record; its sequence."""
        seq = self.journal.next_seq
        self.journal.append(seq, kind, payload)
        return seq

    async def durable(self, seq: int, *, failed: bool = False) -> None:
        """Until the journal has said that seq is durable; failed: though it has failed."""
        while not self.wakes or self.wakes[-1] < seq:
            assert failed or not self.reasons, self.reasons
            self._changed.clear()
            await self._changed.wait()

    async def failed(self) -> str:
        """Until the journal has failed; its reason."""
        while not self.reasons:
            self._changed.clear()
            await self._changed.wait()
        return self.reasons[0]

    async def told_full(self, count: int) -> str:
        """Until the journal has said so many times whether there is a reserve; what it said."""
        while len(self.full) < count:
            self._changed.clear()
            await self._changed.wait()
        return self.full[count - 1]

    def _on_full(self, reason: str) -> None:
        self.full.append(reason)
        self._changed.set()

    def _on_durable(self, seq: int) -> None:
        self.wakes.append(seq)
        self._changed.set()

    def _on_failed(self, reason: str) -> None:
        self.reasons.append(reason)
        self._changed.set()


def payload(number: int, size: int = 40) -> bytes:
    """Distinct bytes for a record."""
    return (b"%d|" % number).ljust(size, b"x")


async def write_journal(directory: Path, count: int, **options: Any) -> None:
    """A closed journal of `count` records, one sync each: records 1, 2, …"""
    opened = Opened(directory, **options)
    for _ in range(count):
        seq = opened.put(payload(opened.journal.next_seq))
        await opened.durable(seq)
    opened.journal.close()
