"""The journal of one signal worker: the commit point of everything that is acknowledged.

```
loop thread                         writer thread                         other processes
append ──► pending pieces ──step──► pwritev(RWF_DSYNC) ──► mark ───────► JournalReader
             one per segment        one in flight, the next       │
on_durable(seq) ◄── call_soon_threadsafe, once a sync ◄───────────┘
                                    keeper thread: reserve and next segment, while one is missing
```
Here are the threads; what they do is storage.journal_core. append costs the loop no system call:
the writer is woken once a loop turn, and only if it sleeps. While a sync runs, whatever is
appended becomes the next batch, which starts when the sync is back and the gap since its start
has passed. A sync costs 40 µs of CPU and more, whatever it carries: at 2,000 calls/s one for
every call would cost more than the call's decision. The gap bounds that and adds its length at
most to a wait; a lone answer never meets it. So an answer waits for two syncs at most, the one in
flight and its own, and the loop waits for none.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from msgspec import Struct

from storage.disk import Disk, OsDisk
from storage.journal_core import JournalCore
from vocabulary import limits

NS_PER_S = 1_000_000_000


class JournalStatistics(Struct, gc=False):
    """Counters since the start. sync_us_log2[n]: syncs that took 2^(n−1) to 2^n µs."""

    records: int
    bytes: int
    syncs: int
    sync_us_log2: tuple[int, ...]
    pending_bytes: int
    durable_seq: int
    spare_failed: str
    full: str


class Journal:
    """The write side. All but `open` and `close` is for the loop's thread and never blocks.

    append(seq, kind, payload): see JournalCore.append.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        *,
        worker: int,
        loop: asyncio.AbstractEventLoop,
        on_durable: Callable[[int], None],
        on_failed: Callable[[str], None],
        on_full: Callable[[str], None],
        segment_bytes: int,
        reserve_bytes: int,
        pending_bytes_max: int,
        sync_gap_ns: int,
        retry_ns: int,
    ) -> None:
        """Use `open`."""
        self._loop = loop
        self._sync_gap_ns = self._gap_ns = sync_gap_ns
        self._retry_s = retry_ns / NS_PER_S
        self._kicked = False
        self._closing = Event()
        self._asleep = Lock()
        self._asleep.acquire()
        self._core = JournalCore(
            directory, disk, worker=worker,
            on_durable=self._told(on_durable), on_failed=self._told(on_failed),
            on_full=self._told(on_full), wake=self._wake_soon,
            segment_bytes=segment_bytes, reserve_bytes=reserve_bytes,
            pending_bytes_max=pending_bytes_max,
        )
        self.append = self._core.append
        self._writer = Thread(target=self._write, name="journal", daemon=True)
        self._keeper: Thread | None = None

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        worker: int,
        loop: asyncio.AbstractEventLoop,
        on_durable: Callable[[int], None],
        on_failed: Callable[[str], None],
        on_full: Callable[[str], None],
        segment_bytes: int = limits.segment_bytes,
        reserve_bytes: int = limits.journal_reserve_bytes,
        pending_bytes_max: int = limits.journal_pending_bytes_max,
        sync_gap_ns: int = limits.journal_sync_gap_ns,
        retry_ns: int = limits.journal_retry_ns,
        disk: Disk | None = None,
    ) -> "Journal":
        """Claim the directory, cut a torn tail, begin a segment, start the threads. Blocks.

        on_durable(seq): everything up to seq is on disk; once a sync. on_failed(reason): once,
        at the first error. on_full(reason): there is no reserve, so nothing may be admitted; ""
        once there is one again. All are called in the loop; look at `full` after opening.
        retry_ns: between two tries to make a file. Raises StorageFailed if another process
        holds the journal, JournalDamaged, OSError.
        """
        journal = cls(
            directory, disk or OsDisk(), worker=worker, loop=loop, on_durable=on_durable,
            on_failed=on_failed, on_full=on_full, segment_bytes=segment_bytes,
            reserve_bytes=reserve_bytes, pending_bytes_max=pending_bytes_max,
            sync_gap_ns=sync_gap_ns, retry_ns=retry_ns,
        )
        journal._keep()
        journal._writer.start()
        return journal

    @property
    def directory(self) -> Path:
        """Where it lives."""
        return self._core.directory

    @property
    def epoch(self) -> int:
        """Of this process."""
        return self._core.epoch

    @property
    def next_seq(self) -> int:
        """What the next append must carry."""
        return self._core.next_seq

    @property
    def durable_seq(self) -> int:
        """Everything up to it is on disk."""
        return self._core.durable_seq

    @property
    def failed(self) -> str:
        """The first error: nothing new may be acknowledged. "" while all is well."""
        return self._core.failed

    @property
    def dead(self) -> bool:
        """Nothing is written any more; until then the ends of live calls are, though it failed."""
        return self._core.dead

    @property
    def full(self) -> str:
        """Why there is no reserve, so that nothing may be admitted; "" while there is one."""
        return self._core.full

    def statistics(self) -> JournalStatistics:
        """Counters for the metrics."""
        core = self._core
        return JournalStatistics(
            core.records, core.bytes, sum(core.syncs), tuple(core.syncs), core.pending_bytes,
            core.durable_seq, core.short, core.full,
        )

    def close(self) -> None:
        """Write and sync what is pending and give everything back. Blocks; no more callbacks."""
        self._closing.set()
        self._kick()
        self._writer.join()
        if self._keeper is not None:
            self._keeper.join()
        self._core.give_back()

    def _told(self, tell: Callable[[Any], None]) -> Callable[[Any], None]:
        """A call-back of the core's threads, carried to the loop."""

        def carry(what: int | str) -> None:
            if not self._closing.is_set():
                self._loop.call_soon_threadsafe(tell, what)

        return carry

    def _wake_soon(self) -> None:
        """Wake the writer at the end of this loop turn, when more may have been appended."""
        if not self._kicked:
            self._kicked = True
            self._loop.call_soon(self._kick)

    def _kick(self) -> None:
        """Wake the writer if it sleeps."""
        with self._core.guard:
            self._kicked = False
            if self._core.idle:
                self._core.idle = False
                self._asleep.release()

    # -- writer thread --------------------------------------------------------------------------

    def _write(self) -> None:
        core = self._core
        try:
            while True:
                self._rest()
                began_ns, records = core.sync_began_ns, core.records
                if core.step():
                    self._fit_gap(core.records - records, core.sync_began_ns - began_ns)
                    self._keep()
                elif core.dead or self._closing.is_set():
                    return
                else:
                    self._asleep.acquire()
        except BaseException as error:
            core.die(f"fault in the journal's writer: {error!r}")
            raise

    def _rest(self) -> None:
        """Let the gap since the start of the last sync pass; what comes meanwhile joins in."""
        rest_ns = self._core.sync_began_ns + self._gap_ns - time.perf_counter_ns()
        if rest_ns > 0 and not self._closing.is_set():
            time.sleep(rest_ns / NS_PER_S)

    def _fit_gap(self, records: int, elapsed_ns: int) -> None:
        """Twice the gap where a batch came faster than the gap is meant for."""
        if records:
            busy = records * NS_PER_S > limits.journal_records_per_s_max * elapsed_ns
            self._gap_ns = self._sync_gap_ns * (1 + busy)

    # -- keeper thread --------------------------------------------------------------------------

    def _keep(self) -> None:
        """Start the keeper if there is something to prepare and it does not run."""
        if self._core.wants_file() and (self._keeper is None or not self._keeper.is_alive()):
            self._keeper = Thread(target=self._prepare, name="journal-keeper", daemon=True)
            self._keeper.start()

    def _prepare(self) -> None:
        """Make what is missing; on a full disk try again until there is room."""
        core = self._core
        while core.wants_file():
            core.prepare()
            if core.short and self._closing.wait(self._retry_s):
                return
