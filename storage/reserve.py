"""The reserve: a file of zeros, as long as a segment or longer, held back for a full disk.

```
reserve.new ──filled, durable──► reserve ──disk full, or a file failed──► journal-NNNNNNNN.seg
```
Under its own name it is whole. Giving it a segment's name takes no space, and it is one then.
"""

from pathlib import Path

from storage.disk import Disk, File
from storage.segment import segment_path
from vocabulary.crash_points import crash_point

RESERVE_NAME = "reserve"
DRAFT_NAME = "reserve.new"


def find_reserve(disk: Disk, directory: Path, size_min: int) -> File | None:
    """The reserve of a process before, None if there is none of at least size_min bytes."""
    names = disk.names(directory)
    if DRAFT_NAME in names:
        disk.remove(directory / DRAFT_NAME)
    if RESERVE_NAME not in names:
        return None
    file = disk.open(directory / RESERVE_NAME)
    if file.size() >= size_min:
        return file
    file.close()
    return None


def create_reserve(disk: Disk, directory: Path, size: int) -> File:
    """A new reserve, durable on return, instead of one too short. Raises OSError."""
    crash_point("reserve_before_create")
    file = disk.create(directory / DRAFT_NAME, size)
    crash_point("reserve_created")
    try:
        disk.rename(directory / DRAFT_NAME, directory / RESERVE_NAME)
    except OSError:
        file.close()
        disk.remove(directory / DRAFT_NAME)
        raise
    crash_point("reserve_named")
    return file


def reserve_to_segment(disk: Disk, directory: Path, ordinal: int) -> File:
    """Give the reserve the name of a segment, also over a file that failed under it.

    Opened by that name: what is written must be what the name stands for.
    """
    path = segment_path(directory, ordinal)
    crash_point("reserve_before_use")
    disk.rename(directory / RESERVE_NAME, path)
    crash_point("reserve_used")
    return disk.open(path)
