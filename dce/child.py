"""What a child process of the supervisor does: die with its parent, say that it serves and lives.

```
pipe to the supervisor:  "ready" once it serves │ "beat" every second from its event loop
SIGUSR2 ─► the stacks of all threads on stderr, written without the interpreter's help
```
The supervisor passes its end of the pipe as DCE_CHILD_REPORT_FD and its own process id as
DCE_CHILD_PARENT. Run by hand (`dce worker …` in a shell) neither is set and nothing is said.
"""

import asyncio
import ctypes
import faulthandler
import os
import signal
from contextlib import suppress

from vocabulary.limits import NS_PER_S, child_beat_ns

REPORT_FD = "DCE_CHILD_REPORT_FD"
PARENT = "DCE_CHILD_PARENT"
READY_LINE = b"ready\n"
BEAT_LINE = b"beat\n"
STACKS = signal.SIGUSR2
EXIT_JOURNAL = 3
EXIT_RECORD = 4
EXIT_DAMAGED = 5
EXIT_REASONS = {  # statuses that no further start would mend; `dce run` passes them on
    EXIT_JOURNAL: "its journal failed; what was acknowledged is safe",
    EXIT_RECORD: "the record cannot go on, its log says why",
    EXIT_DAMAGED: "the journal is damaged or of a newer version, its log says what helps",
}
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def follow_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends, whatever ended it. Linux only.

    Raises SystemExit if the parent is gone already.
    """
    parent = os.environ.pop(PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it died between our fork and the prctl
        raise SystemExit("the supervisor is gone")


def write_stacks_when_asked() -> None:
    """From now on STACKS, and every fatal signal, writes the stacks of all threads to stderr."""
    faulthandler.enable()
    faulthandler.register(STACKS, all_threads=True)


def announce_ready() -> None:
    """Tell the supervisor that this process serves: sockets bound, state loaded. Once."""
    _say(READY_LINE)


async def beat(every_s: float = child_beat_ns / NS_PER_S) -> None:
    """Tell the supervisor again and again that this event loop turns. Until cancelled."""
    while True:
        _say(BEAT_LINE)
        await asyncio.sleep(every_s)


def _say(line: bytes) -> None:
    """A full pipe means a supervisor that reads nothing, a broken one that it is gone."""
    descriptor = os.environ.get(REPORT_FD, "")
    if descriptor:
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(int(descriptor), line)
