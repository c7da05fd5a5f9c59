"""`dce check`: what the machine grants: compiled modules, time, open files, receive buffers."""

import ctypes
import errno
import resource

import sip.core
from dce.config import Config
from dce.finding import Finding, ok, warn
from sip.edge.udp import bind, granted_bytes
from vocabulary.limits import (
    NS_PER_MS,
    clock_error_ns,
    descriptors_max,
    udp_receive_buffer_bytes,
)

# <linux/timex.h>: the leading fields of struct timex, and room for the rest of it.
STA_UNSYNC = 0x0040
TIME_ERROR = 5
NS_PER_US = 1_000


class Timex(ctypes.Structure):
    """adjtimex(2). maxerror and esterror are in µs."""

    _fields_ = [
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    ]


async def build(_config: Config) -> Finding:
    """Whether the call path is compiled."""
    if sip.core.__file__.endswith(".py"):
        return warn(
            "the call path runs as plain Python: right, but several times slower",
            "make build, or install with a C compiler",
        )
    return ok("the call path is compiled")


async def clock(_config: Config) -> Finding:
    """Whether somebody keeps the wall clock, as the kernel knows it; containers share the host's.

    Timers and durations are monotonic and need no such clock; schedules, caps and records do.
    """
    state = Timex()
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.adjtimex(ctypes.byref(state))
    if answer < 0:
        name = errno.errorcode.get(ctypes.get_errno(), "unknown")
        return warn(
            f"the kernel does not say whether the clock is kept ({name})",
            "in a container or sandbox, see to it on the host",
        )
    return judge_clock(answer, state.status, state.maxerror * NS_PER_US)


def judge_clock(answer: int, status: int, error_ns: int) -> Finding:
    """answer: of adjtimex; status: its STA_ bits; error_ns: how wrong the clock may be."""
    if answer == TIME_ERROR or status & STA_UNSYNC:
        return warn(
            "nobody keeps the clock in time: schedules, caps and records follow it",
            "run chrony or systemd-timesyncd; in a container, on the host",
        )
    if error_ns > clock_error_ns:
        return warn(
            f"the clock may be wrong by {error_ns // NS_PER_MS} ms",
            "see whether its time servers answer",
        )
    return ok(f"synchronised, within {error_ns // NS_PER_MS} ms")


async def descriptors(_config: Config) -> Finding:
    """How many open files a process may have; dce run raises the soft limit to what it wants."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= descriptors_max:
        return ok(f"{descriptors_max:,} may be had")
    return warn(
        f"{hard:,} at most, {descriptors_max:,} are wanted for a full house of connections",
        "LimitNOFILE= of the unit, ulimits of the container, or ulimit -Hn",
    )


async def receive_buffer(_config: Config) -> Finding:
    """What the kernel grants to a UDP socket: it bridges the moments in which we are busy."""
    with bind("127.0.0.1", 0) as probe:
        granted = granted_bytes(probe)
    if granted < udp_receive_buffer_bytes:
        return warn(
            f"{granted:,} bytes of {udp_receive_buffer_bytes:,}: bursts of calls are lost",
            f"sysctl -w net.core.rmem_max={udp_receive_buffer_bytes}, on the host",
        )
    return ok(f"{granted:,} bytes")
