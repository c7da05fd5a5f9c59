"""The desk of trading.py with the real journal below it, its steps driven by the wire's clock.

    desk ── facts ──► JournalCore on a FaultyDisk;  a sync that begins at t is back at t + disk_ns
"""

from pathlib import Path
from typing import Any

from exchange.recover import Replay
from exchange.signals import Durable, JournalFailed, JournalFull
from storage.fact_types import FACT_TYPES
from storage.journal_core import JournalCore
from storage.reader import JournalReader
from tests.exchange.trading import DeskWithDisk
from tests.routing.plans import Document
from tests.sim.wire import MS, S
from tests.storage.faulty_disk import FaultyDisk
from vocabulary.facts import CallAnswered, Fact

SEGMENT_BYTES = 16_384


class DeskWithJournal(DeskWithDisk):
    """waits_ns: of each start record, from its emission to Durable. told: what the journal said
    of its reserve, with the instant."""

    def __init__(
        self, plan: Document, folder: Path, disk_ns: int = 2 * MS,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.disk = FaultyDisk()
        self.folder = folder
        self.waits_ns: list[int] = []
        self.told: list[tuple[int, str]] = []
        self._answers: dict[int, int] = {}
        self._now_ns = S
        self._busy_until_ns = 0
        self._prepare_at_ns = S
        self._heard: list[tuple[int, Any]] = []  # when the loop hears what
        self.core = JournalCore(
            folder, self.disk, worker=0,
            on_durable=lambda seq: self._hear(Durable(seq)),
            on_failed=lambda reason: self._hear(JournalFailed(reason)),
            on_full=lambda reason: self._hear(JournalFull(reason)),
            segment_bytes=segment_bytes, reserve_bytes=2 * segment_bytes,
        )
        self.core.prepare()
        super().__init__(plan, disk_ns)

    def expire(self, now_ns: int) -> None:
        self._now_ns = now_ns
        while self._heard and self._heard[0][0] <= now_ns:
            notice = self._heard.pop(0)[1]
            if type(notice) is Durable:
                for seq in [seq for seq in self._answers if seq <= notice.seq]:
                    self.waits_ns.append(now_ns - self._answers.pop(seq))
            elif type(notice) is JournalFull:
                self.told.append((now_ns, notice.reason))
            self.desk.receive(notice, now_ns)
        self._write(now_ns)
        if self.core.wants_file() and now_ns >= self._prepare_at_ns:
            self._prepare_at_ns = now_ns + S
            self.core.prepare()
        self.desk.expire(now_ns)
        self.keep(now_ns)

    def deadline(self) -> int | None:
        dues = [self._heard[0][0]] if self._heard else []
        if self.core.pending_bytes and not self.core.dead:
            dues.append(self._busy_until_ns)
        if self.core.wants_file():
            dues.append(self._prepare_at_ns)
        if (due := self.desk.deadline()) is not None:
            dues.append(due)
        return min(dues, default=None)

    def keep(self, now_ns: int) -> None:
        """Hand the facts among the outputs to the journal."""
        self._now_ns = now_ns
        seq = self.desk.seq - self.desk.emitted
        self.desk.emitted = 0
        for output in self.desk.out:
            if isinstance(output, Fact):
                seq += 1
                payload = self.encoder.encode(output)
                self.core.append(seq, FACT_TYPES[type(output)], payload)
                self.facts.append((seq, self.decoder.decode(payload)))
                if type(output) is CallAnswered:
                    self._answers[seq] = now_ns
        self.desk.out = [output for output in self.desk.out if not isinstance(output, Fact)]
        self._write(now_ns)

    def on_disk(self) -> list[tuple[int, Fact]]:
        """What a start would read; the journal must be whole."""
        reader = JournalReader(self.folder, whole=True)
        try:
            return [(entry.seq, self.decoder.decode(entry.payload)) for entry in reader]
        finally:
            reader.close()

    def replayed(self) -> Replay:
        replay = Replay()
        for seq, fact in self.on_disk():
            replay.apply(seq, fact)
        return replay

    def _write(self, now_ns: int) -> None:
        """Begin the next sync, if the last one is back."""
        if now_ns >= self._busy_until_ns and self.core.pending_bytes and not self.core.dead:
            self._busy_until_ns = now_ns + (self.disk_ns or 0)  # a new header is a sync, too
            self.core.step()

    def _hear(self, notice: Any) -> None:
        self._heard.append((self._now_ns + (self.disk_ns or 0), notice))
