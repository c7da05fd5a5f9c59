"""The journal of one signal worker: the commit point of everything that is acknowledged.

```
loop thread                         writer thread                         other processes
append ──► pending pieces ──take──► pwritev(RWF_DSYNC) ──► mark ───────► JournalReader
             one per segment        one in flight, the next       │
on_durable(seq) ◄── call_soon_threadsafe, once a sync ◄───────────┘
```
append costs the loop no system call: the writer is woken once a loop turn, and only if it sleeps.
While a sync runs, whatever is appended becomes the next batch, which starts when the sync is back
and the gap since its start has passed. A sync costs 40 µs of CPU and more, whatever it carries: at
2,000 calls/s one for every call would cost more than the call's decision. The gap bounds that
and adds its length at most to a wait; a lone answer never meets it. The writer alone rotates;
the spare segment is prepared by a short thread when the current one is half full.
A file that failed once is never written again: `failed` says why, later appends are dropped, and
nothing of them is ever acknowledged.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from struct import Struct as Layout
from threading import Lock, Thread

from msgspec import Struct

from storage.claim import Claim, claim_journal
from storage.disk import Disk, File, OsDisk
from storage.mark import Mark
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
from vocabulary.errors import StorageFailed

RECORD_SEQ = Layout("<Q")
RECORD_SEQ_AT = 12
NS_PER_US = 1_000
NS_PER_S = 1_000_000_000
SYNC_BUCKETS = 32


class JournalStatistics(Struct, gc=False):
    """Counters since the start. sync_us_log2[n]: syncs that took 2^(n−1) to 2^n µs."""

    records: int
    bytes: int
    syncs: int
    sync_us_log2: tuple[int, ...]
    pending_bytes: int
    durable_seq: int
    spare_failed: str


class Journal:
    """The write side. All but `open` and `close` is for the loop's thread and never blocks.

    epoch: of this process. next_seq: what the next append must carry. durable_seq: everything up
    to it is on disk. failed: why nothing is written any more, "" while all is well.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        claim: Claim,
        *,
        worker: int,
        loop: asyncio.AbstractEventLoop,
        on_durable: Callable[[int], None],
        on_failed: Callable[[str], None],
        segment_bytes: int,
        pending_bytes_max: int,
        sync_gap_ns: int,
    ) -> None:
        """Use `open`."""
        self.directory = directory
        self.epoch = claim.epoch
        self.next_seq = claim.next_seq
        self.durable_seq = claim.next_seq - 1
        self.failed = ""
        self._disk = disk
        self._lock = claim.lock
        self._mark = claim.mark
        self._worker = worker
        self._loop = loop
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._segment_bytes = segment_bytes
        self._pending_bytes_max = pending_bytes_max
        self._sync_gap_ns = sync_gap_ns
        self._sync_started_ns = time.perf_counter_ns() - sync_gap_ns
        self._guard = Lock()  # pieces, pending bytes, and the flags of sleeping and closing
        self._pieces: list[list[bytes]] = [[]]
        self._pending_bytes = 0
        self._room = segment_bytes - HEADER_BYTES  # in the segment that the last piece goes to
        self._asleep = False
        self._kicked = False
        self._closing = False
        self._wake = Lock()
        self._wake.acquire()
        self._thread = Thread(target=self._write, name="journal", daemon=True)
        self._spare: File | None = None
        self._spare_failed = ""
        self._spare_thread: Thread | None = None
        self._records = 0
        self._bytes = 0
        self._syncs = [0] * SYNC_BUCKETS
        self._ordinal = claim.last_ordinal
        self._offset = claim.last_end
        self._file = self._start_segment(self._create(self._ordinal + 1))
        if claim.last_ordinal:
            cut = disk.open(segment_path(directory, claim.last_ordinal))
            cut.truncate(claim.last_end)
            cut.close()
        self._mark.write(Mark(self.durable_seq, self.epoch, self._ordinal, self._offset))

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        worker: int,
        loop: asyncio.AbstractEventLoop,
        on_durable: Callable[[int], None],
        on_failed: Callable[[str], None],
        segment_bytes: int = limits.segment_bytes,
        pending_bytes_max: int = limits.journal_pending_bytes_max,
        sync_gap_ns: int = limits.journal_sync_gap_ns,
        disk: Disk | None = None,
    ) -> "Journal":
        """Claim the directory, cut a torn tail, begin a segment, start the writer. Blocks.

        on_durable(seq): everything up to seq is on disk; once a sync. on_failed(reason): once,
        at the first error. Both are called in the loop. Raises StorageFailed if another process
        holds the journal, JournalDamaged, OSError.
        """
        assert HEADER_BYTES + RECORD_BYTES < segment_bytes < 2**32
        disk = disk or OsDisk()
        claim = claim_journal(disk, directory)
        try:
            journal = cls(
                directory, disk, claim, worker=worker, loop=loop, on_durable=on_durable,
                on_failed=on_failed, segment_bytes=segment_bytes,
                pending_bytes_max=pending_bytes_max, sync_gap_ns=sync_gap_ns,
            )
        except BaseException:
            claim.lock.close()
            raise
        journal._thread.start()
        return journal

    def append(self, seq: int, kind: int, payload: bytes) -> None:
        """Put a record behind the last one; on_durable tells when it is on disk.

        seq: next_seq. kind: a type number of fact_types. payload: 1 to limits.record_bytes_max
        bytes. Dropped once the journal has failed; a full buffer fails it.
        """
        size = RECORD_BYTES + len(payload)
        assert seq == self.next_seq, (seq, self.next_seq)
        assert RECORD_BYTES < size <= self._segment_bytes - HEADER_BYTES
        self.next_seq = seq + 1
        if self.failed:
            return
        with self._guard:
            self._pending_bytes += size
            if size > self._room:
                self._pieces.append([])
                self._room = self._segment_bytes - HEADER_BYTES
            self._room -= size
            piece = self._pieces[-1]
            if not piece:
                kind |= OPENS_BATCH
            piece.append(pack_record(self.epoch, seq, kind, payload))
            kick = self._asleep and not self._kicked
        if kick:
            self._kicked = True
            self._loop.call_soon(self._kick)
        if self._pending_bytes > self._pending_bytes_max:
            self._fail(f"more than {self._pending_bytes_max} bytes wait for the disk")

    def statistics(self) -> JournalStatistics:
        """Counters for the metrics."""
        return JournalStatistics(
            self._records, self._bytes, sum(self._syncs), tuple(self._syncs),
            self._pending_bytes, self.durable_seq, self._spare_failed,
        )

    def close(self) -> None:
        """Write and sync what is pending and give everything back. Blocks; no more callbacks."""
        with self._guard:
            self._closing = True
        self._kick()
        self._thread.join()
        if self._spare_thread is not None:
            self._spare_thread.join()
        if self._spare is not None:
            self._spare.close()
        self._file.close()
        self._mark.close()
        self._lock.close()

    def _kick(self) -> None:
        """Wake the writer if it sleeps."""
        with self._guard:
            self._kicked = False
            if self._asleep:
                self._asleep = False
                self._wake.release()

    def _fail(self, reason: str) -> None:
        """From either thread, the first time only: stop for good and tell the loop."""
        with self._guard:
            if self.failed:
                return
            self.failed = reason
            silent = self._closing
        if not silent:
            self._loop.call_soon_threadsafe(self._on_failed, reason)

    # -- writer thread --------------------------------------------------------------------------

    def _write(self) -> None:
        try:
            while (piece := self._take()) is not None:
                if piece:
                    self._put(piece)
                else:
                    self._rotate()
        except (OSError, StorageFailed) as error:
            self._fail(str(error))
        except BaseException as error:
            self._fail(f"fault in the journal's writer: {error!r}")
            raise

    def _take(self) -> list[bytes] | None:
        """The next batch; [] when the segment is full, None when all is written and closing."""
        while True:
            self._rest()
            with self._guard:
                if self.failed:
                    return None
                if piece := self._pieces[0]:
                    self._pieces[0] = []
                    return piece
                if len(self._pieces) > 1:
                    del self._pieces[0]
                    return []
                if self._closing:
                    return None
                self._asleep = True
            self._wake.acquire()

    def _rest(self) -> None:
        """Let the gap since the start of the last sync pass; what comes meanwhile joins in."""
        rest_ns = self._sync_started_ns + self._sync_gap_ns - time.perf_counter_ns()
        if rest_ns > 0 and not self._closing:
            time.sleep(rest_ns / NS_PER_S)

    def _put(self, piece: list[bytes]) -> None:
        """Write and sync one batch, publish the mark, tell the loop."""
        size = sum(map(len, piece))
        seq: int = RECORD_SEQ.unpack_from(piece[-1], RECORD_SEQ_AT)[0]
        self._sync_started_ns = time.perf_counter_ns()
        self._file.write(self._offset, piece)
        spent_us = (time.perf_counter_ns() - self._sync_started_ns) // NS_PER_US
        if self._mark.fenced_by() > self.epoch:
            raise StorageFailed(f"epoch {self.epoch} is fenced by {self._mark.fenced_by()}")
        self._offset += size
        self._mark.write(Mark(seq, self.epoch, self._ordinal, self._offset))
        self._syncs[min(spent_us.bit_length(), SYNC_BUCKETS - 1)] += 1
        self._records += len(piece)
        self._bytes += size
        self.durable_seq = seq
        with self._guard:
            self._pending_bytes -= size
            silent = self._closing
        if not silent:
            self._loop.call_soon_threadsafe(self._on_durable, seq)
        if self._offset > self._segment_bytes // 2 and self._spare_thread is None:
            self._spare_thread = Thread(target=self._prepare, name="journal-spare", daemon=True)
            self._spare_thread.start()

    def _rotate(self) -> None:
        """Begin the next segment, then cut the unused end off the full one."""
        if self._spare_thread is not None:
            self._spare_thread.join()
            self._spare_thread = None
        spare, self._spare = self._spare, None
        full, end = self._file, self._offset
        self._file = self._start_segment(spare or self._create(self._ordinal + 1))
        full.truncate(end)
        full.close()

    def _prepare(self) -> None:
        """Allocate the next segment ahead; a failure shows here first, long before it hurts."""
        try:
            self._spare = self._create(self._ordinal + 1)
            self._spare_failed = ""
        except OSError as error:
            self._spare_failed = str(error)

    def _create(self, ordinal: int) -> File:
        return self._disk.create(segment_path(self.directory, ordinal), self._segment_bytes)

    def _start_segment(self, file: File) -> File:
        """Make a prepared file the current segment: its header says where the last one ends."""
        header = SegmentHeader(
            self._worker, self.epoch, self._ordinal + 1, self._offset, self.durable_seq + 1
        )
        file.write(0, (pack_header(header),))
        self._ordinal += 1
        self._offset = HEADER_BYTES
        return file
