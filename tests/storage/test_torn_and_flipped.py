"""Every truncation of the last 64 KB and 10,000 bit flips: refused, or cut as the torn end.

Three segments of batches as a busy worker writes them, without durable mark, so that only the
bytes themselves can tell. Records are what they were or not there.
"""

import random
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import pytest

from storage.reader import JournalReader
from storage.segment import (
    HEADER_BYTES,
    OPENS_BATCH,
    Entry,
    SegmentHeader,
    pack_header,
    pack_record,
)
from tests.storage.memory_disk import MemoryDisk
from vocabulary.errors import JournalDamaged

TAIL_BYTES = 65_536
FLIPS = 10_000
SEED = 20_261_124
EPOCH = 7
FOLDER = Path("journal")


class Written:
    """A journal of three segments in memory, the last one over 64 KB long.

    starts: offset of each record in its segment; opens: whether it opens a batch.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.files: dict[str, bytes] = {}
        self.payloads: dict[int, bytes] = {}
        self.starts: dict[str, list[int]] = {}
        self.opens: dict[str, list[bool]] = {}
        seq, end = 1, 0
        for ordinal in (1, 2, 3):
            name = f"journal-{ordinal:08d}.seg"
            pieces: list[bytes] = []
            first, opens = seq, []
            while sum(map(len, pieces)) < (TAIL_BYTES if ordinal == 3 else 1_500):
                for place in range(rng.randint(1, 8)):  # one batch
                    payload = rng.randbytes(rng.choice((30, 60, 300, 700, 1_800)))
                    kind = rng.randint(1, 13) | (OPENS_BATCH if place == 0 else 0)
                    pieces.append(pack_record(EPOCH, seq, kind, payload))
                    opens.append(place == 0)
                    self.payloads[seq] = payload
                    seq += 1
            header = pack_header(SegmentHeader(0, EPOCH, ordinal, end, first))
            self.files[name] = header + b"".join(pieces)
            self.opens[name] = opens
            self.starts[name] = list(
                accumulate(map(len, pieces[:-1]), initial=HEADER_BYTES)
            )
            end = len(self.files[name])
        self.last_seq = seq - 1
        self.name = name

    def read(self, name: str, data: bytes) -> list[Entry] | JournalDamaged:
        """What a start reads with one file changed, or why it refuses."""
        reader = JournalReader(
            FOLDER, whole=True, disk=MemoryDisk({**self.files, name: data})
        )
        try:
            return list(reader)
        except JournalDamaged as error:
            return error

    def assert_true(self, entries: list[Entry]) -> None:
        """All from the first on, without a gap, each as it was written."""
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert all(entry.payload == self.payloads[entry.seq] for entry in entries)


@pytest.fixture(scope="module")
def written() -> Written:
    return Written(SEED)


def test_every_truncation_of_the_last_64_kb(written: Written) -> None:
    whole = written.files[written.name]
    starts = written.starts[written.name]
    before = written.last_seq - len(starts)
    ends = [*starts[1:], len(whole)]
    for length in range(len(whole), len(whole) - TAIL_BYTES, -1):
        found = written.read(written.name, whole[:length])
        if length < HEADER_BYTES:
            assert isinstance(found, JournalDamaged)
            assert found.offset == 0
            continue
        assert isinstance(found, list), (length, found)
        assert len(found) == before + bisect_right(ends, length), length
        if length % 64 == 0:
            written.assert_true(found)


def test_ten_thousand_bit_flips(written: Written) -> None:
    rng = random.Random(SEED)
    refused = cut = 0
    for _ in range(FLIPS):
        name = rng.choice(list(written.files))
        data = bytearray(written.files[name])
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        found = written.read(name, bytes(data))
        where = (SEED, name, at)
        if at < HEADER_BYTES:
            if isinstance(found, JournalDamaged):
                assert (found.name, found.offset) == (name, 0), where
            else:  # in the unused end of a header nothing was written
                assert at >= 36, where
                assert len(found) == written.last_seq, where
            continue
        starts = written.starts[name]
        hit = bisect_right(starts, at) - 1
        if isinstance(found, JournalDamaged):
            refused += 1
            assert (found.name, found.offset) == (name, starts[hit]), where
            continue
        cut += 1
        assert name == written.name, where
        assert not any(written.opens[name][hit + 1 :]), where
        assert len(found) == written.last_seq - len(starts) + hit, where
        written.assert_true(found)
    assert refused > 0.9 * FLIPS
    assert cut > 0
