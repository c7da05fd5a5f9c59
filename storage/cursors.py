"""Cursors: up to where each reader of a journal has everything, kept beside the segments.

```
cursor-record    seq 8 │ CRC32C 4        little-endian; one file a reader, replaced as a whole
```
A cursor holds back all segments above it (storage.retention). It is a lower bound: old is safe.
One that cannot be read holds back everything.
"""

import re
from pathlib import Path
from struct import Struct as Layout

from google_crc32c import extend

from storage.disk import Disk, OsDisk
from vocabulary.crash_points import crash_point

CURSOR = Layout("<Q")
CURSOR_CRC = Layout("<I")
NAME = re.compile(r"cursor-([a-z][a-z0-9-]{0,31})")
RECORD_CURSOR = "record"


def write_cursor(directory: Path, name: str, seq: int, *, disk: Disk | None = None) -> None:
    """Say that reader `name` has everything up to seq. Durable on return. Raises OSError."""
    assert NAME.fullmatch(f"cursor-{name}")
    body = CURSOR.pack(seq)
    crash_point("cursor_before_write")
    (disk or OsDisk()).replace(
        directory / f"cursor-{name}", body + CURSOR_CRC.pack(extend(0, body))
    )
    crash_point("cursor_written")


def drop_cursor(directory: Path, name: str, *, disk: Disk | None = None) -> bool:
    """Forget a reader; False if there is none of that name."""
    disk = disk or OsDisk()
    if f"cursor-{name}" not in disk.names(directory):
        return False
    disk.remove(directory / f"cursor-{name}")
    return True


def read_cursors(directory: Path, *, disk: Disk | None = None) -> dict[str, int]:
    """Sequence by reader; 0 for a file that is not whole."""
    disk = disk or OsDisk()
    found: dict[str, int] = {}
    for file_name in disk.names(directory):
        match = NAME.fullmatch(file_name)
        if match is not None:
            found[match[1]] = _parse(disk.read(directory / file_name) or b"")
    return found


def _parse(data: bytes) -> int:
    if len(data) != CURSOR.size + CURSOR_CRC.size:
        return 0
    body, crc = data[: CURSOR.size], CURSOR_CRC.unpack_from(data, CURSOR.size)[0]
    seq: int = CURSOR.unpack(body)[0]
    return seq if extend(0, body) == crc else 0
