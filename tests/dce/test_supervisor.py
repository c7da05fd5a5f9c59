"""The supervisor with real, tiny children: order, readiness by event, death named, no orphan."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dce.back_off import BackOff
from dce.child_process import ChildDied, Patience
from dce.supervisor import Supervisor
from tests.dce.children import (
    BEATS,
    CLOSES_PIPE,
    DEAF,
    DIES_EARLY,
    ENDS_WITH_3,
    NEVER_READY,
    READY,
    SERVES_AT_THE_THIRD,
    child,
    lines,
    next_start,
    no_drain,
    until_ready,
)

HASTY = Patience(tick_s=0.1, start_ticks=600, stuck_ticks=10, stacks_s=0.5)


def at_once() -> BackOff:
    return BackOff(first_s=0.0, longest_s=0.0, stable_s=60.0)


async def test_starts_in_order_and_ends_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [child(name, READY, log) for name in ("first", "second", "third")]
    drained = []

    async def drain() -> None:
        drained.append(lines(log))

    supervisor = Supervisor(children, drain)
    running = await until_ready(children, supervisor)
    supervisor.tell()
    assert await running == 0
    up = ["first up", "second up", "third up"]
    assert drained == [up]  # every child still lived while calls drained
    assert lines(log) == [*up, "first down", "second down", "third down"]


async def test_a_dead_child_is_started_again_and_the_rest_lives_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "log"
    children = [child(name, READY, log) for name in ("first", "second")]
    supervisor = Supervisor(children, no_drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    pid = children[1].pid
    os.kill(pid, signal.SIGKILL)
    await next_start(children[1], pid)
    assert f"second (pid {pid}) ended by SIGKILL; it is started again in 0.0 s" in caplog.text
    assert supervisor.restarts == {"first": 0, "second": 1}
    supervisor.tell()
    assert await running == 0
    up = ["first up", "second up", "second up"]
    assert lines(log) == [*up, "first down", "second down"]


async def test_a_child_that_fails_its_next_starts_is_tried_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [child("first", READY, log), child("second", SERVES_AT_THE_THIRD, log)]
    supervisor = Supervisor(children, no_drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    pid = children[1].pid
    os.kill(pid, signal.SIGKILL)
    await next_start(children[1], pid)
    assert supervisor.restarts == {"first": 0, "second": 3}
    supervisor.tell()
    assert await running == 0


async def test_the_child_that_carries_calls_is_started_again_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [child(name, READY, log) for name in ("first", "second")]
    supervisor = Supervisor(children, no_drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    pid = children[0].pid
    os.kill(pid, signal.SIGKILL)
    await next_start(children[0], pid)
    supervisor.tell()
    assert await running == 0


async def test_a_status_that_no_start_would_mend_ends_the_server_after_a_drain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    children = [child("first", READY, log), child("second", ENDS_WITH_3, log)]
    drained = []

    async def drain() -> None:
        drained.append((children[0].runs, children[1].runs))

    supervisor = Supervisor(children, drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    pid = children[1].pid
    os.kill(pid, signal.SIGTERM)
    assert await running == 3
    assert drained == [(True, False)]
    assert capsys.readouterr().err.startswith(f"dce: second (pid {pid}) ended with status 3: its")
    assert supervisor.restarts == {"first": 0, "second": 0}
    assert lines(log) == ["first up", "first down"]


async def test_without_the_child_that_carries_calls_nothing_is_drained(tmp_path: Path) -> None:
    children = [child("first", ENDS_WITH_3, tmp_path), child("second", READY, tmp_path / "log")]

    async def drain() -> None:
        raise AssertionError("there is nothing left to drain")

    supervisor = Supervisor(children, drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    os.kill(children[0].pid, signal.SIGTERM)
    assert await running == 3


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGUSR1])
async def test_a_stuck_child_shows_its_stacks_and_is_replaced(
    tmp_path: Path, blow: signal.Signals, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Stopped by the kernel, or in a loop of its own: SIGUSR1 makes it spin."""
    children = [child("only", BEATS, tmp_path / "log", HASTY)]
    supervisor = Supervisor(children, no_drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    pid = children[0].pid
    os.kill(pid, blow)
    await next_start(children[0], pid)
    supervisor.tell()
    assert await running == 0
    assert f"only (pid {pid}) was stuck for 1 s and was killed; it is started" in caplog.text
    assert children[0].stuck == supervisor.restarts["only"] == 1
    if blow == signal.SIGSTOP:
        assert "state T (stopped)" in caplog.text
    else:
        assert "in spin" in capfd.readouterr().err


async def test_a_child_that_beats_is_never_stuck(tmp_path: Path) -> None:
    children = [child("only", BEATS, tmp_path / "log", HASTY)]
    ticks = children[0].ticks
    supervisor = Supervisor(children, no_drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    while children[0].ticks < ticks + 3 * HASTY.stuck_ticks:
        await asyncio.sleep(0)
    assert (children[0].stuck, supervisor.restarts["only"]) == (0, 0)
    supervisor.tell()
    assert await running == 0


def test_the_back_off_doubles_is_bounded_and_forgets() -> None:
    back_off = BackOff(first_s=1.0, longest_s=5.0, stable_s=60.0)
    assert [back_off.wait_s(0.5) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert [back_off.wait_s(lived_s) for lived_s in (59.9, 60.0, 1.0)] == [5.0, 1.0, 2.0]


async def test_a_child_that_ends_before_it_is_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    children = [child("first", READY, log), child("second", DIES_EARLY, log)]
    assert await Supervisor(children, no_drain).run() == 3
    pid = children[1].pid
    said = capsys.readouterr().err
    assert said == (
        f"dce: second (pid {pid}) ended before it was ready with status 3: its journal failed;"
        " what was acknowledged is safe\n"
    )
    assert lines(log) == ["first up", "first down"]


async def test_a_status_of_its_own_at_the_end_is_passed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    children = [child("first", ENDS_WITH_3, tmp_path), child("second", READY, tmp_path / "log")]
    supervisor = Supervisor(children, no_drain)
    running = await until_ready(children, supervisor)
    supervisor.tell()
    assert await running == 3
    said = capsys.readouterr().err
    assert said.startswith(f"dce: first (pid {children[0].pid}) ended with status 3: its journal")


async def test_a_child_that_had_to_be_killed_is_no_good_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    children = [child("deaf", DEAF, tmp_path / "log")]
    supervisor = Supervisor(children, no_drain, stop_s=0.2)
    running = await until_ready(children, supervisor)
    supervisor.tell()
    assert await running == 1
    assert "did not end within 0.2 s and was killed" in capsys.readouterr().err


async def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    silent = Patience(tick_s=0.02, start_ticks=10, stacks_s=0.1)
    late = child("late", NEVER_READY, tmp_path / "log", silent)
    with pytest.raises(ChildDied, match="was stuck for 0 s and was killed"):
        await late.start()
    assert not late.runs


async def test_a_child_that_closes_the_pipe_without_a_word_is_ended(tmp_path: Path) -> None:
    mute = child("mute", CLOSES_PIPE, tmp_path / "log")
    with pytest.raises(ChildDied, match="before it was ready"):
        await mute.start()
    await mute.stop()


async def test_a_deaf_child_is_killed(tmp_path: Path) -> None:
    deaf = child("deaf", DEAF, tmp_path / "log")
    await deaf.start()
    await deaf.stop(stop_s=0.2)
    assert deaf.describe() == f"deaf (pid {deaf.pid}) did not end within 0.2 s and was killed"


async def test_a_second_signal_cuts_the_drain_short(tmp_path: Path) -> None:
    draining = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await asyncio.Event().wait()  # a call that never ends

    children = [child("only", READY, tmp_path / "log")]
    supervisor = Supervisor(children, drain)
    running = await until_ready(children, supervisor)
    supervisor.tell()
    await draining.wait()
    assert not running.done()
    supervisor.tell()
    assert await running == 0


@pytest.mark.parametrize("victim", [0, 1])
async def test_a_child_that_dies_while_calls_drain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], victim: int
) -> None:
    """With the first the calls are gone and the end is named; another one is started again."""
    draining = asyncio.Event()
    over = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await over.wait()

    children = [child(name, READY, tmp_path / "log") for name in ("first", "second")]
    supervisor = Supervisor(children, drain, back_off=at_once)
    running = await until_ready(children, supervisor)
    supervisor.tell()
    await draining.wait()
    pid = children[victim].pid
    os.kill(pid, signal.SIGKILL)
    if victim == 0:
        assert await running == 1
        assert f"dce: first (pid {pid}) ended by SIGKILL" in capsys.readouterr().err
        return
    await next_start(children[1], pid)
    over.set()
    assert await running == 0


async def test_told_while_starting_ends_what_was_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [child("first", READY, log), child("late", NEVER_READY, log)]
    supervisor = Supervisor(children, no_drain)
    running = asyncio.create_task(supervisor.run())
    while not children[1].pid:
        await asyncio.sleep(0)
    supervisor.tell()
    assert await running == 0
    assert lines(log) == ["first up", "first down"]


async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor: the kernel tells the child; a pipe's end says that it is gone."""
    log = tmp_path / "log"
    parent = (
        "import asyncio, sys; from pathlib import Path; from tests.dce.children import *\n"
        f"only = child('only', READY, Path({str(log)!r}))\n"
        "async def main():\n"
        "    supervisor = Supervisor([only], no_drain)\n"
        "    running = asyncio.create_task(supervisor.run())\n"
        "    await supervisor.all_ready.wait()\n"
        "    print(only.pid, flush=True)\n"
        "    await running\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    descriptor = os.pidfd_open(pid)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    process.kill()
    await process.wait()
    async with asyncio.timeout(10):
        await gone.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)
    assert lines(log) == ["only up", "only down"]
