"""`dce recover --explain`: the same verdicts as a start's own, and nothing is touched."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dce.__main__ import main
from dce.recover_cli import Closing, Explanation, explain, lines_of
from dce.recovery import position_of
from exchange.recover import Replay
from storage.checkpoint import write_checkpoint
from storage.fact_types import FACT_TYPES
from storage.reader import JournalReader
from tests.exchange.test_recovery import recorded, replayed
from tests.storage.opened import Opened
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.facts import AnswerSent, CallAnswered, CallClosed, CallRouted, Fact, Started
from vocabulary.ids import uuid_text
from vocabulary.money import format_micros

encode = fact_encoder(lambda personal: personal.sealed).encode


def cut() -> list[Fact]:
    """The recorded minute up to an answer of which nothing shows that its 200 left, with other
    calls alive that were charged, and that ring."""
    facts = [fact for _, fact in recorded()]
    for at, fact in enumerate(facts):
        alive = {f.call_id for f in facts[:at] if isinstance(f, CallRouted) and f.ladder}
        alive -= {f.call_id for f in facts[:at] if isinstance(f, CallClosed)}
        sent = {f.call_id for f in facts[:at] if isinstance(f, AnswerSent)} & alive
        if isinstance(fact, CallAnswered) and sent and len(alive) > 2:
            return facts[: at + 1]
    raise AssertionError("the minute has no such moment")


async def write(folder: Path, facts: list[Fact]) -> None:
    """One process: a new epoch with these facts."""
    opened = Opened(folder / "journal", segment_bytes=4_096)
    for fact in facts:
        seq = opened.put(encode(fact), FACT_TYPES[type(fact)])
    await opened.durable(seq)
    opened.journal.close()


def explained(folder: Path) -> Explanation:
    return explain(folder / "journal", folder / "states", running=False)


def fingerprints(folder: Path) -> dict[str, str]:
    """Every file and what is in it."""
    return {str(path): sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


def figures(found: Closing) -> dict[str, tuple[str, str, float]]:
    return {call.id: (call.charged, call.payout, call.talked_s) for call in found.calls}


async def test_the_next_start_is_told_before_and_the_last_one_after(tmp_path: Path) -> None:
    facts = cut()
    await write(tmp_path, facts)
    before = fingerprints(tmp_path)
    found = explained(tmp_path)
    assert fingerprints(tmp_path) == before
    replay = replayed(tuple(enumerate(facts, 1)))
    closings = replay.close_open(replay.state.at_ns + 1)
    assert found.pending is not None
    assert figures(found.pending) == {
        uuid_text(fact.call_id): (
            format_micros(fact.revenue_micros), format_micros(fact.payout_micros),
            fact.connected_ns / 1e9)
        for fact in closings
    }
    assert {call.why for call in found.pending.calls} >= {"answer_sent", "never_sent"}
    assert found.pending.charged_micros == sum(fact.revenue_micros for fact in closings)

    started = Started(replay.state.at_ns + 1, 0, 2, 3, "9.8.7")
    await write(tmp_path, [started, *closings])
    after = explained(tmp_path)
    assert after.last_start is not None
    assert after.pending is not None
    assert (after.last_start.known, after.last_start.version) == (True, "9.8.7")
    assert after.last_start.calls == found.pending.calls
    assert after.pending.calls == []


async def test_a_closing_that_was_written_otherwise_is_pointed_at(tmp_path: Path) -> None:
    facts = cut()
    await write(tmp_path, facts)
    replay = replayed(tuple(enumerate(facts, 1)))
    at_ns = replay.state.at_ns + 1
    first, second, *_ = replay.close_open(at_ns)
    wrong = msgspec.structs.replace(first, revenue_micros=first.revenue_micros + 1)
    await write(tmp_path, [Started(at_ns, 0, 2, 3, "x"), wrong])
    last = explained(tmp_path).last_start
    assert last is not None
    by_id = {call.id: call.because for call in last.calls}
    assert by_id[uuid_text(first.call_id)].endswith("; the start recorded it otherwise")
    assert by_id[uuid_text(second.call_id)].endswith("; not recorded yet")


async def test_a_state_behind_the_last_start_cannot_tell_of_it(tmp_path: Path) -> None:
    facts = [fact for _, fact in recorded()[:150]]
    await write(tmp_path, [Started(1, 0, 1, 3, "x"), *facts])
    replay = Replay()
    decode = fact_decoder().decode
    reader = JournalReader(tmp_path / "journal")
    for entry in reader:
        replay.apply(entry.seq, decode(entry.payload))
        if entry.seq == 40:
            replay.state.position = position_of(entry)
            write_checkpoint(tmp_path / "states", 40, replay.checkpoint())
    reader.close()
    whole = explained(tmp_path)
    assert (whole.read_from, whole.last_start is not None) == (0, True)
    sorted((tmp_path / "journal").glob("*.seg"))[0].unlink()
    part = explained(tmp_path)
    assert (part.read_from, part.last_start) == (40, None)
    assert part.pending == whole.pending
    assert "What the last start did is no longer in the journal." in lines_of(part)


async def test_the_command_says_it_to_people_and_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    (data / "journal").mkdir(parents=True)
    await write(data / "journal", cut())
    (data / "journal" / "journal").rename(data / "journal" / "0")
    words = ["recover", "--explain", "--set", f"data_dir={data}"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "The next start:" in text
    assert "nothing shows that our 200 left" in text
    assert "every hold is released" in text.lower()
    assert main([*words, "--json"]) == 0
    found: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    assert {call["why"] for call in found["pending"]["calls"]} >= {"answer_sent", "never_sent"}
    with pytest.raises(SystemExit):
        main(["recover", "--set", f"data_dir={data}"])
