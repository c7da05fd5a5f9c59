"""Tiny child processes for the supervisor's tests; what happens to them goes to a log file."""

import asyncio
import os
import sys
from pathlib import Path

from dce.child_process import Child, Patience
from dce.supervisor import Supervisor

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
BEATS = """
import asyncio, signal, sys
from dce.child import announce_ready, beat, follow_parent, write_stacks_when_asked
def spin():
    while True:
        pass
async def main():
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, spin)
    beating = asyncio.create_task(beat(0.02))
    announce_ready()
    await ended.wait()
follow_parent()
write_stacks_when_asked()
asyncio.run(main())
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
os.close(int(os.environ["DCE_CHILD_REPORT_FD"]))
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
# Dies at its first starts, as often as the log has not the name yet; then it serves.
SERVES_AT_THE_THIRD = """
import sys
name, log = sys.argv[1:]
with open(log, "a+") as file:
    file.write(f"{name} tries\\n")
    file.seek(0)
    tries = file.read().count("tries")
if tries in (2, 3):
    sys.exit(7)
""" + READY

PATIENT = Patience(tick_s=60)  # silence is no matter of the test


def child(name: str, program: str, log: Path, patience: Patience = PATIENT) -> Child:
    """A child that runs a program of above."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return Child(name, [sys.executable, "-c", program, name, str(log)], environment, patience)


async def no_drain() -> None:
    """Nothing lives, so draining is over at once."""


def lines(log: Path) -> list[str]:
    """What happened so far."""
    return log.read_text().splitlines() if log.exists() else []


async def until_ready(children: list[Child], supervisor: Supervisor) -> "asyncio.Task[int]":
    """Run the supervisor until it keeps every child."""
    running = asyncio.create_task(supervisor.run())
    await supervisor.all_ready.wait()
    assert all(one.pid for one in children)
    return running


async def next_start(child: Child, pid: int) -> None:
    """Until the process after `pid` serves."""
    async with asyncio.timeout(60):
        while child.pid == pid or not child.serves:
            await asyncio.sleep(0)
