"""The disk as the journal sees it. One seam: the real one here, faulty and simulated ones in tests.

Everything that must survive goes through these few verbs, and each states when it is durable:
`File.write` and `File.sync` when they return, `create` and `replace` with name and content.
Whatever changes a name (create, replace, rename, remove) makes all names of that directory durable.
Errors of the operating system come out as OSError; the caller decides what has failed.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from vocabulary.errors import StorageFailed

ZERO_BLOCK = bytes(1_048_576)
OWNER_ONLY = 0o600
OWNER_DIRECTORY = 0o700


class File(Protocol):
    """An open file of fixed purpose: written at offsets, never appended to by name."""

    def read(self, offset: int, size: int) -> bytes:
        """At most size bytes from offset; fewer only at the end of the file."""

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        """Put the pieces down one after the other; they are durable on return."""

    def sync(self) -> None:
        """All that was written to the file before is durable on return."""

    def size(self) -> int:
        """Length of the file in bytes."""

    def truncate(self, size: int) -> None:
        """Cut the file to a length."""

    def close(self) -> None:
        """Give the descriptor back; twice is harmless."""


class Held(Protocol):
    """Something held until it is closed."""

    def close(self) -> None:
        """Let go."""


class Disk(Protocol):
    """Where a journal lives."""

    def make_directory(self, path: Path) -> None:
        """Make a directory and its parents, for the owner only."""

    def names(self, path: Path) -> list[str]:
        """Names in a directory in order; empty if there is no such directory."""

    def create(self, path: Path, size: int) -> File:
        """A new file of zeros, allocated in full. Raises FileExistsError."""

    def open(self, path: Path) -> File:
        """An existing file. Raises FileNotFoundError."""

    def read(self, path: Path) -> bytes | None:
        """All of a small file, None if it is absent."""

    def replace(self, path: Path, data: bytes) -> None:
        """Give a file this content at once: after a crash it has the old or the new."""

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name on the same volume; a file of that name is gone then."""

    def remove(self, path: Path) -> None:
        """Delete a file."""

    def lock(self, path: Path) -> Held:
        """Hold a lock that ends with the process. Raises StorageFailed if another holds it."""

    def map(self, path: Path, size: int) -> mmap.mmap:
        """Shared memory over a file of that size, made if it is absent. Not durable by itself."""


class OsFile:
    """A file by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """See File."""
        return os.pread(self._descriptor, size, offset)

    def write(self, offset: int, pieces: Sequence[bytes]) -> None:
        """See File. One system call writes and syncs: one wait for the interpreter, not two."""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        done = os.pwritev(self._descriptor, (data,), offset, os.RWF_DSYNC)
        while done < len(data):
            done += os.pwritev(
                self._descriptor, (memoryview(data)[done:],), offset + done, os.RWF_DSYNC
            )

    def sync(self) -> None:
        """See File."""
        os.fdatasync(self._descriptor)

    def size(self) -> int:
        """See File."""
        return os.fstat(self._descriptor).st_size

    def truncate(self, size: int) -> None:
        """See File."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """See File."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class OsDisk:
    """The real disk."""

    def make_directory(self, path: Path) -> None:
        """See Disk."""
        path.mkdir(mode=OWNER_DIRECTORY, parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        """See Disk."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def create(self, path: Path, size: int) -> File:
        """See Disk.

        Zeros are written, not only allocated: a first write into an unwritten extent changes
        metadata, and then every sync would wait for the file system's own journal too. What can
        be seen not to fit is not tried, or it would take the last free blocks from others.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, OWNER_ONLY)
        try:
            with naming(path):
                _fill(descriptor, size)
                sync_directory(path.parent)
        except OSError:
            os.close(descriptor)
            os.unlink(path)
            raise
        return OsFile(descriptor)

    def open(self, path: Path) -> File:
        """See Disk."""
        return OsFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def read(self, path: Path) -> bytes | None:
        """See Disk."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, path: Path, data: bytes) -> None:
        """See Disk."""
        draft = path.with_name(path.name + ".new")
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY
        )
        try:
            with naming(draft):
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, path)
        sync_directory(path.parent)

    def rename(self, source: Path, target: Path) -> None:
        """See Disk."""
        os.replace(source, target)
        sync_directory(target.parent)
        if source.parent != target.parent:
            sync_directory(source.parent)

    def remove(self, path: Path) -> None:
        """See Disk."""
        os.unlink(path)
        sync_directory(path.parent)

    def lock(self, path: Path) -> Held:
        """See Disk. flock, so that it ends with the process however that ends."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StorageFailed(f"{path.parent} is in use by another process") from None
        return OsFile(descriptor)

    def map(self, path: Path, size: int) -> mmap.mmap:
        """See Disk."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            with naming(path):
                if os.fstat(descriptor).st_size < size:
                    os.posix_fallocate(descriptor, 0, size)
                return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of calls that know only a descriptor name the path: a full disk says which."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def _fill(descriptor: int, size: int) -> None:
    """Allocate a file and write zeros all over it, durably."""
    volume = os.fstatvfs(descriptor)
    if volume.f_bavail * volume.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.posix_fallocate(descriptor, 0, size)
    for offset in range(0, size, len(ZERO_BLOCK)):
        block = ZERO_BLOCK[: min(len(ZERO_BLOCK), size - offset)]
        os.pwritev(descriptor, (block,), offset, os.RWF_DSYNC)
    os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
