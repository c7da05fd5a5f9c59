"""Verifying a journal: every byte of every segment, up to the first damage.

```
header, ordinal, first sequence ─► records up to where the next header, the mark or the
                                   last whole record says that the segment ends
```
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from storage.disk import Disk, OsDisk
from storage.mark import MARK_NAME, Mark, MarkFile
from storage.segment import (
    HEADER_BYTES,
    NAME,
    RECORD_BYTES,
    SegmentHeader,
    damaged,
    find_end,
    read_header,
    segment_path,
    walk,
)
from vocabulary.errors import JournalDamaged


class Verified(NamedTuple):
    """One segment as it was found.

    first_seq, next_seq: its whole records, next_seq one behind the last. end: offset behind
    them. tail_bytes: behind that, written but never acknowledged; 0 in a segment that has a
    successor. damage: the first damage of the journal, None while all is whole.
    """

    path: Path
    epoch: int
    first_seq: int
    next_seq: int
    end: int
    tail_bytes: int
    damage: JournalDamaged | None


def verify(directory: Path, *, live: bool, disk: Disk | None = None) -> Iterator[Verified]:
    """Every segment in order; ends with the first damage. live: a process writes, so the last
    one is read to the durable mark. Raises OSError."""
    disk = disk or OsDisk()
    mark = read_mark(disk, directory)
    headers: list[tuple[Path, SegmentHeader]] = []
    broken: JournalDamaged | None = None
    for name in disk.names(directory):
        if NAME.fullmatch(name) is None:
            continue
        try:
            header = read_header(disk, directory / name)
        except JournalDamaged as error:
            broken = error
            break
        except FileNotFoundError:
            continue
        if header is not None:
            headers.append((directory / name, header))
    expected = headers[0][1].first_seq if headers else 1
    for index, (path, header) in enumerate(headers):
        following = headers[index + 1][1] if index + 1 < len(headers) else None
        before = headers[index - 1][1] if index else None
        if following is None and broken is not None:  # nothing says where it ends
            found = _verify_to(disk, path, header, None, None)
        else:
            wrong = _misplaced(path, header, before, expected)
            if wrong is not None:
                yield Verified(path, header.epoch, header.first_seq, expected, 0, 0, wrong)
                return
            found = _verify_to(disk, path, header, following, mark if live else None)
            if following is None and found.damage is None and mark is not None:
                found = found._replace(damage=_short_of_mark(directory, header, found, mark))
        yield found
        if found.damage is not None:
            return
        expected = found.next_seq
    if broken is not None:
        yield Verified(directory / broken.name, 0, expected, expected, 0, 0, broken)
    elif not headers and mark is not None:
        wrong = damaged(
            segment_path(directory, mark.ordinal), 0, "the durable mark stands in it, it is missing"
        )
        yield Verified(directory / wrong.name, 0, 1, 1, 0, 0, wrong)


def read_mark(disk: Disk, directory: Path) -> Mark | None:
    """The durable mark, None if there is none."""
    if MARK_NAME not in disk.names(directory):
        return None
    file = MarkFile(disk, directory)
    try:
        return file.read()
    finally:
        file.close()


def _misplaced(
    path: Path, header: SegmentHeader, before: SegmentHeader | None, expected: int
) -> JournalDamaged | None:
    if before is not None and header.ordinal != before.ordinal + 1:
        return damaged(path, 0, f"the segment of ordinal {before.ordinal + 1} is missing")
    if header.first_seq != expected:
        return damaged(
            path, 0, f"it begins with record {header.first_seq}, expected {expected}"
        )
    return None


def _verify_to(
    disk: Disk, path: Path, header: SegmentHeader, following: SegmentHeader | None,
    mark: Mark | None,
) -> Verified:
    """Walk one segment. following: the next header; mark: of a process that writes."""
    file = disk.open(path)
    try:
        size = file.size()
        limit = size
        if following is not None:
            limit = following.previous_end
        elif mark is not None:
            limit = mark.offset if mark.ordinal == header.ordinal else HEADER_BYTES
        offset, seq = HEADER_BYTES, header.first_seq
        for entries in walk(file, header, offset, seq, limit):
            last = entries[-1]
            offset = last.offset + RECORD_BYTES + len(last.payload)
            seq = last.seq + 1
        damage: JournalDamaged | None = None
        tail = 0
        if following is not None or mark is not None:
            if offset < limit:
                damage = damaged(path, offset, f"record {seq} is not whole")
        else:
            try:
                find_end(path, file, header, offset, seq)
            except JournalDamaged as error:
                damage = error
            tail = _written_behind(file.read(offset, size - offset)) if damage is None else 0
        return Verified(path, header.epoch, header.first_seq, seq, offset, tail, damage)
    finally:
        file.close()


def _written_behind(data: bytes) -> int:
    """Bytes up to the last one that is not zero."""
    return len(data.rstrip(b"\0"))


def _short_of_mark(
    directory: Path, header: SegmentHeader, found: Verified, mark: Mark
) -> JournalDamaged | None:
    if mark.ordinal > header.ordinal:
        return damaged(
            segment_path(directory, mark.ordinal), 0, "the durable mark stands in it, it is missing"
        )
    if mark.ordinal == header.ordinal and found.end < mark.offset:
        return damaged(found.path, found.end, f"it was durable up to byte {mark.offset}")
    return None
