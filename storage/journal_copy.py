"""A copy of a journal while it is written: every segment up to what is durable, nothing behind.

```
1 │ 2 │ 3 ◄── durable mark            copied: 1 and 2 whole, 3 up to the mark
```
The mark, the lock, the epoch and the reserve stay behind: a journal is whole without them.
"""

from pathlib import Path

from storage.disk import Disk, OsDisk, sync_directory
from storage.mark import MarkFile
from storage.segment import CHUNK_BYTES, HEADER_BYTES, Segment, begun_segments, find_end
from vocabulary.errors import JournalDamaged


def copy_journal(source: Path, target: Path, *, running: bool) -> int:
    """Copy into a new folder; how many bytes. Durable on return.

    running: a process writes, so its mark is the end; else the last whole record is. Segments
    that retention removes meanwhile are the oldest ones and are left out. Raises JournalDamaged,
    OSError.
    """
    disk = OsDisk()
    disk.make_directory(target)
    segments, end = _durable(disk, source) if running else _whole(disk, source)
    ends = [after.header.previous_end for after in segments[1:]] + [end]
    copied = 0
    for segment, size in zip(segments, ends, strict=True):
        try:
            _copy(disk, segment.path, target / segment.path.name, size)
        except FileNotFoundError:
            if copied:
                raise
            continue
        copied += size
    sync_directory(target)
    return copied


def _durable(disk: Disk, source: Path) -> tuple[list[Segment], int]:
    """The segments of a journal that is written to, and where the durable part of the last ends."""
    mark_file = MarkFile(disk, source)
    try:
        while True:
            segments = begun_segments(disk, source)
            mark = mark_file.read()
            if mark is None or not segments:
                raise JournalDamaged(f"{source}: a process writes it, but nothing is durable yet")
            last = segments[-1].header.ordinal
            if mark.ordinal <= last:  # else a segment was begun in between: look again
                return segments, mark.offset if mark.ordinal == last else HEADER_BYTES
    finally:
        mark_file.close()


def _whole(disk: Disk, source: Path) -> tuple[list[Segment], int]:
    """The segments of a journal that nobody writes, and where the last whole record ends."""
    segments = begun_segments(disk, source)
    if not segments:
        raise JournalDamaged(f"{source}: there is no journal")
    last = segments[-1]
    file = disk.open(last.path)
    try:
        end, _ = find_end(last.path, file, last.header, HEADER_BYTES, last.header.first_seq)
        return segments, end
    finally:
        file.close()


def _copy(disk: Disk, source: Path, target: Path, size: int) -> None:
    reading = disk.open(source)
    try:
        with target.open("xb") as writing:
            for offset in range(0, size, CHUNK_BYTES):
                writing.write(reading.read(offset, min(CHUNK_BYTES, size - offset)))
        made = disk.open(target)
        made.sync()
        made.close()
    finally:
        reading.close()
