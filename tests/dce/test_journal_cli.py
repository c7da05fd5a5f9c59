"""`dce journal` on a real journal: verify, tail, export, cursors, repair, and a refused start."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from dce import signal_worker
from dce.__main__ import main
from dce.child import EXIT_DAMAGED
from dce.config import Config
from storage.checkpoint import write_checkpoint
from storage.cursors import read_cursors
from storage.sealing import open_keys
from storage.segment import HEADER_BYTES
from tests.dce.signal_core import config_at
from tests.storage.facts_of_calls import append_fact, facts_of_call, top_up
from tests.storage.opened import Opened
from vocabulary.facts import Personal

CALLS = 60
ROOT = Path(__file__).parents[2]


async def recorded(folder: Path) -> Config:
    """A configuration whose journal holds 60 calls in several segments; nobody runs on it."""
    config = config_at(folder)
    opened = Opened(config.journal_dir)
    sealer = open_keys(config.keys_dir, process_epoch=opened.journal.epoch, worker=0)
    for number in range(CALLS):
        caller = Personal((f"+1212555{number:04d}", "", "+18005550100", "id", "192.0.2.1"))
        sealer.seal(caller)
        for fact in facts_of_call(number):
            personal = {"personal": caller} if hasattr(fact, "personal") else {}
            seq = append_fact(opened.journal, replace(fact, **personal))
        await opened.durable(seq)
    opened.journal.close()
    return config


def run(config: Config, *words: str) -> int:
    return main(["journal", *words, "--set", f"data_dir={config.data}"])


def damage(config: Config) -> Path:
    path = sorted(config.journal_dir.glob("journal-*.seg"))[2]
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 40] ^= 1
    path.write_bytes(data)
    return path


async def test_verify_names_every_segment_and_the_first_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = await recorded(tmp_path)
    assert run(config, "verify") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("journal-00000001.seg  epoch 1  records 1 to ")
    assert all(line.endswith("  whole") for line in said[:-1])
    assert said[-1].endswith("records: whole")
    path = damage(config)
    assert run(config, "verify") == 1
    out, error = capsys.readouterr()
    assert f"DAMAGED at byte {HEADER_BYTES}" in out.splitlines()[-1]
    assert len(out.splitlines()) == 3
    assert f"{path}: damaged at byte {HEADER_BYTES}" in error
    assert f"dce journal repair --set data_dir={config.data}" in error


async def test_facts_are_json_lines_and_sealed_unless_revealed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = await recorded(tmp_path)
    assert run(config, "export") == 0
    text = capsys.readouterr().out
    facts = [json.loads(line) for line in text.splitlines()]
    assert [fact["seq"] for fact in facts] == list(range(1, len(facts) + 1))
    closed = [fact for fact in facts if fact["kind"] == "call_closed"]
    assert len(closed) == CALLS
    assert closed[0]["postings"][0]["account"] == "buyer"
    assert len(closed[0]["call_id"]) == 36
    assert isinstance(closed[0]["personal"], str)
    assert run(config, "export", "--from", "5", "--to", "9", "--reveal") == 0
    some = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [fact["seq"] for fact in some] == [5, 6, 7, 8, 9]
    shown = [fact["personal"] for fact in some if "personal" in fact]
    assert shown
    assert all(set(each) == {"caller", "display", "dialled", "sip_call_id", "source"}
               for each in shown)
    assert shown[0]["caller"] not in text
    assert run(config, "tail", "-n", "3") == 0
    last = [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()]
    assert last == [len(facts) - 2, len(facts) - 1, len(facts)]


async def test_an_exporter_goes_on_at_its_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = await recorded(tmp_path)
    assert run(config, "export", "--cursor", "books", "--to", "7") == 0
    assert read_cursors(config.journal_dir) == {"books": 7}
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert run(config, "export", "--cursor", "books") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["seq"] == 8
    assert run(config, "export", "--cursor", "books") == 0
    assert capsys.readouterr() == ("", "nothing to export\n")
    oldest = sorted(config.journal_dir.glob("journal-*.seg"))[0]
    oldest.unlink()  # as retention does: a new exporter begins at what is there
    assert run(config, "export", "--cursor", "late", "--to", "60") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["seq"] > 1
    assert run(config, "export", "--from", "1") == 1
    assert "record 1 is gone, the oldest is" in capsys.readouterr().err
    assert run(config, "forget", "late") == 0
    assert run(config, "export", "--cursor", "record") == 2
    assert run(config, "export", "--cursor", "No Name") == 2
    assert run(config, "forget", "books") == 0
    assert run(config, "forget", "books") == 1
    assert "no cursor 'books'; there are: none" in capsys.readouterr().err
    assert read_cursors(config.journal_dir) == {}


async def test_tail_follows_what_becomes_durable(tmp_path: Path) -> None:
    config = await recorded(tmp_path)
    opened = Opened(config.journal_dir)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dce", "journal", "tail", "-n", "1", "--follow",
        "--set", f"data_dir={config.data}", stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(30):
            last = json.loads(await child.stdout.readline())["seq"]
            assert last == opened.journal.next_seq - 1
            for number in (1, 2):
                await opened.durable(append_fact(opened.journal, top_up(number)))
                shown = json.loads(await child.stdout.readline())
                assert (shown["seq"], shown["kind"]) == (last + number, "top_up_posted")
                assert shown["idempotency_key"] == f"key-{number}"
    finally:
        child.kill()
        await child.wait()
        opened.journal.close()


async def test_repair_says_what_is_lost_and_loses_nothing_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = await recorded(tmp_path)
    assert run(config, "repair") == 0
    assert "nothing is damaged" in capsys.readouterr().out
    path = damage(config)
    before = {each.name: each.read_bytes() for each in config.journal_dir.glob("journal-*.seg")}
    write_checkpoint(config.checkpoint_dir, 1, b"state")
    assert run(config, "repair") == 1
    said = capsys.readouterr().out
    assert "lost: every record from" in said
    assert path.name in said
    assert said.splitlines()[-1].endswith("--accept-loss")
    after = {each.name: each.read_bytes() for each in config.journal_dir.glob("journal-*.seg")}
    assert after == before
    assert run(config, "repair", "--accept-loss") == 0
    assert "moved to" in capsys.readouterr().out
    assert run(config, "verify") == 0
    (aside,) = config.journal_dir.glob("aside-*")
    assert {each.name for each in aside.iterdir()} >= set(before) - {
        each.name for each in config.journal_dir.glob("journal-*.seg")
    }


async def test_a_start_on_damage_is_refused_with_offset_and_command(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = await recorded(tmp_path)
    path = damage(config)
    before = path.read_bytes()
    async with asyncio.timeout(10):
        assert await signal_worker.run(config) == EXIT_DAMAGED
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert f"{path}: damaged at byte {HEADER_BYTES}: " in said
    assert said.endswith(f"dce journal repair --set data_dir={config.data}")
    assert path.read_bytes() == before


def test_there_must_be_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for way in ("verify", "tail", "export", "repair"):
        assert main(["journal", way, "--set", f"data_dir={tmp_path / 'none'}"]) == 1
        assert "there is no journal in" in capsys.readouterr().err
