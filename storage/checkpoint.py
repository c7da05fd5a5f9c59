"""Checkpoints: the state at a journal sequence, so that recovery replays only what came later.

```
checkpoint-00000000000000012345    magic 8 │ seq 8 │ CRC32C 4 │ payload
```
Written to a draft, synced, renamed, the directory synced: after a crash a checkpoint is whole or
absent. The two newest are kept, so that one damaged file costs a longer replay and nothing else.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import Struct as Layout
from threading import Thread
from typing import NamedTuple

from google_crc32c import extend

from storage.disk import Disk, OsDisk
from vocabulary.crash_points import crash_point

MAGIC = b"DCECHK1\n"
HEAD = Layout("<8sQI")
SEQ = Layout("<Q")
KEPT = 2
NAME = re.compile(r"checkpoint-(\d{20})")


class Found(NamedTuple):
    """A checkpoint on disk. fault: what is wrong with its bytes, "" if it is whole."""

    path: Path
    seq: int
    payload: bytes
    fault: str = ""


def write_checkpoint(
    directory: Path, seq: int, payload: bytes, *, disk: Disk | None = None
) -> None:
    """Write a checkpoint and drop all but it and the one before. Durable on return.

    One beyond seq is dropped too: the journal ends here, so nothing explains it. Raises OSError.
    """
    disk = disk or OsDisk()
    disk.make_directory(directory)
    head = HEAD.pack(MAGIC, seq, _checksum(seq, payload))
    crash_point("checkpoint_before_write")
    disk.replace(directory / f"checkpoint-{seq:020d}", head + payload)
    crash_point("checkpoint_written")
    newest = f"checkpoint-{seq:020d}"
    kept = [name for name in _names(disk, directory) if name <= newest][:KEPT]
    for name in disk.names(directory):
        if name.startswith("checkpoint-") and name not in kept:
            crash_point("checkpoint_before_remove")
            disk.remove(directory / name)
            crash_point("checkpoint_removed")


def load_newest(
    directory: Path, *, last_seq: int | None = None, disk: Disk | None = None
) -> tuple[int, bytes] | None:
    """(seq, payload) of the newest whole checkpoint, None if there is none.

    last_seq: end of the journal; a checkpoint beyond it is not believed.
    """
    for found in checkpoints(directory, disk=disk):
        if not found.fault and (last_seq is None or found.seq <= last_seq):
            return found.seq, found.payload
    return None


def checkpoints(directory: Path, *, disk: Disk | None = None) -> Iterator[Found]:
    """The checkpoints of a folder, newest first, each read when it is asked for."""
    disk = disk or OsDisk()
    for name in _names(disk, directory):
        yield _read(disk, directory / name)


def _read(disk: Disk, path: Path) -> Found:
    seq = int(path.name.rpartition("-")[2])
    data = disk.read(path) or b""
    if len(data) < HEAD.size:
        return Found(path, seq, b"", f"it has {len(data)} bytes, not even a header")
    magic, written, crc = HEAD.unpack_from(data)
    payload = data[HEAD.size :]
    if magic != MAGIC or written != seq:
        return Found(path, seq, b"", "its header is not that of this checkpoint")
    if crc != _checksum(seq, payload):
        return Found(path, seq, b"", "its checksum does not fit its bytes")
    return Found(path, seq, payload)


def payload_checksum(payload: bytes) -> int:
    """CRC32C of a journal record's payload, by which a checkpoint knows its journal."""
    checksum: int = extend(0, payload)
    return checksum


class CheckpointWriter:
    """Writes one checkpoint at a time on a short thread of its own."""

    def __init__(
        self,
        directory: Path,
        loop: asyncio.AbstractEventLoop,
        on_written: Callable[[int], None],
        on_failed: Callable[[str], None],
        *,
        disk: Disk | None = None,
    ) -> None:
        """on_written(seq), on_failed(reason): called in the loop when a checkpoint has ended."""
        self.busy = False
        self._directory = directory
        self._loop = loop
        self._on_written = on_written
        self._on_failed = on_failed
        self._disk = disk
        self._thread: Thread | None = None

    def begin(self, seq: int, payload: bytes, durable_seq: int) -> bool:
        """Start one; False while the last is under way or the journal is not durable to seq.

        State beyond the durable mark must not outlive the records that explain it.
        """
        if self.busy or seq > durable_seq:
            return False
        self.busy = True
        self._thread = Thread(
            target=self._run, args=(seq, payload), name="checkpoint", daemon=True
        )
        self._thread.start()
        return True

    def close(self) -> None:
        """Wait for the one under way. Blocks."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, seq: int, payload: bytes) -> None:
        try:
            write_checkpoint(self._directory, seq, payload, disk=self._disk)
        except OSError as error:
            self._loop.call_soon_threadsafe(self._end, self._on_failed, str(error))
        else:
            self._loop.call_soon_threadsafe(self._end, self._on_written, seq)

    def _end(self, tell: Callable[..., None], what: int | str) -> None:
        self.busy = False
        tell(what)


def _names(disk: Disk, directory: Path) -> list[str]:
    """Checkpoint names, newest first."""
    return [name for name in reversed(disk.names(directory)) if NAME.fullmatch(name)]


def _checksum(seq: int, payload: bytes) -> int:
    checksum: int = extend(extend(0, SEQ.pack(seq)), payload)
    return checksum
