"""Checkpoints: atomic, checked, the two newest."""

import asyncio
import errno
from pathlib import Path

from storage.checkpoint import CheckpointWriter, load_newest, write_checkpoint
from storage.disk import OsDisk


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "none") is None
    for seq in (5, 12, 100):
        write_checkpoint(tmp_path, seq, b"state %d" % seq)
    assert load_newest(tmp_path) == (100, b"state 100")
    assert len(list(tmp_path.iterdir())) == 2


def test_every_damage_of_the_newest_falls_back(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, b"old")
    write_checkpoint(tmp_path, 2, b"new state")
    newest = sorted(tmp_path.iterdir())[-1]
    whole = newest.read_bytes()
    for length in range(len(whole)):
        newest.write_bytes(whole[:length])
        assert load_newest(tmp_path) == (1, b"old"), length
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        newest.write_bytes(flipped)
        assert load_newest(tmp_path) == (1, b"old"), bit


def test_one_beyond_the_journal_is_not_believed_and_is_dropped(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 10, b"ten")
    write_checkpoint(tmp_path, 90, b"ninety")
    assert load_newest(tmp_path, last_seq=50) == (10, b"ten")
    write_checkpoint(tmp_path, 60, b"sixty")
    assert load_newest(tmp_path) == (60, b"sixty")


async def test_written_off_the_loop_one_at_a_time(tmp_path: Path) -> None:
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    writer = CheckpointWriter(
        tmp_path, asyncio.get_running_loop(), done.set_result, lambda reason: None
    )
    assert not writer.begin(9, b"early", durable_seq=8)
    assert writer.begin(8, b"state", durable_seq=8)
    assert not writer.begin(8, b"state", durable_seq=8)
    assert await done == 8
    assert not writer.busy
    writer.close()
    assert load_newest(tmp_path) == (8, b"state")


class FullDisk(OsDisk):
    """No room for anything."""

    def replace(self, path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_failure_is_told(tmp_path: Path) -> None:
    reasons: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    writer = CheckpointWriter(
        tmp_path, asyncio.get_running_loop(), lambda seq: None, reasons.set_result, disk=FullDisk()
    )
    assert writer.begin(1, b"state", durable_seq=1)
    assert "No space" in await reasons
    assert writer.begin(1, b"state", durable_seq=1)
    writer.close()
    await asyncio.sleep(0)


