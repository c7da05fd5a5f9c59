"""Torn tails are cut, damage is refused: every truncation and every kind of bit flip (R3)."""

import random
import shutil
from pathlib import Path

import pytest

from storage.claim import claim_journal
from storage.disk import OsDisk
from storage.mark import MARK_NAME
from storage.reader import JournalReader
from storage.segment import HEADER_BYTES, RECORD_BYTES, Entry
from tests.storage.opened import Opened, payload, write_journal
from vocabulary.errors import JournalDamaged

RECORDS = 12
SIZE = RECORD_BYTES + 40


def entries(directory: Path) -> list[Entry]:
    reader = JournalReader(directory, whole=True)
    try:
        return list(reader)
    finally:
        reader.close()


async def small_journal(directory: Path, *, batch: int = 1) -> Path:
    """12 records in one segment, `batch` to a sync, no durable mark; the segment's file."""
    opened = Opened(directory)
    for first in range(1, RECORDS + 1, batch):
        for number in range(first, first + batch):
            opened.put(payload(number))
        await opened.durable(first + batch - 1)
    opened.journal.close()
    (directory / MARK_NAME).unlink()
    return directory / "journal-00000001.seg"


async def test_every_truncation_ends_at_the_last_whole_record(tmp_path: Path) -> None:
    path = await small_journal(tmp_path)
    whole = path.read_bytes()
    for length in range(HEADER_BYTES, HEADER_BYTES + RECORDS * SIZE + 1):
        path.write_bytes(whole[:length])
        found = entries(tmp_path)
        assert len(found) == (length - HEADER_BYTES) // SIZE
        assert all(entry.payload == payload(entry.seq) for entry in found)


async def test_a_truncation_below_the_mark_is_damage(tmp_path: Path) -> None:
    await write_journal(tmp_path, RECORDS)
    path = tmp_path / "journal-00000001.seg"
    path.write_bytes(path.read_bytes()[: HEADER_BYTES + 3 * SIZE + 7])
    with pytest.raises(JournalDamaged, match=rf"{path}.*byte {HEADER_BYTES + 3 * SIZE + 7}"):
        claim_journal(OsDisk(), tmp_path)
    reader = JournalReader(tmp_path)
    with pytest.raises(JournalDamaged, match=f"byte {HEADER_BYTES + 3 * SIZE}:"):
        list(reader)
    reader.close()


async def test_every_bit_flip_is_found(tmp_path: Path) -> None:
    """In the last batch it is a torn tail; before it, a later batch proves the damage."""
    path = await small_journal(tmp_path)
    whole = path.read_bytes()
    rng = random.Random(20261124)
    bits = range(HEADER_BYTES * 8, (HEADER_BYTES + RECORDS * SIZE) * 8)
    last_batch = HEADER_BYTES + (RECORDS - 1) * SIZE
    for bit in rng.sample(bits, 2_500):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        start = HEADER_BYTES + (bit // 8 - HEADER_BYTES) // SIZE * SIZE
        if start < last_batch:
            with pytest.raises(JournalDamaged, match=f"{path.name}: damaged at byte {start}"):
                entries(tmp_path)
        else:
            assert len(entries(tmp_path)) == RECORDS - 1, bit


async def test_a_torn_batch_is_cut_at_its_first_bad_record(tmp_path: Path) -> None:
    """Sectors reach the disk in any order: whole records behind a bad one prove nothing."""
    path = await small_journal(tmp_path, batch=4)
    whole = path.read_bytes()
    start = HEADER_BYTES + 9 * SIZE
    path.write_bytes(whole[:start] + bytes(SIZE) + whole[start + SIZE :])
    assert len(entries(tmp_path)) == 9
    opened = Opened(tmp_path)
    assert opened.journal.next_seq == 10
    await opened.durable(opened.put(b"after the cut"))
    opened.journal.close()
    assert [entry.seq for entry in entries(tmp_path)] == list(range(1, 11))
    assert entries(tmp_path)[-1].payload == b"after the cut"
    assert path.stat().st_size == start
    start = HEADER_BYTES + 5 * SIZE
    path.write_bytes(path.read_bytes()[:start] + bytes(SIZE) + whole[start + SIZE :])
    with pytest.raises(JournalDamaged, match=f"byte {start}"):
        entries(tmp_path)


async def test_the_mark_turns_a_torn_tail_into_damage(tmp_path: Path) -> None:
    await write_journal(tmp_path, RECORDS)
    path = tmp_path / "journal-00000001.seg"
    data = bytearray(path.read_bytes())
    start = HEADER_BYTES + (RECORDS - 1) * SIZE
    data[start + 30] ^= 1
    path.write_bytes(data)
    reader = JournalReader(tmp_path)
    with pytest.raises(JournalDamaged, match=f"byte {start}"):
        list(reader)
    reader.close()


async def test_header_damage_and_missing_segments_are_refused(tmp_path: Path) -> None:
    await write_journal(tmp_path, 500)
    paths = sorted(tmp_path.glob("journal-*.seg"))
    assert len(paths) > 4
    data = paths[2].read_bytes()
    for bit in range(0, 36 * 8, 5):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        paths[2].write_bytes(flipped)
        with pytest.raises(JournalDamaged, match=f"{paths[2].name}: damaged at byte 0"):
            entries(tmp_path)
    paths[2].unlink()
    with pytest.raises(JournalDamaged, match="missing"):
        entries(tmp_path)
    paths[0].unlink()
    paths[1].unlink()
    assert entries(tmp_path)[0].seq > 1
    reader = JournalReader(tmp_path, 1)
    with pytest.raises(JournalDamaged, match="record 1 is gone"):
        list(reader)
    reader.close()


async def test_a_lost_last_segment_is_noticed_by_the_mark(tmp_path: Path) -> None:
    await write_journal(tmp_path, 500)
    sorted(tmp_path.glob("journal-*.seg"))[-1].unlink()
    for path in sorted(tmp_path.glob("journal-*.seg"))[-1:]:
        shutil.copy(path, tmp_path / "kept")
        path.unlink()
    with pytest.raises(JournalDamaged, match="missing"):
        claim_journal(OsDisk(), tmp_path)


def test_a_reader_waits_for_a_journal_that_is_not_there(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path / "none")
    assert reader.read() == []
    assert reader.durable_seq() == 0
    reader.close()
