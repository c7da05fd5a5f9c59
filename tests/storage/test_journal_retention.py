"""Which segments go: below every cursor and the second-newest checkpoint, and old enough."""

from pathlib import Path

import pytest

from storage.checkpoint import write_checkpoint
from storage.cursors import drop_cursor, read_cursors, write_cursor
from storage.disk import OsDisk
from storage.fact_types import FACT_TYPES
from storage.reader import JournalReader
from storage.retention import Retained, retain
from storage.segment import begun_segments
from tests.storage.crash_points import crash_points
from tests.storage.opened import Opened, payload
from tests.storage.test_crash_points import PowerCut
from vocabulary.codec import fact_encoder
from vocabulary.crash_points import observed
from vocabulary.errors import JournalDamaged
from vocabulary.facts import Heartbeat

S = 1_000_000_000
DAY = 86_400 * S
START = 1_700_000_000 * S


async def journal_of_days(directory: Path, days: int) -> list[int]:
    """One start a day, each a segment: heartbeat, then 30 records; first sequence of each."""
    encode = fact_encoder(lambda personal: b"").encode
    firsts = []
    for day in range(days):
        opened = Opened(directory)
        firsts.append(opened.journal.next_seq)
        beat = Heartbeat(day * DAY, 0, START + day * DAY)
        opened.put(encode(beat), kind=FACT_TYPES[Heartbeat])
        for number in range(30):
            opened.put(payload(number))
        opened.journal.close()
    return firsts


def looked(tmp_path: Path, *, day: int = 1_000, keep: int = 0) -> Retained:
    return retain(
        tmp_path / "j", tmp_path / "c", wall_ns=START + day * DAY, keep_ns=keep * DAY
    )


async def test_a_segment_goes_below_every_cursor_and_the_second_checkpoint(
    tmp_path: Path
) -> None:
    firsts = await journal_of_days(tmp_path / "j", 6)
    assert (looked(tmp_path).removed, looked(tmp_path).held_by) == (0, "checkpoints")
    write_checkpoint(tmp_path / "c", firsts[4], b"older")
    assert looked(tmp_path).removed == 0, "one damaged checkpoint would be one too many"
    write_checkpoint(tmp_path / "c", firsts[5], b"newer")
    assert (looked(tmp_path).removed, looked(tmp_path).held_by) == (0, "record")
    write_cursor(tmp_path / "j", "record", firsts[5] + 3)
    write_cursor(tmp_path / "j", "books", firsts[2] - 1)
    found = looked(tmp_path)
    assert (found.removed, found.held_by, found.segments) == (2, "books", 4)
    assert begun_segments(OsDisk(), tmp_path / "j")[0].header.first_seq == firsts[2]
    assert drop_cursor(tmp_path / "j", "books")
    assert not drop_cursor(tmp_path / "j", "books")
    found = looked(tmp_path)
    assert (found.removed, found.held_by, found.removed_to) == (2, "checkpoints", firsts[4] - 1)
    reader = JournalReader(tmp_path / "j", firsts[4] + 1)
    assert next(iter(reader)).seq == firsts[4] + 1
    reader.close()
    reader = JournalReader(tmp_path / "j", firsts[4] - 1)
    with pytest.raises(JournalDamaged, match=f"record {firsts[4] - 1} is gone"):
        list(reader)
    reader.close()


async def test_a_segment_stays_until_it_is_old_enough(tmp_path: Path) -> None:
    firsts = await journal_of_days(tmp_path / "j", 5)
    for seq in (firsts[4] + 1, firsts[4] + 2):
        write_checkpoint(tmp_path / "c", seq, b"state")
    write_cursor(tmp_path / "j", "record", firsts[4] + 2)
    found = looked(tmp_path, day=4, keep=3)  # segment 0 ended when segment 1 was begun, on day 1
    assert (found.removed, found.held_by) == (1, "age")
    found = looked(tmp_path, day=1_000, keep=3)
    assert (found.removed, found.held_by, found.segments) == (3, "", 1)


async def test_a_damaged_checkpoint_or_cursor_holds_everything(tmp_path: Path) -> None:
    firsts = await journal_of_days(tmp_path / "j", 4)
    for seq in (firsts[3], firsts[3] + 1):
        write_checkpoint(tmp_path / "c", seq, b"state")
    write_cursor(tmp_path / "j", "record", firsts[3])
    older = tmp_path / "c" / f"checkpoint-{firsts[3]:020d}"
    whole = older.read_bytes()
    older.write_bytes(whole[:-1] + b"X")
    assert (looked(tmp_path).removed, looked(tmp_path).held_by) == (0, "checkpoints")
    older.write_bytes(whole)
    cursor = tmp_path / "j" / "cursor-record"
    written = cursor.read_bytes()
    for data in (b"", written[:-1], bytes([written[0] ^ 1]) + written[1:]):
        cursor.write_bytes(data)
        assert read_cursors(tmp_path / "j") == {"record": 0}
        assert (looked(tmp_path).removed, looked(tmp_path).held_by) == (0, "record")
    cursor.write_bytes(written)
    assert looked(tmp_path).removed == 3


@pytest.mark.parametrize("name", sorted(
    name for name, module in crash_points().items()
    if module in ("storage/retention.py", "storage/cursors.py")
))
async def test_a_crash_in_between_leaves_no_gap(tmp_path: Path, name: str) -> None:
    firsts = await journal_of_days(tmp_path / "j", 4)
    for seq in (firsts[3], firsts[3] + 1):
        write_checkpoint(tmp_path / "c", seq, b"state")
    write_cursor(tmp_path / "j", "record", firsts[1])

    def cut(point: str) -> None:
        if point == name:
            raise PowerCut

    def write_and_look() -> None:
        write_cursor(tmp_path / "j", "record", firsts[3])
        looked(tmp_path)

    with pytest.raises(PowerCut), observed(cut):
        write_and_look()
    segments = begun_segments(OsDisk(), tmp_path / "j")
    assert segments[-1].header.first_seq == firsts[3]
    assert read_cursors(tmp_path / "j")["record"] in (firsts[1], firsts[3])
    looked(tmp_path)
    opened = Opened(tmp_path / "j")
    assert opened.journal.next_seq == firsts[3] + 31
    opened.journal.close()


async def test_a_reader_goes_on_where_a_segment_went_and_another_came(tmp_path: Path) -> None:
    """As many segments as before, and yet a new one: it is no gap."""
    opened = Opened(tmp_path)
    reader = JournalReader(tmp_path)

    async def write_until(ordinal: int) -> None:
        while begun_segments(OsDisk(), tmp_path)[-1].header.ordinal < ordinal:
            await opened.durable(opened.put(payload(1, 400)))

    await write_until(2)
    read = [entry.seq for entry in reader]
    begun_segments(OsDisk(), tmp_path)[0].path.unlink()
    await write_until(3)
    read += [entry.seq for entry in reader]
    assert read == list(range(1, opened.journal.next_seq))
    reader.close()
    opened.journal.close()
