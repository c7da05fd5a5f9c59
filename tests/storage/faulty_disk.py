"""A disk whose files fail, stall or tear on command, for the journal's tests."""

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from storage.disk import File, OsDisk


class FaultyFile:
    """A real file that asks its disk before every write."""

    def __init__(self, disk: "FaultyDisk", file: File) -> None:
        self._disk = disk
        self._file = file

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        data = b"".join(pieces)
        self._disk.writes += 1
        self._disk.entered.set()
        self._disk.gate.wait()
        if self._disk.error:
            if torn := data[: self._disk.torn_bytes]:
                self._file.write(offset, (torn,))
            raise OSError(self._disk.error, os.strerror(self._disk.error))
        self._file.write(offset, (data,))

    def read(self, offset: int, size: int) -> bytes:
        return self._file.read(offset, size)

    def sync(self) -> None:
        self._file.sync()

    def size(self) -> int:
        return self._file.size()

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


class FaultyDisk(OsDisk):
    """error: errno of every write from now on; torn_bytes of it still reach the file.

    gate: cleared, writes stall until it is set; entered: a write began. create_error: errno of
    the next allocations.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error = 0
        self.torn_bytes = 0
        self.create_error = 0
        self.writes = 0

    def create(self, path: Path, size: int) -> File:
        if self.create_error:
            raise OSError(self.create_error, os.strerror(self.create_error))
        return FaultyFile(self, super().create(path, size))

    def fail_with(self, number: int, *, torn_bytes: int = 0) -> None:
        assert number in errno.errorcode
        self.torn_bytes = torn_bytes
        self.error = number
