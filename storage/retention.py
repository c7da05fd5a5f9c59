"""Which segments of a journal may go, and their removal by the process that owns the files.

```
        removed ◄─┐ the oldest first, never one out of the middle
 1 │ 2 │ 3 │ 4 │ 5 │ 6 ◄── current, never
           ▲   ▲
           │   └ second-newest whole checkpoint: one damaged checkpoint costs no state
           └ the lowest cursor: record, every exporter
```
A segment goes when its last record is at or below both, and the next one was begun longer ago
than it shall be kept. Without a cursor of the record, or with fewer than two checkpoints, none
goes. The age is what the journal says of itself, so copying files does not make them young.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from google_crc32c import extend

from storage.checkpoint import HEAD, MAGIC, SEQ
from storage.checkpoint import NAME as CHECKPOINT_NAME
from storage.cursors import RECORD_CURSOR, read_cursors
from storage.disk import Disk, OsDisk
from storage.fact_types import FACT_TYPES
from storage.segment import CHUNK_BYTES, HEADER_BYTES, Segment, begun_segments, walk
from vocabulary.codec import fact_decoder
from vocabulary.crash_points import crash_point
from vocabulary.facts import Heartbeat, Started

TIMED = frozenset((FACT_TYPES[Heartbeat], FACT_TYPES[Started]))  # both carry wall_ns


class Retained(NamedTuple):
    """What one look found. held_by: what keeps the oldest segment: a reader, "checkpoints",
    "age" or "" for the current one; at: the sequence it stands at."""

    removed: int
    removed_to: int  # the last sequence that is gone
    segments: int
    held_by: str
    at: int


def retain(
    directory: Path, checkpoints: Path, *, wall_ns: int, keep_ns: int, disk: Disk | None = None
) -> Retained:
    """Remove what nobody needs. Only for the process that holds the journal. Blocks.

    wall_ns: Unix time now. keep_ns: the least age of what goes. Raises JournalDamaged, OSError.
    """
    disk = disk or OsDisk()
    segments = begun_segments(disk, directory)
    held_by, at = _lowest(directory, disk, _second(named_checkpoints(disk, checkpoints)))
    count, held_by, at = _removable(disk, segments, held_by, at, wall_ns - keep_ns)
    if count:  # only now: a checkpoint is as large as the state
        whole = (seq for seq in named_checkpoints(disk, checkpoints)
                 if _is_whole(disk, checkpoints, seq))
        by, to = _lowest(directory, disk, _second(whole))
        if segments[count].header.first_seq - 1 > to:
            count, held_by, at = _removable(disk, segments, by, to, wall_ns - keep_ns)
    for segment in segments[:count]:
        crash_point("segment_before_remove")
        disk.remove(segment.path)
        crash_point("segment_removed")
    removed_to = segments[count].header.first_seq - 1 if segments else 0
    return Retained(count, removed_to, len(segments) - count, held_by, at)


def _lowest(directory: Path, disk: Disk, second_seq: int) -> tuple[str, int]:
    """(who, seq): the lowest of all cursors and the second-newest checkpoint, and whose it is."""
    found = {RECORD_CURSOR: 0, **read_cursors(directory, disk=disk), "checkpoints": second_seq}
    who = min(found, key=lambda name: (found[name], name))
    return who, found[who]


def _removable(
    disk: Disk, segments: list[Segment], held_by: str, at: int, begun_before_ns: int
) -> tuple[int, str, int]:
    """How many of the oldest may go, who holds the next one, and at which sequence."""
    for count, following in enumerate(segments[1:]):
        last_seq = following.header.first_seq - 1
        if last_seq > at:
            return count, held_by, at
        began_ns = _began_ns(disk, following)
        if not began_ns or began_ns > begun_before_ns:
            return count, "age", last_seq
    return max(0, len(segments) - 1), "", at


def _second(sequences: Iterable[int]) -> int:
    """The second one, 0 if there are fewer."""
    return next(islice(sequences, 1, None), 0)


def named_checkpoints(disk: Disk, directory: Path) -> list[int]:
    """Sequences of the checkpoints by their names, newest first."""
    found = (CHECKPOINT_NAME.fullmatch(name) for name in reversed(disk.names(directory)))
    return [int(match[1]) for match in found if match is not None]


def _is_whole(disk: Disk, directory: Path, seq: int) -> bool:
    """Whether a checkpoint has its CRC; read in chunks, so that no other thread waits long."""
    file = disk.open(directory / f"checkpoint-{seq:020d}")
    try:
        head = file.read(0, HEAD.size)
        if len(head) < HEAD.size:
            return False
        magic, written_seq, crc = HEAD.unpack(head)
        checksum = extend(0, SEQ.pack(seq))
        offset = HEAD.size
        while chunk := file.read(offset, CHUNK_BYTES):
            checksum = extend(checksum, chunk)
            offset += len(chunk)
        return bool(magic == MAGIC and written_seq == seq and checksum == crc)
    finally:
        file.close()


def _began_ns(disk: Disk, segment: Segment) -> int:
    """Unix time at about which a segment was begun; 0 while nothing in it says so."""
    decode = fact_decoder().decode
    file = disk.open(segment.path)
    try:
        for entries in walk(
            file, segment.header, HEADER_BYTES, segment.header.first_seq, file.size()
        ):
            for entry in entries:
                if entry.kind in TIMED:
                    fact = decode(entry.payload)
                    assert isinstance(fact, Heartbeat | Started)
                    return fact.wall_ns
    finally:
        file.close()
    return 0
