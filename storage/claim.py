"""Claiming a journal: one process, a higher epoch than any before, and the end of what is there."""

from pathlib import Path
from struct import Struct as Layout
from typing import NamedTuple

from storage.disk import Disk, Held
from storage.mark import Mark, MarkFile
from storage.segment import (
    HEADER_BYTES,
    NAME,
    Segment,
    begun_segments,
    damaged,
    find_end,
    segment_path,
)
from vocabulary.crash_points import crash_point

LOCK_NAME = "lock"
EPOCH_NAME = "epoch"
EPOCH = Layout("<I")


class Claim(NamedTuple):
    """A journal that is ours. last: the segment that was written last and where it ends."""

    lock: Held
    mark: MarkFile
    epoch: int
    next_seq: int
    last_ordinal: int
    last_end: int


def claim_journal(disk: Disk, directory: Path) -> Claim:
    """Lock the journal, fence older processes, find the end behind the last whole record.

    Everything up to that end is durable on return. Raises StorageFailed if another process holds
    the journal, JournalDamaged, OSError.
    """
    disk.make_directory(directory)
    lock = disk.lock(directory / LOCK_NAME)
    try:
        crash_point("journal_locked")
        mark = MarkFile(disk, directory)
        segments = begun_segments(disk, directory)
        epoch = _next_epoch(disk, directory, mark, segments)
        next_seq, ordinal, end = _find_journal_end(disk, directory, segments, mark.read())
        _remove_unbegun(disk, directory, segments)
    except BaseException:
        lock.close()
        raise
    return Claim(lock, mark, epoch, next_seq, ordinal, end)


def _next_epoch(disk: Disk, directory: Path, mark: MarkFile, segments: list[Segment]) -> int:
    """One more than any epoch that left a trace; durable before it is used."""
    stored = disk.read(directory / EPOCH_NAME) or b""
    epoch = 1 + max(
        EPOCH.unpack(stored)[0] if len(stored) == EPOCH.size else 0,
        mark.fenced_by(),
        segments[-1].header.epoch if segments else 0,
    )
    crash_point("epoch_chosen")
    disk.replace(directory / EPOCH_NAME, EPOCH.pack(epoch))
    crash_point("epoch_written")
    mark.fence(epoch)
    crash_point("epoch_fenced")
    return epoch


def _find_journal_end(
    disk: Disk, directory: Path, segments: list[Segment], mark: Mark | None
) -> tuple[int, int, int]:
    """(next sequence, ordinal, end) of the last segment; (1, 0, 0) for a new journal."""
    last = segments[-1] if segments else None
    if mark is not None and (last is None or mark.ordinal > last.header.ordinal):
        path = segment_path(directory, mark.ordinal)
        raise damaged(path, 0, "the durable mark stands in it, but it is missing")
    if last is None:
        return 1, 0, 0
    file = disk.open(last.path)
    try:
        start, seq = HEADER_BYTES, last.header.first_seq
        if mark is not None and mark.ordinal == last.header.ordinal:
            start, seq = mark.offset, mark.seq + 1
        if file.size() < start:
            raise damaged(last.path, file.size(), f"it was durable up to byte {start}")
        end, next_seq = find_end(last.path, file, last.header, start, seq)
        crash_point("end_found")
        file.sync()  # records found after kill -9 may be in memory only
        crash_point("end_synced")
    finally:
        file.close()
    return next_seq, last.header.ordinal, end


def _remove_unbegun(disk: Disk, directory: Path, segments: list[Segment]) -> None:
    """Delete segments that were prepared and never begun.

    They are not begun here: a process that was fenced may still have one open.
    """
    begun = {segment.path.name for segment in segments}
    for name in disk.names(directory):
        if NAME.fullmatch(name) is not None and name not in begun:
            disk.remove(directory / name)
            crash_point("unbegun_removed")
