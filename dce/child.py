"""What a child process of the supervisor does first: die with its parent, say when it is ready.

The supervisor passes one end of a pipe as DCE_CHILD_READY_FD and its own process id as
DCE_CHILD_PARENT. Run by hand (`dce worker …` in a shell) neither is set and both do nothing.
"""

import ctypes
import os
import signal

READY_FD = "DCE_CHILD_READY_FD"
PARENT = "DCE_CHILD_PARENT"
READY_LINE = b"ready\n"
EXIT_JOURNAL = 3
EXIT_RECORD = 4
EXIT_REASONS = {  # statuses that `dce run` passes on
    EXIT_JOURNAL: "its journal failed; what was acknowledged is safe",
    EXIT_RECORD: "the record cannot go on, its log says why",
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


def announce_ready() -> None:
    """Tell the supervisor that this process serves: sockets bound, state loaded. Once."""
    descriptor = os.environ.pop(READY_FD, "")
    if descriptor:
        os.write(int(descriptor), READY_LINE)
        os.close(int(descriptor))
