"""Counters of an endpoint: their numbers and their names. Integers only, never reset.

    0..15    received_<method>      32..38  received_<class>xx
    16..31   sent_<method>          40..46  sent_<class>xx        48… the single ones
"""

from sip.grammar import METHOD_NAMES

RECEIVED_METHOD = 0
SENT_METHOD = 16
RECEIVED_STATUS = 32
SENT_STATUS = 40
DROPPED_GARBAGE = 48
KEEP_ALIVES = 49
STRAY_RESPONSES = 50
STRAY_ACKS = 51
ABSORBED = 52
RETRANSMITTED = 53
IGNORED_INPUT = 54
SHED = 55
FAULTS = 56
LATE_COMMANDS = 57
MERGED = 58
NO_ACK = 59
FAILURES_UNACKED = 60
TIMED_OUT = 61
REFUSED = 62
LOST_FORKS = 63
CALLS_OFFERED = 64
FLOWS_LOST = 65
SIZE = 66

SINGLE_NAMES = (
    "dropped_garbage", "keep_alives", "stray_responses", "stray_acks", "absorbed",
    "retransmitted", "ignored_inputs", "shed", "faults", "late_commands", "merged", "no_ack",
    "failures_unacked", "timed_out", "refused", "lost_forks", "calls_offered", "flows_lost",
)  # fmt: skip


def _names() -> dict[int, str]:
    """Number → name of every counter that can be other than zero."""
    names = {DROPPED_GARBAGE + at: name for at, name in enumerate(SINGLE_NAMES)}
    methods = {0: "other"} | {m: name.decode().lower() for m, name in METHOD_NAMES.items()}
    for number, name in methods.items():
        names[RECEIVED_METHOD + number] = f"received_{name}"
        names[SENT_METHOD + number] = f"sent_{name}"
    for digit in range(1, 7):
        names[RECEIVED_STATUS + digit] = f"received_{digit}xx"
        names[SENT_STATUS + digit] = f"sent_{digit}xx"
    return names


NAMES = _names()
assert len(SINGLE_NAMES) == SIZE - DROPPED_GARBAGE
