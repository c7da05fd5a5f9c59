"""The journal without its threads: what is appended, written, rotated, prepared, and what fails.

```
append ──► pieces ──take──► put: write + sync ──► mark ──► on_durable
             one per segment       │    │ full: rotate ──► the prepared segment, else the reserve
                                   │    └ error: the file is left for good, a fresh one goes on
prepare ──► reserve, next segment ─┘
```
Three threads drive it (storage.journal), or a simulation does, in any order and one call at a
time: `append` what the desk emits; `step` until it is False, which writes one batch or begins one
segment; `prepare` whenever `wants_file` is True, at once or later, for as long as it is. Call-backs
come out of those calls. On a simulated Disk with observed crash points (vocabulary.crash_points)
a run depends on nothing else: `clock_ns` feeds statistics only. After a crash drop the object and
open another one on what the disk kept; `give_back` is for a clean end.

What the last file says: a batch is acknowledged when its write has returned and no higher epoch
has claimed the journal. A file whose write failed once is never written or synced again. What
was in flight, and the ends of the calls that live, then go to a fresh file, prepared or reserve,
whose header says how far the failed one counts; a second failure ends all writing (`dead`).

The reserve is a segment held back for a full disk. Without it nothing may be admitted: `full`.
"""

import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct as Layout
from threading import Lock

from storage.claim import claim_journal
from storage.disk import Disk, File
from storage.mark import Mark
from storage.reserve import create_reserve, find_reserve, reserve_to_segment
from storage.segment import (
    HEADER_BYTES,
    OPENS_BATCH,
    RECORD_BYTES,
    SegmentHeader,
    pack_header,
    pack_record,
    segment_path,
)
from vocabulary import limits
from vocabulary.crash_points import crash_point
from vocabulary.errors import StorageFailed

RECORD_SEQ = Layout("<Q")
RECORD_SEQ_AT = 12
NS_PER_US = 1_000
SYNC_BUCKETS = 32


def nothing_to_wake() -> None:
    """For whoever calls `step` by himself."""


class JournalCore:
    """The whole write side as state and steps; see the module's drawing.

    epoch: of this process. next_seq: what the next append must carry. durable_seq: everything up
    to it is on disk. failed: the first error, "" while all is well; from then on nobody may be
    acknowledged anything new. dead: nothing at all is written any more. full: why there is no
    reserve, "" while there is one. short: why the last `prepare` failed.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        *,
        worker: int,
        on_durable: Callable[[int], None],
        on_failed: Callable[[str], None],
        on_full: Callable[[str], None],
        wake: Callable[[], None] = nothing_to_wake,
        segment_bytes: int = limits.segment_bytes,
        reserve_bytes: int = limits.journal_reserve_bytes,
        pending_bytes_max: int = limits.journal_pending_bytes_max,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        """Claim the directory, cut a torn tail, begin a segment.

        on_durable(seq): out of `step`, after every sync. on_failed(reason): out of `step` or
        `append`, once. on_full(reason): out of `step` or `prepare`, "" when there is a reserve
        again. wake(): out of `append`, when the last `step` found nothing to do. Raises
        StorageFailed if another process holds the journal, JournalDamaged, OSError.
        """
        assert HEADER_BYTES + RECORD_BYTES < segment_bytes < 2**32
        self.directory = directory
        self.failed = self.full = self.short = ""
        self.dead = False
        self.idle = False
        self.guard = Lock()  # pieces, pending bytes, idle, failed
        self.files = Lock()  # the reserve, the prepared segment, beginning one
        self.sync_began_ns = 0
        self.records = self.bytes = self.pending_bytes = 0
        self.syncs = [0] * SYNC_BUCKETS
        self._disk = disk
        self._worker = worker
        self._on_durable, self._on_failed, self._on_full = on_durable, on_failed, on_full
        self._wake = wake
        self._segment_bytes = segment_bytes
        self._reserve_bytes = max(reserve_bytes, segment_bytes)
        self._pending_bytes_max = pending_bytes_max
        self._clock_ns = clock_ns
        self._pieces: list[list[bytes]] = [[]]
        self._spare: File | None = None
        self._claim = claim = claim_journal(disk, directory)
        try:
            self.epoch = claim.epoch
            self.next_seq = claim.next_seq
            self.durable_seq = claim.next_seq - 1
            self._mark = claim.mark
            self._ordinal, self._offset = claim.last_ordinal, claim.last_end
            self._cut_last()
            self._reserve = find_reserve(disk, directory, segment_bytes)
            self._begin(self._first_file())
            self._mark.write(Mark(self.durable_seq, self.epoch, self._ordinal, self._offset))
            crash_point("first_mark_written")
        except BaseException:
            claim.lock.close()
            raise
        self._room = self._capacity - HEADER_BYTES  # in the segment that the last piece goes to

    # -- the loop's side ------------------------------------------------------------------------

    def append(self, seq: int, kind: int, payload: bytes) -> None:
        """Put a record behind the last one; on_durable tells when it is on disk.

        seq: next_seq. kind: a type number of fact_types. payload: 1 to limits.record_bytes_max
        bytes. Dropped once the journal is dead; a full buffer kills it.
        """
        size = RECORD_BYTES + len(payload)
        assert seq == self.next_seq, (seq, self.next_seq)
        assert RECORD_BYTES < size <= self._segment_bytes - HEADER_BYTES
        self.next_seq = seq + 1
        if self.dead:
            return
        with self.guard:
            self.pending_bytes += size
            if size > self._room:
                self._pieces.append([])
                self._room = self._segment_bytes - HEADER_BYTES
            self._room -= size
            piece = self._pieces[-1]
            if not piece:
                kind |= OPENS_BATCH
            piece.append(pack_record(self.epoch, seq, kind, payload))
            idle = self.idle
        crash_point("record_appended")
        if idle:
            self._wake()
        if self.pending_bytes > self._pending_bytes_max:
            self.die(f"more than {self._pending_bytes_max} bytes wait for the disk")

    # -- the writer's side ----------------------------------------------------------------------

    def step(self) -> bool:
        """Write and sync one batch, or begin the next segment; False if there is nothing to do."""
        batch = self._take()
        if batch is None:
            return False
        try:
            if batch:
                self._put(batch)
            else:
                self._rotate()
        except OSError as error:
            self._fall_back(batch, str(error))
        except StorageFailed as error:
            self.die(str(error))
        return True

    def wants_file(self) -> bool:
        """Whether `prepare` has something to make: the reserve, or the next segment."""
        return not self.failed and (self._reserve is None or self._wants_spare())

    def prepare(self) -> None:
        """Make the reserve, then the next segment if the current one is half full.

        Says when there is a reserve again, or that there is none and cannot be.
        """
        with self.files:
            try:
                self._refuse_if_fenced()
                if self._reserve is None:
                    self._reserve = create_reserve(
                        self._disk, self.directory, self._reserve_bytes
                    )
                if self._wants_spare():
                    crash_point("spare_before_create")
                    self._spare = self._create(self._segment_bytes)
                    crash_point("spare_created")
            except (OSError, StorageFailed) as error:
                self.short = str(error)
                if self._reserve is None and not self.full:
                    self._tell_full(self.short)
                return
            self.short = ""
            if self.full:
                self._tell_full("")

    def give_back(self) -> None:
        """Close what is open. Writes nothing; `step` until it is False comes first."""
        with self.files:
            for file in (self._spare, self._reserve, self._file):
                if file is not None:
                    file.close()
            self._spare = self._reserve = None
        self._mark.close()
        self._claim.lock.close()

    def _take(self) -> list[bytes] | None:
        """The next batch; [] when it belongs to another segment, None when nothing waits."""
        with self.guard:
            if self.dead:
                return None
            piece = self._pieces[0]
            if piece:
                self._pieces[0] = []
            elif len(self._pieces) > 1:
                del self._pieces[0]
            else:
                self.idle = True
                return None
        crash_point("batch_taken")
        return piece

    def _put(self, piece: list[bytes]) -> None:
        """Write and sync one batch, publish the mark, tell."""
        size = sum(map(len, piece))
        seq: int = RECORD_SEQ.unpack_from(piece[-1], RECORD_SEQ_AT)[0]
        self.sync_began_ns = self._clock_ns()
        crash_point("batch_before_write")
        self._file.write(self._offset, piece)
        crash_point("batch_synced")
        spent_us = (self._clock_ns() - self.sync_began_ns) // NS_PER_US
        self._refuse_if_fenced()
        crash_point("batch_not_fenced")
        self._offset += size
        self._mark.write(Mark(seq, self.epoch, self._ordinal, self._offset))
        crash_point("mark_written")
        self.syncs[min(spent_us.bit_length(), SYNC_BUCKETS - 1)] += 1
        self.records += len(piece)
        self.bytes += size
        self.durable_seq = seq
        with self.guard:
            self.pending_bytes -= size
        self._on_durable(seq)
        crash_point("durable_told")

    def _rotate(self) -> None:
        """Begin the next segment, then cut the unused end off the full one.

        A reserve longer than a segment takes as many pieces as fit.
        """
        if self._capacity - self._offset >= self._segment_bytes - HEADER_BYTES:
            return
        crash_point("rotation_begun")
        full, end = self._file, self._offset
        with self.files:
            self._begin(self._next_file())
        crash_point("segment_begun")
        try:
            full.truncate(end)
            crash_point("full_segment_cut")
        except OSError as error:  # what it holds is whole and counted by the header after it
            self._fail(str(error))
        full.close()

    def _fall_back(self, batch: list[bytes], reason: str) -> None:
        """Leave the file that failed; write what it did not take to a fresh one, the first time."""
        again = bool(self.failed)
        self._fail(reason)
        crash_point("failure_told")
        if again:
            self.die(reason)
            return
        try:
            with self.files:
                fresh = self._take_spare() or self._take_reserve()
                if fresh is None:
                    raise StorageFailed(f"{reason}; no other file is prepared")
                self._begin(fresh)
            crash_point("fresh_file_begun")
            if batch:
                self._put(batch)
                crash_point("failed_batch_written_again")
        except (OSError, StorageFailed) as error:
            self.die(str(error))

    def _refuse_if_fenced(self) -> None:
        """Before a name is given or a header written, and before anything is acknowledged."""
        if self._mark.fenced_by() > self.epoch:
            raise StorageFailed(
                f"{self.directory}: epoch {self.epoch} is fenced by {self._mark.fenced_by()}:"
                " another process has taken this journal over"
            )

    def _fail(self, reason: str) -> None:
        """The first time only: nobody is acknowledged anything new."""
        with self.guard:
            if self.failed:
                return
            self.failed = reason
        crash_point("failure_before_told")
        self._on_failed(reason)

    def die(self, reason: str) -> None:
        """Nothing is written any more."""
        self.dead = True
        self._fail(reason)

    # -- files ----------------------------------------------------------------------------------

    def _wants_spare(self) -> bool:
        short = self._capacity < self._segment_bytes
        return self._spare is None and (short or self._offset > self._capacity // 2)

    def _cut_last(self) -> None:
        """Cut what the last process did not complete, and the room it did not use."""
        if self._ordinal:
            last = self._disk.open(segment_path(self.directory, self._ordinal))
            crash_point("tail_before_cut")
            last.truncate(self._offset)
            crash_point("tail_cut")
            last.close()

    def _first_file(self) -> File:
        """Of this start: a new one, short, so that nobody waits for its zeros; or the reserve."""
        size = min(self._segment_bytes, limits.start_segment_bytes)
        while True:
            try:
                return self._create(size)
            except OSError as error:
                reserve = self._take_reserve()
                if reserve is not None:
                    return reserve
                size //= 2
                if size < limits.first_segment_bytes:
                    raise StorageFailed(
                        f"{error}: no room to begin a segment of the journal"
                        f" ({self._segment_bytes} bytes, at least {limits.first_segment_bytes})"
                    ) from error

    def _next_file(self) -> File:
        """Of a rotation: what was prepared, a new one, the reserve. Raises StorageFailed."""
        spare = self._take_spare()
        if spare is not None:
            return spare
        try:
            return self._create(self._segment_bytes)
        except OSError as error:
            self.short = str(error)
            reserve = self._take_reserve()
            if reserve is None:
                raise StorageFailed(f"{error}; the reserve is used up") from error
            self._tell_full(self.short)
            return reserve

    def _take_spare(self) -> File | None:
        spare, self._spare = self._spare, None
        return spare

    def _take_reserve(self) -> File | None:
        """The reserve under the name of the next segment; of a file that failed under it, too."""
        reserve, self._reserve = self._reserve, None
        if reserve is None:
            return None
        reserve.close()
        self._refuse_if_fenced()
        return reserve_to_segment(self._disk, self.directory, self._ordinal + 1)

    def _create(self, size: int) -> File:
        return self._disk.create(segment_path(self.directory, self._ordinal + 1), size)

    def _begin(self, file: File) -> None:
        """Make a prepared file the current segment: its header says where the last one ends."""
        header = SegmentHeader(
            self._worker, self.epoch, self._ordinal + 1, self._offset, self.durable_seq + 1
        )
        try:
            self._refuse_if_fenced()
            crash_point("header_before_write")
            file.write(0, (pack_header(header),))
            crash_point("header_written")
            self._capacity = file.size()
        except (OSError, StorageFailed):
            file.close()
            raise
        self._file = file
        self._ordinal += 1
        self._offset = HEADER_BYTES

    def _tell_full(self, reason: str) -> None:
        self.full = reason
        crash_point("full_before_told")
        self._on_full(reason)
