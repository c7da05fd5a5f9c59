"""The write side: batches, wake-ups, rotation, failure, fencing, a killed writer."""

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from storage.disk import Held, OsDisk
from storage.journal import Journal
from storage.reader import JournalReader
from storage.segment import HEADER_BYTES, RECORD_BYTES
from tests.storage.faulty_disk import FaultyDisk
from tests.storage.opened import SEGMENT_BYTES, Opened, payload, write_journal
from vocabulary.errors import StorageFailed


def stored(directory: Path, **options: object) -> list[tuple[int, bytes]]:
    reader = JournalReader(directory, **options)  # type: ignore[arg-type]
    found = [(entry.seq, entry.payload) for entry in reader]
    reader.close()
    return found


async def test_what_is_appended_is_durable_and_read_back(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    for number in range(1, 4):
        assert opened.put(payload(number), kind=number) == number
    await opened.durable(3)
    reader = JournalReader(tmp_path)
    entries = list(reader)
    assert [(e.seq, e.kind, e.payload, e.epoch) for e in entries] == [
        (n, n, payload(n), 1) for n in (1, 2, 3)
    ]
    assert opened.put(payload(4)) == 4
    await opened.durable(4)
    assert [entry.seq for entry in reader] == [4]
    assert list(reader) == []
    opened.journal.close()
    reader.close()


async def test_one_wake_up_a_sync_and_one_sync_in_flight(tmp_path: Path) -> None:
    disk = FaultyDisk()
    opened = Opened(tmp_path, disk=disk)
    disk.gate.clear()
    disk.entered.clear()
    before = disk.writes
    opened.put(payload(1))
    await asyncio.to_thread(disk.entered.wait)
    for number in range(2, 50):
        opened.put(payload(number))
    assert disk.writes == before + 1
    assert opened.wakes == []
    disk.gate.set()
    await opened.durable(49)
    assert opened.wakes == [1, 49]
    assert opened.journal.statistics().syncs == 2
    assert opened.journal.statistics().pending_bytes == 0
    opened.journal.close()


async def test_append_wakes_the_writer_once_a_turn(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    for number in range(1, 11):
        opened.put(payload(number))
    await opened.durable(10)
    assert opened.wakes == [10]
    opened.journal.close()


async def test_rotation_keeps_order_and_cuts_the_full_segment(tmp_path: Path) -> None:
    count = 1_000
    opened = Opened(tmp_path)
    for number in range(1, count + 1):
        opened.put(payload(number, 100))
    await opened.durable(count)
    for number in range(count + 1, count + 200):
        await opened.durable(opened.put(payload(number, 100)))
    opened.journal.close()
    assert stored(tmp_path) == [(n, payload(n, 100)) for n in range(1, count + 200)]
    per_segment = (SEGMENT_BYTES - HEADER_BYTES) // (RECORD_BYTES + 100)
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("journal-*.seg"))]
    assert sizes[0] == HEADER_BYTES + per_segment * (RECORD_BYTES + 100)
    assert len(sizes) >= count // per_segment


async def test_a_record_may_fill_a_segment(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    whole = SEGMENT_BYTES - HEADER_BYTES - RECORD_BYTES
    for size in (whole, 1, whole, whole):
        opened.put(b"y" * size)
    await opened.durable(4)
    opened.journal.close()
    assert [len(data) for _, data in stored(tmp_path)] == [whole, 1, whole, whole]


async def test_every_start_has_a_higher_epoch_and_goes_on_behind_the_last(tmp_path: Path) -> None:
    for start in range(1, 4):
        opened = Opened(tmp_path)
        assert opened.journal.epoch == start
        assert opened.journal.durable_seq == start - 1
        await opened.durable(opened.put(payload(start)))
        opened.journal.close()
    assert stored(tmp_path) == [(n, payload(n)) for n in (1, 2, 3)]
    (tmp_path / "epoch").unlink()
    opened = Opened(tmp_path)
    assert opened.journal.epoch == 4
    opened.journal.close()


async def test_close_writes_what_is_pending(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    for number in range(1, 300):
        opened.put(payload(number))
    opened.journal.close()
    assert stored(tmp_path)[-1] == (299, payload(299))


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    with pytest.raises(StorageFailed, match="in use"):
        Opened(tmp_path)
    opened.journal.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_file_that_failed_is_left_and_a_fresh_one_goes_on(
    tmp_path: Path, number: int
) -> None:
    disk = FaultyDisk()  # it asserts that no file is touched again once it failed
    opened = Opened(tmp_path, disk=disk)
    await opened.durable(opened.put(payload(1)))
    disk.fail_with(number, torn_bytes=RECORD_BYTES + 50, failures=1)
    opened.put(payload(2))
    opened.put(payload(3))
    assert os.strerror(number) in await opened.failed()
    await opened.durable(3, failed=True)
    await opened.durable(opened.put(payload(4)), failed=True)
    assert not opened.journal.dead
    opened.journal.close()
    assert len(opened.reasons) == 1
    assert stored(tmp_path) == [(seq, payload(seq)) for seq in range(1, 5)]
    again = Opened(tmp_path)
    assert again.journal.next_seq == 5
    again.journal.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_fails_for_good_acknowledges_nothing_and_is_told_once(
    tmp_path: Path, number: int
) -> None:
    disk = FaultyDisk()
    opened = Opened(tmp_path, disk=disk)
    await opened.durable(opened.put(payload(1)))
    disk.fail_with(number, torn_bytes=RECORD_BYTES + 50)
    opened.put(payload(2))
    opened.put(payload(3))
    assert os.strerror(number) in await opened.failed()
    await asyncio.to_thread(opened.journal.close)
    assert opened.journal.dead
    disk.error = 0
    writes = disk.writes
    opened.put(payload(4))
    assert (disk.writes, len(opened.reasons), opened.wakes) == (writes, 1, [1])
    assert stored(tmp_path) == [(1, payload(1))]
    again = Opened(tmp_path)
    assert again.journal.next_seq == 2, "the fresh file's header came through: it cuts record 2"
    again.journal.close()


async def test_a_full_buffer_fails_the_journal(tmp_path: Path) -> None:
    disk = FaultyDisk()
    opened = Opened(tmp_path, disk=disk, pending_bytes_max=1_000)
    disk.gate.clear()
    while not opened.journal.failed:
        opened.put(payload(1))
    disk.gate.set()
    assert "1000 bytes wait" in await opened.failed()
    opened.journal.close()


async def test_a_full_disk_shows_before_it_hurts_and_is_told_at_the_reserve(
    tmp_path: Path
) -> None:
    disk = FaultyDisk()
    opened = Opened(tmp_path, disk=disk)
    await asyncio.to_thread(disk.renamed.wait)
    disk.create_error = errno.ENOSPC
    while not opened.journal.statistics().spare_failed:
        await opened.durable(opened.put(payload(1, 500)))
    assert opened.full == []
    while not opened.full:
        await opened.durable(opened.put(payload(1, 500)))
    assert os.strerror(errno.ENOSPC) in opened.journal.full
    assert not (tmp_path / "reserve").exists()
    await opened.durable(opened.put(payload(2, 500)))
    disk.create_error = 0
    assert await opened.told_full(2) == ""
    assert (tmp_path / "reserve").stat().st_size == SEGMENT_BYTES
    last = opened.put(payload(3))
    await opened.durable(last)
    opened.journal.close()
    assert opened.reasons == []
    assert [seq for seq, _ in stored(tmp_path)] == list(range(1, last + 1))


async def test_the_loop_never_waits_for_a_slow_disk(tmp_path: Path) -> None:
    """The sync hangs until the loop lets it go: a loop that waited would never come there."""
    disk = FaultyDisk()
    opened = Opened(tmp_path, disk=disk)
    disk.gate.clear()
    disk.entered.clear()
    opened.put(payload(0))
    await asyncio.to_thread(disk.entered.wait)
    for turn in range(1, 500):
        assert opened.put(payload(turn)) == turn + 1
        assert opened.journal.statistics().durable_seq == 0
        await asyncio.sleep(0)
    assert opened.wakes == []
    disk.gate.set()
    await opened.durable(500)
    assert opened.journal.statistics().syncs <= 2 + 500 * (RECORD_BYTES + 40) // SEGMENT_BYTES
    opened.journal.close()


class Shared(OsDisk):
    """A file system whose locks mean nothing to other machines."""

    def lock(self, path: Path) -> Held:
        path.touch()
        return self.open(path)


async def test_a_stale_process_is_fenced(tmp_path: Path) -> None:
    stale = Opened(tmp_path, disk=Shared())
    await stale.durable(stale.put(payload(1)))
    fresh = Opened(tmp_path, disk=Shared())
    assert (fresh.journal.epoch, fresh.journal.next_seq) == (2, 2)
    await fresh.durable(fresh.put(b"fresh"))
    stale.put(b"stale")
    assert "epoch 1 is fenced by 2: another process has taken" in await stale.failed()
    stale.put(b"stale")
    await asyncio.to_thread(stale.journal.close)
    assert stale.wakes == [1]
    await fresh.durable(fresh.put(b"more"))
    assert stored(tmp_path) == [(1, payload(1)), (2, b"fresh"), (3, b"more")]
    fresh.journal.close()


async def test_a_process_that_was_replaced_acknowledges_nothing_more(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STALE + WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    for _ in range(50):
        await child.stdout.readline()
    fresh = Opened(tmp_path, disk=Shared())
    first = fresh.journal.next_seq
    said = b""
    acknowledged = 0
    while b"fenced" not in said:
        said = await child.stdout.readline()
        acknowledged = int(said) if said.strip().isdigit() else acknowledged
    assert acknowledged < first
    child.kill()
    await child.wait()
    await fresh.durable(fresh.put(b"fresh"))
    fresh.journal.close()
    found = stored(tmp_path)
    assert found[-1] == (first, b"fresh")
    assert [seq for seq, _ in found] == list(range(1, first + 1))


STALE = """
import storage.journal
from tests.storage.test_journal import Shared
storage.journal.OsDisk = Shared
"""

WRITER = """
import asyncio, sys
from pathlib import Path
from storage.journal import Journal

async def main():
    loop = asyncio.get_running_loop()
    journal = Journal.open(Path(sys.argv[1]), worker=0, loop=loop, segment_bytes=65536,
                           on_durable=lambda seq: print(seq, flush=True), on_failed=print,
                           on_full=print, reserve_bytes=65536)
    while True:
        while journal.next_seq - journal.durable_seq < 20:
            journal.append(journal.next_seq, 7, b"%d" % journal.next_seq)
        await asyncio.sleep(0)

asyncio.run(main())
"""


async def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        for _ in range(200):
            acknowledged = int(await child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = await child.stdout.read()
        await child.wait()
        if whole := rest.rpartition(b"\n")[0].split():
            acknowledged = int(whole[-1])
        found = stored(tmp_path, whole=True)
        assert [seq for seq, _ in found] == list(range(1, len(found) + 1))
        assert all(data == b"%d" % seq for seq, data in found)
        assert len(found) >= acknowledged > 0
    opened = Opened(tmp_path)
    assert isinstance(opened.journal, Journal)
    assert opened.journal.epoch == 4
    assert opened.journal.next_seq > acknowledged
    opened.journal.close()


async def test_reading_from_a_sequence(tmp_path: Path) -> None:
    await write_journal(tmp_path, 300)
    for start in (1, 2, 150, 300, 301):
        reader = JournalReader(tmp_path, start)
        assert [entry.seq for entry in reader] == list(range(start, 301))
        reader.close()
