"""Reading a journal: from a sequence on, across segments, never beyond what is durable."""

from collections.abc import Iterator
from pathlib import Path

from storage.disk import Disk, File, OsDisk
from storage.mark import MARK_NAME, MarkFile
from storage.segment import (
    HEADER_BYTES,
    RECORD_BYTES,
    Entry,
    Segment,
    begun_segments,
    damaged,
    find_end,
    walk,
)
from vocabulary.errors import JournalDamaged


class JournalReader:
    """Records in order. Iterate again, or call `read` again, to go on behind a growing journal.

    from_seq: first sequence wanted; 0 for the oldest there is. whole: read to the last whole
    record, for tools when no process writes; otherwise to the durable mark. start: segment and
    offset where from_seq stands, if that is known: nothing before it is read. A bad byte before
    that end raises JournalDamaged with file and offset.
    """

    def __init__(
        self, directory: Path, from_seq: int = 0, *, whole: bool = False, disk: Disk | None = None,
        start: tuple[int, int] | None = None,
    ) -> None:
        self.next_seq = from_seq
        self._directory = directory
        self._disk = disk or OsDisk()
        self._whole = whole
        self._start = start
        self._mark: MarkFile | None = None
        self._segments: list[Segment] = []
        self._index = -1
        self._file: File | None = None
        self._offset = HEADER_BYTES
        self._seq = 0  # of the record at the offset
        self._whole_end = 0  # of the last segment, once it was looked for

    def __iter__(self) -> Iterator[Entry]:
        """All records that can be read now."""
        while entries := self.read():
            yield from entries

    def read(self) -> list[Entry]:
        """The next records, about a megabyte of them at most; [] when there are none now."""
        while self._file is not None or self._begin():
            end, final = self._end()
            entries = self._read_chunk(end)
            if entries:
                if wanted := [entry for entry in entries if entry.seq >= self.next_seq]:
                    self.next_seq = wanted[-1].seq + 1
                    return wanted
            elif final or not self._advance():
                return []
        return []

    def durable_seq(self) -> int:
        """The last sequence that is durable, 0 if there is none."""
        mark = self._mark_file()
        found = mark.read() if mark is not None else None
        return found.seq if found is not None else 0

    def close(self) -> None:
        """Give files and mapping back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._mark is not None:
            self._mark.close()
            self._mark = None

    def _begin(self) -> bool:
        """Open the segment that holds next_seq; False while the journal is not there yet."""
        self._segments = begun_segments(self._disk, self._directory)
        if not self._segments or (not self._whole and self._mark_file() is None):
            return False
        first = self._segments[0].header.first_seq
        if 0 < self.next_seq < first:
            raise JournalDamaged(
                f"{self._directory}: record {self.next_seq} is gone, the oldest is {first}:"
                " put older segments or newer checkpoints back from a backup"
            )
        starts = [segment.header.first_seq for segment in self._segments]
        index = max((i for i, seq in enumerate(starts) if seq <= max(self.next_seq, first)))
        self._open(index)
        if self._start is not None and self._start[0] == self._segments[index].header.ordinal:
            self._offset, self._seq = self._start[1], self.next_seq
        return True

    def _open(self, index: int) -> None:
        if self._file is not None:
            self._file.close()
        self._index = index
        self._file = self._disk.open(self._segments[index].path)
        self._offset = HEADER_BYTES
        self._seq = self._segments[index].header.first_seq

    def _end(self) -> tuple[int, bool]:
        """(offset to read to, whether nothing can follow it now) in the current segment."""
        segment = self._segments[self._index]
        if self._index + 1 < len(self._segments):
            return self._segments[self._index + 1].header.previous_end, False
        if self._whole:
            assert self._file is not None
            if not self._whole_end:
                self._whole_end = self._find_whole_end(segment, self._file)
            return self._whole_end, True
        mark_file = self._mark_file()
        mark = mark_file.read() if mark_file is not None else None
        if mark is None or mark.ordinal < segment.header.ordinal:
            return self._offset, True
        if mark.ordinal == segment.header.ordinal:
            return mark.offset, True
        self._segments = begun_segments(self._disk, self._directory)  # old ones may be gone
        self._index = self._segments.index(segment)
        if self._index + 1 == len(self._segments):
            raise damaged(segment.path, self._offset, "the segment after it is missing")
        return self._end()

    def _find_whole_end(self, segment: Segment, file: File) -> int:
        """Where the last segment's whole records end; looked for behind the durable mark only."""
        offset, seq = self._offset, self._seq
        if MARK_NAME in self._disk.names(self._directory):  # a tool must not make one
            mark_file = self._mark_file()
            mark = mark_file.read() if mark_file is not None else None
            if mark is not None and mark.ordinal == segment.header.ordinal and mark.offset > offset:
                offset, seq = min(mark.offset, file.size()), mark.seq + 1
        return find_end(segment.path, file, segment.header, offset, seq)[0]

    def _read_chunk(self, end: int) -> list[Entry]:
        """Records up to end, at most a chunk of them; raises if bytes before end are not whole."""
        if self._offset >= end:
            return []
        segment = self._segments[self._index]
        assert self._file is not None
        entries = next(
            walk(self._file, segment.header, self._offset, self._seq, end), None
        )
        if not entries:
            raise damaged(segment.path, self._offset, f"record {self._seq} is not whole")
        last = entries[-1]
        self._offset = last.offset + RECORD_BYTES + len(last.payload)
        self._seq = last.seq + 1
        return entries

    def _advance(self) -> bool:
        """Go to the next segment, whose first record must be the one expected."""
        if self._index + 1 >= len(self._segments):
            return False
        following = self._segments[self._index + 1]
        if following.header.first_seq != self._seq:
            raise damaged(
                following.path, 0,
                f"it begins with record {following.header.first_seq}, expected {self._seq}",
            )
        self._open(self._index + 1)
        return True

    def _mark_file(self) -> MarkFile | None:
        """The mark, once the directory exists."""
        if self._mark is None and self._disk.names(self._directory):
            self._mark = MarkFile(self._disk, self._directory)
        return self._mark
