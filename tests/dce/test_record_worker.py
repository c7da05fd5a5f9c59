"""The record worker's end: which status it has, and why."""

from pathlib import Path

import pytest

from dce import record_worker
from dce.checkpointer import Checkpointer
from dce.child import EXIT_RECORD
from dce.config import Config
from tests.dce.signal_core import config_at, running
from vocabulary.errors import JournalDamaged


def config_without_database(folder: Path) -> Config:
    """PostgreSQL is away for good."""
    return config_at(folder, DCE_DATABASE_URL=f"postgresql://dce@/dce?host={folder}")


async def test_checkpoints_that_cannot_go_on_end_it_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def damaged(self: Checkpointer) -> None:
        raise JournalDamaged("record 7 is no fact")

    monkeypatch.setattr(Checkpointer, "run", damaged)
    assert await record_worker.run(config_without_database(tmp_path)) == EXIT_RECORD
    assert "record 7 is no fact" in caplog.text


async def test_a_journal_damaged_before_it_started_ends_it_with_its_status(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_without_database(tmp_path)
    async with running(config) as core:
        await core.durable.wait(core.desk.seq)
    (segment,) = config.journal_dir.glob("journal-*.seg")
    data = bytearray(segment.read_bytes())
    data[70] ^= 1
    segment.write_bytes(data)
    assert await record_worker.run(config) == EXIT_RECORD
    assert "damaged at byte 64" in caplog.text
