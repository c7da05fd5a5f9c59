"""Applying a plan inside the signal worker: `current` follows the swap, a failed journal stops it.

The disk is the storage tests' faulty one; nothing here waits for the clock.
"""

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

import storage.journal
from dce import plan_files
from exchange.signals import Beat
from tests.dce.signal_core import config_at, running, write_plan
from tests.routing.plans import written_plan
from tests.storage.faulty_disk import FaultyDisk
from vocabulary.errors import CommandRefused

BOUND_S = 10


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyDisk]:
    """The disk under the journal of this test."""
    made = FaultyDisk()
    monkeypatch.setattr(storage.journal, "OsDisk", lambda: made)
    yield made
    made.gate.set()


async def test_the_worker_names_the_plan_it_runs(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    async with running(config) as core:
        done = await core.apply_plan(*write_plan(config, 1, written_plan(2)))
        assert (done.version, done.bids_put, done.bids_removed) == (1, 2, 0)
        assert plan_files.read_current(config.plans_dir) == 1
        done = await core.apply_plan(*write_plan(config, 2, written_plan(3)))
        assert (done.version, plan_files.read_current(config.plans_dir)) == (2, 2)
    async with running(config) as core:
        assert core.desk.market.version == 2


async def test_a_failed_journal_refuses_before_anything_moves(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    config = config_at(tmp_path)
    async with running(config) as core:
        await core.apply_plan(*write_plan(config, 1, written_plan(2)))
        disk.fail_with(errno.EIO)
        core.pump.tell(Beat())
        for _ in range(2):  # who waits when it fails, and who comes later
            async with asyncio.timeout(BOUND_S):
                with pytest.raises(CommandRefused, match="Input/output error") as caught:
                    await core.durable.wait(core.desk.seq)
            assert caught.value.code == "journal_failed"
        with pytest.raises(CommandRefused) as caught:
            await core.apply_plan(*write_plan(config, 2, written_plan(3)))
        assert (caught.value.code, caught.value.retry) == ("journal_failed", True)
        assert core.desk.market.version == plan_files.read_current(config.plans_dir) == 1
        assert len(core.desk.market.book) == 2


async def test_a_journal_that_fails_during_the_swap_leaves_doubt_and_says_so(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    config = config_at(tmp_path)
    async with running(config) as core:
        await core.apply_plan(*write_plan(config, 1, written_plan(2)))
        disk.entered.clear()
        disk.gate.clear()
        applying = asyncio.create_task(core.apply_plan(*write_plan(config, 2, written_plan(3))))
        await asyncio.to_thread(disk.entered.wait)  # the first change is on its way to the disk
        disk.fail_with(errno.EIO)
        disk.gate.set()
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(CommandRefused) as caught:
                await applying
        assert (caught.value.code, caught.value.retry) == (plan_files.IN_DOUBT, True)
    assert plan_files.read_current(config.plans_dir) == 1
    disk.error = 0
    async with running(config) as core:  # the next start takes the plan before
        assert core.desk.market.version == 1
        assert len(core.desk.market.book) == 2


async def test_plans_are_swapped_one_after_the_other(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    async with running(config) as core:
        plans = [write_plan(config, number, written_plan(1 + number)) for number in (1, 2, 3)]
        done = await asyncio.gather(*(core.apply_plan(*paths) for paths in plans))
        assert [each.version for each in done] == [1, 2, 3]
        assert plan_files.read_current(config.plans_dir) == 3
        assert len(core.desk.market.book) == 4
