"""What the four transaction machines of RFC 3261 §17 share: states, inputs, actions, timing.

A machine is one table, {state: {input: (next state, actions)}}, in the module that argues for
it. `flatten` turns it into one tuple, so a step is an index:

    flat[state * INPUTS + input] = next state | actions << STATE_BITS, or ABSENT

An absent cell is ignored and counted when the input came from the wire or a timer; from our own
transaction user it is a LocalProtocolError.
"""

from typing import TYPE_CHECKING

from sip.timers import Lanes, Owner
from vocabulary.errors import LocalProtocolError
from vocabulary.limits import retransmits_max

if TYPE_CHECKING:
    from sip.leg import Leg
    from sip.signals import Flow

# States
INITIAL = 0
CALLING = 1
TRYING = 2
PROCEEDING = 3
COMPLETED = 4
ACCEPTED = 5
CONFIRMED = 6
TERMINATED = 7
STATE_NAMES = (
    "initial", "calling", "trying", "proceeding", "completed", "accepted", "confirmed",
    "terminated",
)  # fmt: skip

# Inputs from the wire
IN_INVITE = 0
IN_ACK = 1
IN_REQUEST = 2  # a request that is neither INVITE nor ACK
IN_1XX = 3
IN_2XX = 4
IN_3XX_6XX = 5
TRANSPORT_ERROR = 6
# Inputs from timers; a timer's kind in its lane is its input number
TIMER_A = 7
TIMER_B = 8
TIMER_D = 9
TIMER_E = 10
TIMER_F = 11
TIMER_G = 12
TIMER_H = 13
TIMER_I = 14
TIMER_J = 15
TIMER_K = 16
TIMER_L = 17
TIMER_M = 18
# Inputs from our own transaction user
TU_REQUEST = 19
TU_1XX = 20
TU_2XX = 21
TU_3XX_6XX = 22
INPUTS = 23
LOCAL_FROM = TU_REQUEST
INPUT_NAMES = (
    "INVITE", "ACK", "request", "1xx", "2xx", "3xx-6xx", "transport error",
    "A", "B", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M",
    "TU request", "TU 1xx", "TU 2xx", "TU 3xx-6xx",
)  # fmt: skip

# Actions. ARM_x is carried out by `advance`; the rest is left to the caller.
SEND = 1  # the message that our transaction user just gave
RESEND = 2  # the request, or the last response; nothing before the first response
SEND_ACK = 4  # the ACK of a 300–699 (RFC 3261 §17.1.1.3)
TELL = 8  # pass the input to the transaction user
KEEP = 16  # the running timers of the state that is left go on
ARM_A = 1 << 5
ARM_B = 1 << 6
ARM_D = 1 << 7
ARM_E = 1 << 8
ARM_F = 1 << 9
ARM_G = 1 << 10
ARM_H = 1 << 11
ARM_I = 1 << 12
ARM_J = 1 << 13
ARM_K = 1 << 14
ARM_L = 1 << 15
ARM_M = 1 << 16
ARM_ANY = ~31
IGNORED = -1  # what a step returns for an absent cell

STATE_BITS = 4
STATE_MASK = 15
ABSENT = -1

# The same again for the compiler: a public name of the module stays a Python object, and these
# are read some two hundred times a call.
_INPUTS = INPUTS
_STATE_BITS = STATE_BITS
_STATE_MASK = STATE_MASK
_ABSENT = ABSENT
_IGNORED = IGNORED
_TRYING = TRYING
_TERMINATED = TERMINATED
_KEEP = KEEP
_RESEND = RESEND
_LEFT = SEND | RESEND | SEND_ACK | TELL
_ARM_ANY = ARM_ANY
_ARM_A = ARM_A
_ARM_B = ARM_B
_ARM_D = ARM_D
_ARM_E = ARM_E
_ARM_F = ARM_F
_ARM_G = ARM_G
_ARM_H = ARM_H
_ARM_I = ARM_I
_ARM_J = ARM_J
_ARM_K = ARM_K
_ARM_L = ARM_L
_ARM_M = ARM_M
_TIMER_A = TIMER_A
_TIMER_B = TIMER_B
_TIMER_D = TIMER_D
_TIMER_E = TIMER_E
_TIMER_F = TIMER_F
_TIMER_G = TIMER_G
_TIMER_H = TIMER_H
_TIMER_I = TIMER_I
_TIMER_J = TIMER_J
_TIMER_K = TIMER_K
_TIMER_L = TIMER_L
_TIMER_M = TIMER_M
_RETRANSMITS_MAX = retransmits_max

Table = dict[int, dict[int, tuple[int, int]]]


def flatten(table: Table) -> tuple[int, ...]:
    """One tuple of cells for a table, indexed by state * INPUTS + input."""
    cells = [ABSENT] * (INPUTS * (TERMINATED + 1))
    for state, row in table.items():
        for event, (after, actions) in row.items():
            cells[state * INPUTS + event] = after | actions << STATE_BITS
    return tuple(cells)


class Timing:
    """T1, T2 and T4 of RFC 3261 §17.1.1.1 in ns, and 64·T1, the patience of every machine."""

    __slots__ = ("patience_ns", "t1_ns", "t2_ns", "t4_ns")

    def __init__(self, t1_ns: int, t2_ns: int, t4_ns: int) -> None:
        self.t1_ns = t1_ns
        self.t2_ns = t2_ns
        self.t4_ns = t4_ns
        self.patience_ns = 64 * t1_ns


def retransmit_after_ns(sent: int, t1_ns: int, t2_ns: int) -> int:
    """Gap in ns before retransmission number `sent`: T1·2^sent, at most T2.

    sent: 0..retransmits_max, more is taken as that. Returns t1_ns..t2_ns. Raises nothing.
    Timer G, RFC 3261 §17.2.1; E in Trying, §17.1.2.2; the 2xx of §13.3.1.4. Not for timer A,
    which has no T2 cap.
    """
    gap_ns = t1_ns << min(sent, _RETRANSMITS_MAX)
    return gap_ns if gap_ns < t2_ns else t2_ns


class Transaction(Owner):
    """One transaction: its place in a machine and what it may have to send again.

    reliable: over a stream, where nothing is retransmitted and D, I, J and K are zero.
    sent: retransmissions made. flow: where it sends. leg: whom it tells, None when nobody is
    left to be told.
    """

    __slots__ = ("cells", "flow", "leg", "method", "reliable", "sent", "state")

    def __init__(self, cells: tuple[int, ...], method: int, flow: "Flow", reliable: bool) -> None:
        super().__init__()
        self.cells = cells
        self.method = method
        self.flow = flow
        self.reliable = reliable
        self.state = INITIAL
        self.sent = 0
        self.leg: Leg | None = None

    def step(self, event: int) -> int:
        """Move by one input. Returns the actions of the cell, or IGNORED where there is none.

        Raises LocalProtocolError when our own transaction user has no such cell.
        """
        cell = self.cells[self.state * _INPUTS + event]
        if cell == _ABSENT:
            if event >= LOCAL_FROM:
                raise LocalProtocolError(
                    f"{INPUT_NAMES[event]} in a transaction that is {STATE_NAMES[self.state]}"
                )
            return _IGNORED
        self.state = cell & _STATE_MASK
        return cell >> _STATE_BITS

    def advance(self, event: int, lanes: Lanes, timing: Timing, now_ns: int) -> int:
        """Step and arm: entering a state disarms the timers of the one left, unless KEEP.

        Returns the actions left to the caller (SEND, RESEND, SEND_ACK, TELL) or IGNORED.
        """
        before = self.state
        actions = self.step(event)
        if actions == _IGNORED:
            return _IGNORED
        if self.state != before and not actions & _KEEP:
            lanes.cancel(self)
        if actions & _RESEND:
            self.sent = self.sent + 1
        if actions & _ARM_ANY:
            self.arm(actions, lanes, timing, now_ns)
        return actions & _LEFT

    def arm(self, actions: int, lanes: Lanes, timing: Timing, now_ns: int) -> None:
        """Arm the timers that `actions` name; a timer of zero length ends the transaction."""
        if not self.reliable:
            self.arm_resend(actions, lanes, timing, now_ns)
        if actions & (_ARM_B | _ARM_F | _ARM_H | _ARM_L | _ARM_M):
            lanes.arm(now_ns, timing.patience_ns, self, self.patience_kind(actions))
        if actions & (_ARM_D | _ARM_I | _ARM_J | _ARM_K):
            if self.reliable:
                self.state = _TERMINATED
            elif actions & (_ARM_D | _ARM_J):
                kind = _TIMER_D if actions & _ARM_D else _TIMER_J
                lanes.arm(now_ns, timing.patience_ns, self, kind)
            else:
                kind = _TIMER_I if actions & _ARM_I else _TIMER_K
                lanes.arm(now_ns, timing.t4_ns, self, kind)

    def arm_resend(self, actions: int, lanes: Lanes, timing: Timing, now_ns: int) -> None:
        """Arm A, E or G for the next retransmission over a datagram transport."""
        if actions & _ARM_A:
            lanes.arm(now_ns, timing.t1_ns << min(self.sent, _RETRANSMITS_MAX), self, _TIMER_A)
        elif actions & _ARM_E:
            gap_ns = timing.t2_ns
            if self.state == _TRYING:
                gap_ns = retransmit_after_ns(self.sent, timing.t1_ns, timing.t2_ns)
            lanes.arm(now_ns, gap_ns, self, _TIMER_E)
        elif actions & _ARM_G:
            gap_ns = retransmit_after_ns(self.sent, timing.t1_ns, timing.t2_ns)
            lanes.arm(now_ns, gap_ns, self, _TIMER_G)

    def patience_kind(self, actions: int) -> int:
        """Which of the 64·T1 timers B, F, H, L, M `actions` names."""
        if actions & _ARM_B:
            return _TIMER_B
        if actions & _ARM_F:
            return _TIMER_F
        if actions & _ARM_H:
            return _TIMER_H
        return _TIMER_L if actions & _ARM_L else _TIMER_M
