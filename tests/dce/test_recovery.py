"""Where a start begins: the newest state that is whole and of this journal, then the tail."""

import logging
from pathlib import Path

import pytest

from dce.recovery import position_of, recover
from exchange.recover import Position, Replay
from storage.checkpoint import write_checkpoint
from storage.disk import OsDisk
from storage.fact_types import FACT_TYPES
from storage.reader import JournalReader
from storage.segment import begun_segments
from tests.exchange.test_recovery import recorded
from tests.storage.opened import Opened
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.errors import JournalDamaged

encode = fact_encoder(lambda personal: b"sealed").encode
CHECKPOINTS_AT = (40, 90)


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """The recorded minute in segments of 8 KB, and two checkpoints of it in `states`."""
    opened = Opened(tmp_path / "journal")
    for _, fact in recorded():
        seq = opened.put(encode(fact), FACT_TYPES[type(fact)])
    await opened.durable(seq)
    opened.journal.close()
    write_states(opened.journal.directory, tmp_path / "states")
    return opened.journal.directory


def write_states(journal: Path, states: Path) -> None:
    """Checkpoints as the record process writes them."""
    replay = Replay()
    decode = fact_decoder().decode
    reader = JournalReader(journal)
    for entry in reader:
        replay.apply(entry.seq, decode(entry.payload))
        if entry.seq in CHECKPOINTS_AT:
            replay.state.position = position_of(entry)
            write_checkpoint(states, entry.seq, replay.checkpoint())
    reader.close()


def whole(journal: Path) -> Replay:
    """What the whole journal gives."""
    return recover(journal, journal / "none")


def same(one: Replay, other: Replay) -> bool:
    """Whether two replays stand for the same, wherever they began."""
    one.state.position = other.state.position = Position()
    return one.checkpoint() == other.checkpoint()


def newest(states: Path) -> Path:
    """The newest checkpoint."""
    return sorted(states.iterdir())[-1]


def began_at(caplog: pytest.LogCaptureFixture) -> str:
    """The line that says where the start began."""
    return next(text for text in caplog.messages if text.startswith("recovered:"))


@pytest.mark.parametrize(("damaged", "at"), [(0, 90), (1, 40), (2, 0)])
def test_a_damaged_checkpoint_costs_a_longer_replay(
    journal: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: int, at: int
) -> None:
    caplog.set_level(logging.INFO)
    for path in sorted((tmp_path / "states").iterdir(), reverse=True)[:damaged]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert same(recover(journal, tmp_path / "states"), whole(journal))
    assert sum("is damaged" in text for text in caplog.messages) == damaged
    assert f"checkpoint at {at}, " in began_at(caplog)


def test_a_checkpoint_that_is_whole_but_unreadable_is_passed_over(
    journal: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    write_checkpoint(tmp_path / "states", 100, b"\xc1")
    assert same(recover(journal, tmp_path / "states"), whole(journal))
    assert any("cannot be read" in text for text in caplog.messages)
    assert "checkpoint at 90, " in began_at(caplog)


@pytest.mark.parametrize("change", ["checksum", "epoch", "seq"])
def test_a_checkpoint_of_another_journal_is_passed_over(
    journal: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    caplog.set_level(logging.INFO)
    states = tmp_path / "states"
    replay = Replay.from_checkpoint(newest(states).read_bytes()[20:])
    known = replay.state.position
    if change == "seq":
        replay.state.seq = 10_000
    else:
        values = {name: getattr(known, name) for name in Position.__struct_fields__}
        replay.state.position = Position(**{**values, change: values[change] + 1})
    write_checkpoint(states, max(replay.state.seq, 100), replay.checkpoint())
    assert same(recover(journal, states), whole(journal))
    assert any("is not of this journal" in text for text in caplog.messages)
    assert "checkpoint at 90, " in began_at(caplog)


def test_only_what_follows_a_checkpoint_is_read(journal: Path, tmp_path: Path) -> None:
    """Bytes before it may be damaged or gone; without it the same journal refuses the start."""
    expected = whole(journal)
    segments = begun_segments(OsDisk(), journal)
    assert len(segments) > 3
    first = segments[0].path
    data = bytearray(first.read_bytes())
    data[200] ^= 1
    first.write_bytes(data)
    assert same(recover(journal, tmp_path / "states"), expected)
    with pytest.raises(JournalDamaged, match="damaged at byte"):
        whole(journal)
    first.unlink()
    assert same(recover(journal, tmp_path / "states"), expected)
    with pytest.raises(JournalDamaged, match="record 1 is gone"):
        whole(journal)


def test_a_state_without_its_journal_is_not_believed(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "states", 7, Replay().checkpoint())
    assert recover(tmp_path / "journal", tmp_path / "states").state.seq == 0


def test_a_checkpoint_at_the_end_of_a_segment_goes_on_in_the_next(
    journal: Path, tmp_path: Path
) -> None:
    boundary = begun_segments(OsDisk(), journal)[2].header.first_seq - 1
    replay = Replay()
    decode = fact_decoder().decode
    reader = JournalReader(journal)
    for entry in reader:
        if entry.seq <= boundary:
            replay.apply(entry.seq, decode(entry.payload))
            replay.state.position = position_of(entry)
    reader.close()
    write_checkpoint(tmp_path / "other", boundary, replay.checkpoint())
    assert same(recover(journal, tmp_path / "other"), whole(journal))
