"""The supervisor with real, tiny children: order, readiness by event, death named, no orphan."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dce.supervisor import Child, ChildDied, Supervisor

# Each program appends what happens to it to the log file of the test.
READY = """
import os, signal, sys, threading
from dce.child import announce_ready, follow_parent
name, log = sys.argv[1:]
def note(text):
    with open(log, "a") as file:
        file.write(f"{name} {text}\\n")
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
follow_parent()
note("up")
announce_ready()
ended.wait()
note("down")
"""
DIES_EARLY = "import sys; sys.exit(3)"
ENDS_WITH_3 = """
import signal, sys
from dce.child import announce_ready
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
announce_ready()
while True:
    signal.pause()
"""
CLOSES_PIPE = """
import os, signal, sys
os.close(int(os.environ["DCE_CHILD_READY_FD"]))
signal.pause()
"""
DEAF = """
import signal
from dce.child import announce_ready
signal.signal(signal.SIGTERM, signal.SIG_IGN)
announce_ready()
while True:
    signal.pause()
"""
NEVER_READY = "import signal; signal.pause()"


def child(name: str, program: str, log: Path) -> Child:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return Child(name, [sys.executable, "-c", program, name, str(log)], environment)


async def no_drain() -> None:
    """Nothing lives, so draining is over at once."""


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


async def until_ready(children: list[Child], supervisor: Supervisor) -> "asyncio.Task[int]":
    """Run the supervisor until it watches every child."""
    running = asyncio.create_task(supervisor.run())
    await supervisor.all_ready.wait()
    assert all(one.pid for one in children)
    return running


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


async def test_a_dead_child_is_named_and_ends_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    children = [child(name, READY, log) for name in ("first", "second")]
    supervisor = Supervisor(children, no_drain)
    running = await until_ready(children, supervisor)
    os.kill(children[1].pid, signal.SIGKILL)
    assert await running == 1
    assert capsys.readouterr().err == f"dce: second (pid {children[1].pid}) ended by SIGKILL\n"
    assert lines(log) == ["first up", "second up", "first down"]


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
    assert "ended by SIGKILL" in capsys.readouterr().err


async def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    late = child("late", NEVER_READY, tmp_path / "log")
    with pytest.raises(ChildDied, match=r"late was not ready within 0\.2 s"):
        await late.start(ready_s=0.2)
    await late.stop()
    assert "SIGTERM" in late.describe()


async def test_a_child_that_closes_the_pipe_without_a_word_is_ended(tmp_path: Path) -> None:
    mute = child("mute", CLOSES_PIPE, tmp_path / "log")
    with pytest.raises(ChildDied, match="before it was ready"):
        await mute.start()
    await mute.stop()


async def test_a_deaf_child_is_killed(tmp_path: Path) -> None:
    deaf = child("deaf", DEAF, tmp_path / "log")
    await deaf.start()
    await deaf.stop(stop_s=0.2)
    assert deaf.describe() == f"deaf (pid {deaf.pid}) ended by SIGKILL"


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


async def test_a_child_that_dies_while_draining_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draining = asyncio.Event()

    async def drain() -> None:
        draining.set()
        await asyncio.Event().wait()

    children = [child("only", READY, tmp_path / "log")]
    supervisor = Supervisor(children, drain)
    running = await until_ready(children, supervisor)
    supervisor.tell()
    await draining.wait()
    os.kill(children[0].pid, signal.SIGKILL)
    assert await running == 1
    assert "only" in capsys.readouterr().err


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
        "import asyncio, sys; from pathlib import Path; from tests.dce.test_supervisor import *\n"
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
