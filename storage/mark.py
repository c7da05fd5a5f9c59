"""The durable mark: how far the journal is known to be on disk, shared with other processes.

```
durable   4096 bytes, mapped        the writer fills the two slots in turn, so that a reader
┌ 0: slot ──────────────────────┐   always finds one that is whole; the newer generation counts
│ generation 8 │ seq 8          │
│ epoch 4 │ ordinal 4           │   0x100: epoch of the last process that opened the journal;
│ offset 4 │ CRC 4              │   a process that finds a higher one there is fenced
├ 64: slot ─────────────────────┤
```
The mark is set after the sync of what it covers and is not synced itself. After a power cut it
may be old, never ahead of the disk: it is a lower bound of what was acknowledged.
"""

import mmap
from pathlib import Path
from struct import Struct as Layout
from typing import NamedTuple

from google_crc32c import extend

from storage.disk import Disk

MARK_NAME = "durable"
MARK_BYTES = 4096
SLOT = Layout("<QQIII")
SLOT_CRC = Layout("<I")
SLOT_STRIDE = 64
FENCE = Layout("<I")
FENCE_AT = 0x100
READ_TRIES = 64


class Mark(NamedTuple):
    """Everything up to seq, which ends at offset of the segment, is durable."""

    seq: int
    epoch: int
    ordinal: int
    offset: int


class MarkFile:
    """Both ends of the mark over one mapping."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        self._map: mmap.mmap = disk.map(directory / MARK_NAME, MARK_BYTES)
        self._generation = max(self._slot(0)[0], self._slot(1)[0])

    def write(self, mark: Mark) -> None:
        """Publish a mark. One writer only."""
        self._generation += 1
        body = SLOT.pack(self._generation, *mark)
        at = (self._generation & 1) * SLOT_STRIDE
        self._map[at : at + SLOT.size + SLOT_CRC.size] = body + SLOT_CRC.pack(extend(0, body))

    def read(self) -> Mark | None:
        """The newest mark, None if none was ever set or the file is not whole."""
        for _ in range(READ_TRIES):
            generation, mark = max(self._slot(0), self._slot(1), key=lambda slot: slot[0])
            if generation:
                return mark
        return None

    def fence(self, epoch: int) -> None:
        """Claim the journal for an epoch."""
        FENCE.pack_into(self._map, FENCE_AT, epoch)

    def fenced_by(self) -> int:
        """The highest epoch that claimed the journal."""
        epoch: int = FENCE.unpack_from(self._map, FENCE_AT)[0]
        return epoch

    def close(self) -> None:
        """Give the mapping back."""
        self._map.close()

    def _slot(self, index: int) -> tuple[int, Mark | None]:
        """(generation, mark) of a slot; (0, None) if it is empty or half written."""
        at = index * SLOT_STRIDE
        data = self._map[at : at + SLOT.size + SLOT_CRC.size]
        if extend(0, data[: SLOT.size]) != SLOT_CRC.unpack_from(data, SLOT.size)[0]:
            return 0, None
        generation, *fields = SLOT.unpack_from(data)
        return generation, Mark(*fields)
