"""A disk in memory that forgets: storage.disk.Disk with power cuts, torn sectors and errors.

```
SimFile.write ─► now (what a running system reads)
                  │ the call returns: durable          cut: power goes inside a call
                  ▼                                     ▼
                safe ◄──────────── power_cut() ── each 512-byte sector of what is still loose
                                                  is there or is not, in any order
```
A kill -9 keeps `now`; a power cut keeps `safe` and what chance adds of the rest. One seed gives
one history. With `honest=False` nothing ever becomes durable though every call says so: the
control that must fail.
"""

import errno
import mmap
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from storage.disk import File, Held
from vocabulary.errors import StorageFailed

SECTOR_BYTES = 512
BLOCK_BYTES = 4096


class PowerCut(BaseException):
    """The power went. No handler of an Exception may survive it."""


class Inode:
    """One file. now: what is read; safe: what the platter holds; loose: writes between both."""

    def __init__(self, size: int) -> None:
        self.now = bytearray(size)
        self.safe = bytearray(size)
        self.loose: list[tuple[int, bytes]] = []

    def put(self, offset: int, data: bytes) -> None:
        """Write to the page cache."""
        _place(self.now, offset, data)
        self.loose.append((offset, data))

    def settle(self) -> None:
        """All of now is on the platter."""
        self.safe = bytearray(self.now)
        self.loose.clear()

    def tear(self, chance: random.Random) -> None:
        """What a power cut leaves: safe, and any sectors of what was loose."""
        kept = chance.choice((0.0, 0.5, 0.9, 1.0))
        for offset, data in self.loose:
            start = offset
            while start < offset + len(data):
                stop = min(start + SECTOR_BYTES - start % SECTOR_BYTES, offset + len(data))
                if chance.random() < kept:
                    _place(self.safe, start, data[start - offset : stop - offset])
                start = stop
        if len(self.now) != len(self.safe) and chance.random() < 0.5:
            del self.safe[len(self.now) :]  # the new length came down, the sync did not
        self.now = bytearray(self.safe)
        self.loose.clear()


class SharedPage(mmap.mmap):
    """Memory that two processes share over a file; the kernel writes it back when it likes.

    kept: what the platter has of it.
    """

    kept = b""

    def close(self) -> None:
        """The other process, and the next one, go on with it."""


def shared_page(content: bytes) -> SharedPage:
    """A page as a process finds it."""
    page = SharedPage(-1, len(content))
    page[:] = page.kept = content
    return page


class SimFile:
    """An open file; using it after the crash that closed it is a fault of the simulation."""

    def __init__(self, disk: "SimDisk", path: Path, inode: Inode) -> None:
        self._disk = disk
        self._path = path
        self._inode = inode
        self._boot = disk.boot
        self._failed = False

    def read(self, offset: int, size: int) -> bytes:
        """See storage.disk.File."""
        self._assert_open()
        return bytes(self._inode.now[offset : offset + size])

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        """See storage.disk.File. A write that is cut or fails leaves any of its sectors."""
        self._assert_open()
        assert not self._failed, f"{self._path} is written after an error"
        data = b"".join(pieces)
        self._inode.put(offset, data)
        try:
            self._disk.step(f"write {self._path.name}")
        except OSError:
            self._failed = True
            self._inode.tear(self._disk.chance)
            raise
        if self._disk.honest:
            if len(self._inode.safe) == len(self._inode.now):
                _place(self._inode.safe, offset, data)
                self._inode.loose.pop()
            else:
                self._inode.settle()

    def sync(self) -> None:
        """See storage.disk.File."""
        self._assert_open()
        self._disk.step(f"sync {self._path.name}")
        if self._disk.honest:
            self._inode.settle()

    def size(self) -> int:
        """See storage.disk.File."""
        return len(self._inode.now)

    def truncate(self, size: int) -> None:
        """See storage.disk.File. Not durable before a sync."""
        self._assert_open()
        self._disk.step(f"truncate {self._path.name}", full=False)
        del self._inode.now[size:]

    def close(self) -> None:
        """See storage.disk.File."""

    def _assert_open(self) -> None:
        assert self._boot == self._disk.boot, f"{self._path} is used by a dead process"


class SimLock:
    """A lock of one process."""

    def __init__(self, disk: "SimDisk", path: Path) -> None:
        self._disk = disk
        self._path = path

    def close(self) -> None:
        """See storage.disk.Held."""
        self._disk.locks.discard(self._path)


class SimDisk:
    """See the module's drawing.

    steps: disk operations so far; cut_at: the step inside which the power goes (0: none).
    failing: errno of every write and sync; fail_once: of the next one only. full: every allocation
    fails with ENOSPC. before_step: told what comes; what it raises happens there.
    """

    def __init__(self, seed: int, *, honest: bool = True) -> None:
        self.chance = random.Random(f"disk {seed}")
        self.honest = honest
        self.files: dict[Path, Inode] = {}
        self.pages: dict[Path, SharedPage] = {}
        self.locks: set[Path] = set()
        self.boot = 0
        self.steps = 0
        self.cut_at = 0
        self.failing = 0
        self.fail_once = 0
        self.full = False
        self.before_step: Callable[[str], None] | None = None

    # What the world does to it

    def power_cut(self) -> None:
        """Every process is dead, and memory is gone."""
        for inode in self.files.values():
            inode.tear(self.chance)
        for path, page in self.pages.items():
            self.pages[path] = shared_page(page[:] if self.chance.random() < 0.5 else page.kept)
        self._reboot()

    def kill(self) -> None:
        """Every process is dead; the page cache lives on."""
        self._reboot()

    def _reboot(self) -> None:
        self.boot += 1
        self.locks.clear()
        self.cut_at = 0

    def step(self, what: str, full: bool = True) -> None:
        """One operation that can be cut or fail. full: an error of the medium hits it too."""
        self.steps += 1
        if self.chance.random() < 0.05:
            for page in self.pages.values():
                page.kept = page[:]
        if self.before_step is not None:
            self.before_step(what)
        if self.cut_at and self.steps >= self.cut_at:
            raise PowerCut(what)
        failing = self.failing or self.fail_once
        if failing and full:
            self.fail_once = 0
            raise OSError(failing, os.strerror(failing), what)

    # storage.disk.Disk

    def make_directory(self, path: Path) -> None:
        """See storage.disk.Disk. Directories need no making here."""

    def names(self, path: Path) -> list[str]:
        """See storage.disk.Disk."""
        return sorted(
            file.name for file in (*self.files, *self.pages) if file.parent == path
        )

    def create(self, path: Path, size: int) -> File:
        """See storage.disk.Disk. Cut inside, the file may be there with any part of its length."""
        if path in self.files:
            raise FileExistsError(path)
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        try:
            self.step(f"create {path.name}")
        except PowerCut:
            if self.chance.random() < 0.5:
                blocks = self.chance.randrange(size // BLOCK_BYTES + 1)
                self.files[path] = Inode(blocks * BLOCK_BYTES)
            raise
        inode = self.files[path] = Inode(size)
        return SimFile(self, path, inode)

    def open(self, path: Path) -> File:
        """See storage.disk.Disk."""
        if path not in self.files:
            raise FileNotFoundError(path)
        return SimFile(self, path, self.files[path])

    def read(self, path: Path) -> bytes | None:
        """See storage.disk.Disk."""
        inode = self.files.get(path)
        return None if inode is None else bytes(inode.now)

    def replace(self, path: Path, data: bytes) -> None:
        """See storage.disk.Disk. Cut inside, the draft may lie there, whole or not."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        draft = path.with_name(path.name + ".new")
        inode = Inode(0)
        inode.put(0, data)
        self.files[draft] = inode
        self.step(f"write {draft.name}")
        if self.honest:
            inode.settle()
        self.rename(draft, path)

    def rename(self, source: Path, target: Path) -> None:
        """See storage.disk.Disk. Cut inside, it has happened or it has not."""
        try:
            self.step(f"rename {target.name}")
        except PowerCut:
            if self.chance.random() < 0.5:
                self._move(source, target)
            raise
        self._move(source, target)

    def _move(self, source: Path, target: Path) -> None:
        if source in self.pages:
            self.pages[target] = self.pages.pop(source)
        else:
            self.files[target] = self.files.pop(source)

    def remove(self, path: Path) -> None:
        """See storage.disk.Disk. Cut inside, it has happened or it has not."""
        try:
            self.step(f"remove {path.name}")
        except PowerCut:
            if self.chance.random() < 0.5:
                del self.files[path]
            raise
        del self.files[path]

    def lock(self, path: Path) -> Held:
        """See storage.disk.Disk."""
        if path in self.locks:
            raise StorageFailed(f"{path.parent} is in use by another process")
        self.locks.add(path)
        return SimLock(self, path)

    def map(self, path: Path, size: int) -> mmap.mmap:
        """See storage.disk.Disk."""
        return self.pages.setdefault(path, shared_page(bytes(size)))


def _place(target: bytearray, offset: int, data: bytes) -> None:
    """Write at an offset, with zeros before it where the file was shorter."""
    if len(target) < offset + len(data):
        target.extend(bytes(offset + len(data) - len(target)))
    target[offset : offset + len(data)] = data
