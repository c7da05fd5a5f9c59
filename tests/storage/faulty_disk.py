"""A disk whose files fail, stall or tear on command, for the journal's tests."""

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from storage.disk import File, OsDisk


class FaultyFile:
    """A real file that asks its disk before every write, and remembers that it failed."""

    def __init__(self, disk: "FaultyDisk", file: File) -> None:
        self._disk = disk
        self._file = file
        self.broken = False

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        data = b"".join(pieces)
        disk = self._disk
        assert not self.broken, "a file that failed was written again"
        disk.writes += 1
        disk.entered.set()
        disk.gate.wait()
        if disk.error and disk.failures:
            disk.failures -= 1
            self.broken = True
            if torn := data[: disk.torn_bytes]:
                self._file.write(offset, (torn,))
            raise OSError(disk.error, os.strerror(disk.error))
        self._file.write(offset, (data,))

    def read(self, offset: int, size: int) -> bytes:
        return self._file.read(offset, size)

    def sync(self) -> None:
        assert not self.broken, "a file that failed was synced again"
        self._file.sync()

    def size(self) -> int:
        return self._file.size()

    def truncate(self, size: int) -> None:
        assert not self.broken, "a file that failed was cut"
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


class FaultyDisk(OsDisk):
    """error: errno of the next `failures` writes; torn_bytes of them still reach the file.

    gate: cleared, writes stall until it is set; entered: a write began; renamed: the reserve got
    a name. create_error: errno of
    allocations, from the creates_left-th on.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.renamed = threading.Event()
        self.error = 0
        self.failures = 0
        self.torn_bytes = 0
        self.create_error = 0
        self.creates_left = 0
        self.writes = 0

    def create(self, path: Path, size: int) -> File:
        if self.create_error:
            if not self.creates_left:
                raise OSError(self.create_error, os.strerror(self.create_error), str(path))
            self.creates_left -= 1
        return FaultyFile(self, super().create(path, size))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.renamed.set()

    def open(self, path: Path) -> File:
        return FaultyFile(self, super().open(path))

    def fail_with(self, number: int, *, torn_bytes: int = 0, failures: int = 1_000_000) -> None:
        """Let the next writes fail."""
        assert number in errno.errorcode
        self.torn_bytes = torn_bytes
        self.failures = failures
        self.error = number
