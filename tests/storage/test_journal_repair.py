"""verify names the first damage; repair moves bytes aside and never destroys any."""

import random
from pathlib import Path

import pytest

from storage.checkpoint import write_checkpoint
from storage.claim import claim_journal
from storage.cursors import write_cursor
from storage.disk import OsDisk
from storage.reader import JournalReader
from storage.repair import Repair, plan_repair, repair
from storage.segment import HEADER_BYTES, RECORD_BYTES
from storage.verify import Verified, verify
from tests.storage.crash_points import crash_points
from tests.storage.opened import Opened, payload, write_journal
from tests.storage.test_crash_points import PowerCut
from vocabulary.crash_points import observed
from vocabulary.errors import JournalDamaged, StorageFailed

SIZE = RECORD_BYTES + 40
COUNT = 400


def bytes_of(*folders: Path) -> int:
    """How many bytes that are not zero lie under the folders: nothing may get lost."""
    return sum(
        len(path.read_bytes().replace(b"\0", b""))
        for folder in folders for path in folder.rglob("*") if path.is_file()
    )


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def found(directory: Path) -> list[Verified]:
    return list(verify(directory, live=False))


def planned(tmp_path: Path) -> Repair:
    plan = plan_repair(tmp_path / "j", tmp_path / "c")
    assert plan is not None
    return plan


def kept(directory: Path) -> list[int]:
    reader = JournalReader(directory, whole=True)
    try:
        return [entry.seq for entry in reader]
    finally:
        reader.close()


async def test_a_whole_journal_is_verified_and_needs_no_repair(tmp_path: Path) -> None:
    await write_journal(tmp_path / "j", COUNT)
    segments = found(tmp_path / "j")
    assert all(each.damage is None for each in segments)
    assert [each.first_seq for each in segments[1:]] == [each.next_seq for each in segments[:-1]]
    assert (segments[0].first_seq, segments[-1].next_seq) == (1, COUNT + 1)
    assert plan_repair(tmp_path / "j", tmp_path / "c") is None
    assert list(verify(tmp_path / "none", live=False)) == []


async def test_a_journal_that_is_written_to_is_verified_to_its_mark(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "j")
    for _ in range(200):
        await opened.durable(opened.put(payload(1)))
        last = list(verify(tmp_path / "j", live=True))[-1]
        assert last.damage is None
        assert last.next_seq == opened.journal.next_seq
    opened.journal.close()


async def test_a_torn_tail_is_told_and_is_no_damage(tmp_path: Path) -> None:
    await write_journal(tmp_path / "j", 12)
    path = tmp_path / "j" / "journal-00000001.seg"
    data = bytearray(path.read_bytes())
    end = HEADER_BYTES + 12 * SIZE
    data[end : end + 30] = b"x" * 30
    path.write_bytes(data)
    (segment,) = found(tmp_path / "j")
    assert (segment.damage, segment.tail_bytes, segment.end) == (None, 30, end)
    assert plan_repair(tmp_path / "j", tmp_path / "c") is None


async def test_damage_is_cut_at_the_last_whole_record_and_kept_aside(tmp_path: Path) -> None:
    await write_journal(tmp_path / "j", COUNT)
    segments = found(tmp_path / "j")
    bad = segments[2]
    at = HEADER_BYTES + 5 * SIZE
    flip(bad.path, at + 30)
    before = bytes_of(tmp_path)
    segments = found(tmp_path / "j")
    assert [each.damage is None for each in segments] == [True, True, False]
    with pytest.raises(JournalDamaged, match=f"{bad.path.name}: damaged at byte {at}") as caught:
        kept(tmp_path / "j")
    assert str(caught.value) == str(segments[-1].damage)
    write_checkpoint(tmp_path / "c", 10, b"below")
    write_checkpoint(tmp_path / "c", COUNT, b"beyond")
    before = bytes_of(tmp_path)
    plan = planned(tmp_path)
    assert plan.lost
    assert (plan.seq, plan.cut, plan.at) == (bad.first_seq + 4, bad.path, at)
    assert plan.durable_seq == COUNT
    assert bytes_of(tmp_path) == before
    repair(plan, tmp_path / "j")
    assert bytes_of(tmp_path) == before, "nothing is destroyed"
    assert kept(tmp_path / "j") == list(range(1, plan.seq + 1))
    assert [path.name for path in (tmp_path / "c").iterdir()] == [f"checkpoint-{10:020d}"]
    opened = Opened(tmp_path / "j")
    assert opened.journal.next_seq == plan.seq + 1
    await opened.durable(opened.put(payload(plan.seq + 1)))
    opened.journal.close()
    assert kept(tmp_path / "j") == list(range(1, plan.seq + 2))
    assert all(each.damage is None for each in found(tmp_path / "j"))


async def test_what_nobody_needs_is_set_aside_without_loss(tmp_path: Path) -> None:
    await write_journal(tmp_path / "j", COUNT)
    bad = found(tmp_path / "j")[1]
    flip(bad.path, HEADER_BYTES + 3)
    write_checkpoint(tmp_path / "c", bad.next_seq + 5, b"state")
    write_cursor(tmp_path / "j", "record", bad.next_seq - 2)
    assert planned(tmp_path).lost, "PostgreSQL still needs what is damaged"
    write_cursor(tmp_path / "j", "record", bad.next_seq - 1)
    plan = planned(tmp_path)
    assert (plan.lost, plan.seq, len(plan.moved)) == (False, bad.next_seq - 1, 2)
    before = bytes_of(tmp_path)
    repair(plan, tmp_path / "j")
    assert bytes_of(tmp_path) == before
    assert kept(tmp_path / "j") == list(range(bad.next_seq, COUNT + 1))
    opened = Opened(tmp_path / "j")
    assert opened.journal.next_seq == COUNT + 1
    opened.journal.close()


@pytest.mark.parametrize("what", ["header", "missing", "short", "gone"])
async def test_every_kind_of_damage_is_mended(tmp_path: Path, what: str) -> None:
    await write_journal(tmp_path / "j", COUNT)
    segments = found(tmp_path / "j")
    paths = [each.path for each in segments]
    if what == "header":
        flip(paths[3], 20)
        expected = segments[3].first_seq - 1
    elif what == "missing":
        paths[3].unlink()
        expected = segments[3].first_seq - 1
    elif what == "short":
        last = segments[-1]
        paths[-1].write_bytes(paths[-1].read_bytes()[: last.end - 3])
        expected = COUNT - 1
    else:
        paths[-1].unlink()
        expected = segments[-1].first_seq - 1
    with pytest.raises(JournalDamaged):
        claim_journal(OsDisk(), tmp_path / "j")
    plan = planned(tmp_path)
    assert (plan.lost, plan.seq) == (True, expected)
    before = bytes_of(tmp_path)
    repair(plan, tmp_path / "j")
    assert bytes_of(tmp_path) == before
    assert kept(tmp_path / "j") == list(range(1, expected + 1))
    opened = Opened(tmp_path / "j")
    assert opened.journal.next_seq == expected + 1
    opened.journal.close()


async def test_a_repair_is_refused_while_a_process_holds_the_journal(tmp_path: Path) -> None:
    await write_journal(tmp_path / "j", COUNT)
    opened = Opened(tmp_path / "j")
    flip(found(tmp_path / "j")[1].path, HEADER_BYTES + 3)
    with pytest.raises(StorageFailed, match="in use"):
        repair(planned(tmp_path), tmp_path / "j")
    opened.journal.close()


@pytest.mark.parametrize("name", sorted(
    name for name, module in crash_points().items() if module == "storage/repair.py"
))
async def test_a_crash_in_a_repair_is_mended_by_the_next(tmp_path: Path, name: str) -> None:
    await write_journal(tmp_path / "j", COUNT)
    bad = found(tmp_path / "j")[2]
    flip(bad.path, HEADER_BYTES + 5 * SIZE + 30)
    before = bytes_of(tmp_path)
    met = []

    def cut(point: str) -> None:
        if point == name and not met:
            met.append(point)
            raise PowerCut

    plan = planned(tmp_path)
    with pytest.raises(PowerCut), observed(cut):
        repair(plan, tmp_path / "j")
    again = plan_repair(tmp_path / "j", tmp_path / "c")
    if again is not None:
        assert again.seq == plan.seq
        repair(again, tmp_path / "j")
    assert bytes_of(tmp_path) >= before
    assert kept(tmp_path / "j") == list(range(1, plan.seq + 1))
    Opened(tmp_path / "j").journal.close()


async def test_verify_and_start_agree_on_random_damage(tmp_path: Path) -> None:
    """What verify calls whole can be read whole, and the other way round."""
    await write_journal(tmp_path / "j", 300)
    paths = [each.path for each in found(tmp_path / "j")]
    whole = {path: path.read_bytes() for path in paths}
    seed = 20261124
    rng = random.Random(seed)
    for _ in range(60):
        path = rng.choice(paths)
        flip(path, rng.randrange(len(whole[path])))
        damage = found(tmp_path / "j")[-1].damage
        numbers, refused = start(tmp_path / "j")
        assert (damage is None) == (refused is None), (seed, damage, refused)
        assert refused is not None or numbers == list(range(1, 301)), seed
        path.write_bytes(whole[path])


def start(directory: Path) -> tuple[list[int], JournalDamaged | None]:
    """What a start would read, or why it would refuse."""
    try:
        claim_journal(OsDisk(), directory).lock.close()
        return kept(directory), None
    except JournalDamaged as error:
        return [], error
