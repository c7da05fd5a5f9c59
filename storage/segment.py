"""One segment of the journal: its bytes and how they are read back.

```
journal-00000007.seg      preallocated, zeros where nothing was written yet; numbers little-endian
┌ header, 64 bytes ──────────────────────────────────────────────────────────────────────────┐
│ magic 8 │ version 2 │ worker 2 │ epoch 4 │ ordinal 4 │ previous end 4 │ first seq 8 │ CRC 4 │
├ record ──────────────────────────────────────────────────────────────────────────┬─────────┤
│ length 4 │ CRC32C 4 │ epoch 4 │ sequence 8 │ kind 2 (top bit: opens a batch) │ payload … │ │
├ record, unaligned: straight behind the one before … ──────────────────────────────────────┤
│ 00 00 00 00 … length 0: nothing was written from here on                                   │
└────────────────────────────────────────────────────────────────────────────────────────────┘
```
The CRC starts from the length and covers everything behind it, so no field stands outside.
Every process start and every full segment begins a new file: a file has one epoch, a process
never writes where another one wrote, and the next header says where this one ended.

Torn tail or damage? A batch is written only after the one before it was synced. So a whole record
that opens a batch proves that all bytes before it were durable once: a bad record with such a
proof behind it is damage and refuses the start; without one it is the torn end of the last batch,
which was never acknowledged, and is cut.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout
from typing import NamedTuple

from google_crc32c import extend

from storage.disk import Disk, File
from vocabulary import limits
from vocabulary.errors import JournalDamaged

MAGIC = b"DCEJRNL\n"
VERSION = 1
HEADER = Layout("<8sHHIIIQ")
HEADER_CRC = Layout("<I")
HEADER_BYTES = 64
FRAME = Layout("<II")  # length, CRC
BODY = Layout("<IQH")  # epoch, sequence, kind
RECORD = Layout("<IIIQH")
RECORD_BYTES = RECORD.size
OPENS_BATCH = 0x8000
KIND_MASK = 0x7FFF
CHUNK_BYTES = 1_048_576
ZEROS = bytes(CHUNK_BYTES + RECORD_BYTES + limits.record_bytes_max)  # as much as one look reads
NAME = re.compile(r"journal-(\d{8})\.seg")

assert FRAME.size + BODY.size == RECORD.size
assert HEADER.size + HEADER_CRC.size <= HEADER_BYTES


class SegmentHeader(NamedTuple):
    """What a segment says of itself. previous_end: bytes of the segment before that count."""

    worker: int
    epoch: int
    ordinal: int
    previous_end: int
    first_seq: int


class Entry(NamedTuple):
    """One record as it is read. ordinal, offset: where it stands, for messages and tools."""

    seq: int
    epoch: int
    kind: int
    payload: bytes
    ordinal: int
    offset: int


class Segment(NamedTuple):
    """A segment that was begun."""

    path: Path
    header: SegmentHeader


def segment_path(directory: Path, ordinal: int) -> Path:
    """File of a segment."""
    return directory / f"journal-{ordinal:08d}.seg"


def pack_header(header: SegmentHeader) -> bytes:
    """The 64 bytes at the start of a segment."""
    head = HEADER.pack(
        MAGIC, VERSION, header.worker, header.epoch, header.ordinal, header.previous_end,
        header.first_seq,
    )
    return (head + HEADER_CRC.pack(extend(0, head))).ljust(HEADER_BYTES, b"\0")


def parse_header(data: bytes) -> SegmentHeader | None:
    """The header in the first bytes of a segment, None if they hold no whole one."""
    if len(data) < HEADER_BYTES or extend(0, data[: HEADER.size]) != HEADER_CRC.unpack_from(
        data, HEADER.size
    )[0]:
        return None
    magic, version, *fields = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        return None
    return SegmentHeader(*fields)


def pack_record(epoch: int, seq: int, kind: int, payload: bytes) -> bytes:
    """Bytes of one record. kind: type number, with OPENS_BATCH where it opens a batch."""
    size = len(payload)
    body = BODY.pack(epoch, seq, kind) + payload
    return FRAME.pack(size, extend(size, body)) + body


def parse_records(
    data: bytes, at: int, header: SegmentHeader, seq: int, base: int, entries: list[Entry]
) -> int:
    """Append the whole records of data from index `at` on to entries; returns where it stopped.

    seq: the sequence the first must have. base: offset of data in its segment. It stops at the
    end of data, at a record that reaches beyond it, and at the first that is not whole.
    """
    end = len(data)
    unpack = RECORD.unpack_from
    ordinal = header.ordinal
    epoch_here = header.epoch
    while at + RECORD_BYTES <= end:
        size, crc, epoch, found, kind = unpack(data, at)
        stop = at + RECORD_BYTES + size
        if (
            stop > end
            or found != seq
            or epoch != epoch_here
            or not 0 < size <= limits.record_bytes_max
            or extend(size, data[at + FRAME.size : stop]) != crc
        ):
            break
        payload = data[at + RECORD_BYTES : stop]
        entries.append(Entry(seq, epoch, kind & KIND_MASK, payload, ordinal, base + at))
        seq += 1
        at = stop
    return at


def walk(
    file: File, header: SegmentHeader, offset: int, seq: int, end: int
) -> Iterator[list[Entry]]:
    """Batches of whole records between two offsets; stops before end where one is not whole."""
    chunk_bytes = CHUNK_BYTES
    while offset < end:
        data = file.read(offset, min(chunk_bytes, end - offset))
        entries: list[Entry] = []
        used = parse_records(data, 0, header, seq, offset, entries)
        if entries:
            offset += used
            seq = entries[-1].seq + 1
            chunk_bytes = CHUNK_BYTES
            yield entries
        elif chunk_bytes > limits.record_bytes_max or len(data) == end - offset:
            return
        else:  # one record may be as long as a chunk
            chunk_bytes = limits.record_bytes_max + CHUNK_BYTES


def find_end(
    path: Path, file: File, header: SegmentHeader, offset: int, seq: int
) -> tuple[int, int]:
    """(offset behind the last whole record, sequence after it) of a segment without successor.

    Walks from offset, where the record `seq` is expected. Raises JournalDamaged where the bytes
    after the first bad record prove that it was durable once.
    """
    size = file.size()
    for entries in walk(file, header, offset, seq, size):
        last = entries[-1]
        offset = last.offset + RECORD_BYTES + len(last.payload)
        seq = last.seq + 1
    proof = _find_batch_opening(file, header, offset, seq, size)
    if proof is not None:
        raise damaged(path, offset, f"an intact batch follows at byte {proof}")
    return offset, seq


def damaged(path: Path, offset: int, why: str) -> JournalDamaged:
    """The error for bytes that were durable once and are not whole any more."""
    return JournalDamaged(f"{path}: damaged at byte {offset}: {why}", path.name, offset, why)


def _find_batch_opening(
    file: File, header: SegmentHeader, offset: int, seq: int, size: int
) -> int | None:
    """Offset of a whole record beyond `offset` that opens a batch, None if there is none."""
    needle = header.epoch.to_bytes(4, "little")
    overlap = RECORD_BYTES + limits.record_bytes_max
    start = offset + 1
    while start < size:
        data = file.read(start, CHUNK_BYTES + overlap)
        if not data:
            return None
        if ZEROS.startswith(data):  # what was never written: most of a last segment
            start += CHUNK_BYTES
            continue
        at = data.find(needle, FRAME.size)
        while 0 <= at < CHUNK_BYTES + FRAME.size:
            if _opens_batch(data, at - FRAME.size, seq):
                return start + at - FRAME.size
            at = data.find(needle, at + 1)
        start += CHUNK_BYTES
    return None


def _opens_batch(data: bytes, at: int, seq: int) -> bool:
    if at + RECORD_BYTES > len(data):
        return False
    size, crc, _, found, kind = RECORD.unpack_from(data, at)
    return (
        bool(kind & OPENS_BATCH)
        and found > seq
        and 0 < size <= limits.record_bytes_max
        and extend(size, data[at + FRAME.size : at + RECORD_BYTES + size]) == crc
    )


def begun_segments(disk: Disk, directory: Path) -> list[Segment]:
    """Segments that hold a header, in order. Raises JournalDamaged for a gap or a bad header.

    A file without a header is one that was prepared and not begun: it holds only zeros.
    """
    found: list[Segment] = []
    unbegun: Path | None = None
    for name in disk.names(directory):
        if NAME.fullmatch(name) is None:
            continue
        path = directory / name
        try:
            header = read_header(disk, path)
        except FileNotFoundError:  # removed by its owner since; a gap in the middle shows below
            continue
        if header is None:
            unbegun = unbegun or path
            continue
        if unbegun is not None:
            raise damaged(unbegun, 0, "no header, though a later segment was begun")
        if found and header.ordinal != found[-1].header.ordinal + 1:
            raise damaged(path, 0, f"the segment after {found[-1].path.name} is missing")
        found.append(Segment(path, header))
    return found


def read_header(disk: Disk, path: Path) -> SegmentHeader | None:
    """Header of a segment, None of one that is prepared. Raises JournalDamaged, OSError."""
    file = disk.open(path)
    try:
        head = file.read(0, HEADER_BYTES)
        header = parse_header(head)
        if header is None and (
            0 < len(head) < HEADER_BYTES or any(head) or any(file.read(0, CHUNK_BYTES))
        ):
            raise damaged(path, 0, "the header is not whole")
        return header
    finally:
        file.close()
