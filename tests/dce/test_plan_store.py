"""Applying plans: files, row, swap and pointer agree, and a refusal leaves all as they were."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dce import plan_files, plan_store
from dce.api_link import InDoubt
from dce.database import Database
from dce.plan_refresh import refresh
from dce.plan_store import PlanStore
from storage.session import open_session
from tests.routing.plans import written_plan
from vocabulary import limits
from vocabulary.commands import ApplyPlan, PlanSwapped, Refusal, Request, Response
from vocabulary.errors import CommandRefused, PlanRefused


class Worker:
    """The signal worker's end: reads the files as the real one does, or refuses."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.refuse: Refusal | None = None
        self.away = False
        self.doubt = False

    async def ask(self, request: Request) -> Response:
        assert isinstance(request, ApplyPlan)
        if self.away:
            raise CommandRefused("signal_away", "no answer", retry=True)
        if self.doubt:
            raise InDoubt("signal_away", "no answer in time", retry=True)
        if self.refuse is not None:
            return self.refuse
        file, _ = plan_files.read_plan(Path(request.plan_path))
        bids = sum(len(chunk) for chunk in plan_files.read_bids(Path(request.bids_path)))
        assert file.version == request.version
        self.applied.append(request.version)
        plan_files.write_current(Path(request.plan_path).parent, request.version)
        return PlanSwapped(request.version, bids, 0)


class Setup:
    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        self.dsn = dsn
        self.worker = Worker()
        self.database = Database(dsn)
        self.store = PlanStore(folder, self.database, self.worker.ask)

    async def rows(self) -> list[int]:
        session = await open_session(self.dsn, name="test")
        found = await session.fetch("SELECT version FROM plans ORDER BY version")
        await session.close()
        return [row["version"] for row in found]

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {plan_store.LOCK_NAME}


@pytest.fixture
async def setup(tmp_path: Path, database_dsn: str) -> AsyncIterator[Setup]:
    made = Setup(tmp_path, database_dsn)
    yield made
    await made.database.close()


def plan(buyers: int = 2, **changes: Any) -> dict[str, Any]:
    return written_plan(buyers, **changes)


async def test_versions_count_up_and_the_pointer_follows(setup: Setup) -> None:
    assert await setup.store.current() is None
    first = await setup.store.apply(plan(2), None)
    second = await setup.store.apply(plan(3), None)
    assert (first.version, first.bids_put, second.version, second.bids_put) == (1, 2, 2, 3)
    assert setup.worker.applied == await setup.rows() == [1, 2]
    assert plan_files.read_current(setup.folder) == 2
    now = await setup.store.current()
    assert now is not None
    assert (now.version, now.digest) == (2, second.digest)
    assert setup.files() == {
        "current",
        *(f"00000{n}.{kind}" for n in (1, 2) for kind in ("plan", "bids", "book", "json")),
    }


async def test_the_source_comes_back_and_applies_again(setup: Setup) -> None:
    first = await setup.store.apply(plan(), None)
    now = await setup.store.current()
    assert now is not None
    again = await setup.store.apply(msgspec.json.decode(now.source), first.digest)
    assert again.digest == first.digest


async def test_a_wrong_plan_changes_nothing(setup: Setup) -> None:
    await setup.store.apply(plan(), None)
    files = setup.files()
    wrong = plan()
    wrong["bids"][0]["amount"] = "-5"
    wrong["campaigns"][0]["targets"] = ["nobody"]
    with pytest.raises(PlanRefused) as caught:
        await setup.store.apply(wrong, None)
    assert {path for path, _ in caught.value.errors} == {
        "bids[0].amount", "campaigns[0].targets[0]"
    }
    assert (setup.files(), await setup.rows(), setup.worker.applied) == (files, [1], [1])


async def test_a_country_that_cannot_be_dialled_is_refused(setup: Setup) -> None:
    wrong = plan()
    wrong["trunks"][0]["country"] = "XX"
    with pytest.raises(PlanRefused):
        await setup.store.apply(wrong, None)
    assert setup.files() == set()


async def test_what_the_worker_refuses_is_taken_back(setup: Setup) -> None:
    await setup.store.apply(plan(), None)
    files = setup.files()
    setup.worker.refuse = Refusal("slots_full", "too many ids")
    with pytest.raises(CommandRefused, match="too many ids"):
        await setup.store.apply(plan(3), None)
    assert (setup.files(), await setup.rows()) == (files, [1])
    assert plan_files.read_current(setup.folder) == 1
    setup.worker.refuse = None
    assert (await setup.store.apply(plan(3), None)).version == 2


async def test_a_worker_that_is_away_leaves_the_running_plan(setup: Setup) -> None:
    setup.worker.away = True
    with pytest.raises(CommandRefused) as caught:
        await setup.store.apply(plan(), None)
    assert caught.value.retry
    assert (setup.files(), await setup.rows()) == (set(), [])


FILES = {f"000001.{kind}" for kind in ("plan", "bids", "book", "json")}


async def test_an_answer_that_never_came_takes_nothing_back(setup: Setup) -> None:
    setup.worker.doubt = True
    with pytest.raises(CommandRefused, match="not known") as caught:
        await setup.store.apply(plan(), None)
    assert (caught.value.code, caught.value.retry) == ("plan_in_doubt", True)
    assert (setup.files(), await setup.rows()) == (FILES, [1])
    plan_files.write_current(setup.folder, 1)  # the worker came to its end after all
    now = await setup.store.current()
    assert now is not None
    setup.worker.doubt = False
    assert (await setup.store.apply(plan(3), now.digest)).version == 2


async def test_a_failure_after_the_swap_takes_nothing_back(setup: Setup) -> None:
    setup.worker.refuse = Refusal("plan_in_doubt", "not written: EIO", retry=True)
    with pytest.raises(CommandRefused, match="EIO") as caught:
        await setup.store.apply(plan(), None)
    assert (caught.value.code, caught.value.retry) == ("plan_in_doubt", True)
    assert (setup.files(), await setup.rows()) == (FILES, [1])
    assert plan_files.read_current(setup.folder) == 0


async def test_a_request_cut_off_while_the_worker_swaps_takes_nothing_back(setup: Setup) -> None:
    asked = asyncio.Event()

    async def ask(request: Request) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    store = PlanStore(setup.folder, setup.database, ask)
    applying = asyncio.create_task(store.apply(plan(), None))
    await asked.wait()
    applying.cancel()
    await asyncio.gather(applying, return_exceptions=True)
    assert applying.cancelled()
    assert (setup.files(), await setup.rows()) == (FILES, [1])


async def test_without_postgresql_it_is_refused_before_any_file(tmp_path: Path) -> None:
    worker = Worker()
    away = Database(f"postgresql://dce@/dce?host={tmp_path}")
    store = PlanStore(tmp_path, away, worker.ask)
    with pytest.raises(CommandRefused) as caught:
        await store.apply(plan(), None)
    assert (caught.value.code, caught.value.retry) == ("database_away", True)
    assert worker.applied == []
    assert [path.name for path in tmp_path.iterdir()] == [plan_store.LOCK_NAME]


async def test_conditions_guard_against_lost_edits(setup: Setup) -> None:
    first = await setup.store.apply(plan(2), "")
    with pytest.raises(CommandRefused) as caught:
        await setup.store.apply(plan(2), "")
    assert caught.value.code == "plan_changed"
    await setup.store.apply(plan(3), first.digest)
    with pytest.raises(CommandRefused):
        await setup.store.apply(plan(2), first.digest)
    assert await setup.rows() == [1, 2]


async def test_edits_at_the_same_time_take_turns(setup: Setup) -> None:
    done = await asyncio.gather(*(setup.store.apply(plan(n), None) for n in (2, 3, 4)))
    assert sorted(one.version for one in done) == setup.worker.applied == [1, 2, 3]


async def test_another_process_that_applies_is_waited_for_within_bounds(setup: Setup) -> None:
    hasty = PlanStore(setup.folder, setup.database, setup.worker.ask, lock_wait_s=0.1)
    with (setup.folder / plan_store.LOCK_NAME).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CommandRefused) as caught:
            await hasty.apply(plan(), None)
    assert (caught.value.code, caught.value.retry) == ("plan_busy", True)


async def test_a_version_that_only_the_database_knows_is_not_used_again(setup: Setup) -> None:
    session = await open_session(setup.dsn, name="test")
    await session.execute("INSERT INTO plans (version, digest) VALUES (41, 'x')")
    await session.close()
    assert (await setup.store.apply(plan(), None)).version == 42


async def test_an_old_plan_gets_a_new_calendar_and_a_young_one_does_not(setup: Setup) -> None:
    now_s = 1_795_521_600.0
    store = PlanStore(setup.folder, setup.database, setup.worker.ask, clock=lambda: now_s)
    await refresh(store)  # there is none yet
    first = await store.apply(plan(), None)
    now_s += limits.plan_refresh_s - 1
    await refresh(store)
    assert setup.worker.applied == [1]
    now_s += 1
    await refresh(store)
    assert setup.worker.applied == [1, 2]
    now = await store.current()
    assert now is not None
    assert (now.version, now.digest) == (2, first.digest)
    old, new = (plan_files.read_plan(plan_files.plan_path(setup.folder, version))[0]
                for version in (1, 2))
    assert new.compiled_s - old.compiled_s == limits.plan_refresh_s
    assert new.zones[0].day_starts_s[-1] > old.zones[0].day_starts_s[-1]
    await refresh(store)
    assert setup.worker.applied == [1, 2]


async def test_a_refresh_that_fails_is_told_and_leaves_the_plan(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = 1_795_521_600.0
    store = PlanStore(setup.folder, setup.database, setup.worker.ask, clock=lambda: now_s)
    await store.apply(plan(), None)
    now_s += limits.plan_refresh_s
    setup.worker.away = True
    await refresh(store)
    assert "the plan is not compiled again yet" in caplog.text
    assert (setup.files(), plan_files.read_current(setup.folder)) == (FILES | {"current"}, 1)
