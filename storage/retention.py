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

from pathlib import Path
from typing import NamedTuple

from storage.checkpoint import load_newest
from storage.cursors import RECORD_CURSOR, read_cursors
from storage.disk import Disk, OsDisk
from storage.fact_types import FACT_TYPES
from storage.segment import HEADER_BYTES, Segment, begun_segments, walk
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
    held_by, at = needed(directory, checkpoints, disk)
    removed = 0
    while len(segments) > 1:
        following = segments[1]
        last_seq = following.header.first_seq - 1
        if last_seq > at:
            break
        began_ns = _began_ns(disk, following)
        if not began_ns or wall_ns - began_ns < keep_ns:
            held_by, at = "age", last_seq
            break
        crash_point("segment_before_remove")
        disk.remove(segments.pop(0).path)
        crash_point("segment_removed")
        removed += 1
    else:
        held_by = ""
    removed_to = segments[0].header.first_seq - 1 if segments else 0
    return Retained(removed, removed_to, len(segments), held_by, at)


def needed(directory: Path, checkpoints: Path, disk: Disk) -> tuple[str, int]:
    """(who, seq): the lowest of all cursors and the second-newest checkpoint, and whose it is."""
    found = {RECORD_CURSOR: 0, **read_cursors(directory, disk=disk)}
    newest = load_newest(checkpoints, disk=disk)
    second = None
    if newest is not None:
        second = load_newest(checkpoints, last_seq=newest[0] - 1, disk=disk)
    found["checkpoints"] = second[0] if second is not None else 0
    who = min(found, key=lambda name: (found[name], name))
    return who, found[who]


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
