"""Commands of the desk, each to the part that carries it out.

A leg that is gone makes a command late, not wrong: notice and command cross. What the state of
a leg that is there does not allow is a LocalProtocolError.
"""

from sip import b2bua, ending, expiry, uac, uas
from sip.admission import Admission
from sip.core import Core
from sip.counters import LATE_COMMANDS
from sip.encode import checked
from sip.leg import CALLING, ENDING, ESTABLISHED, OFFERED, Leg
from sip.signals import (
    Acknowledge,
    Admit,
    Answer,
    By,
    Cancel,
    Command,
    Dial,
    FlowLost,
    Hangup,
    Join,
    Reject,
    Renegotiate,
    Ring,
    Trying,
)
from vocabulary.errors import LocalProtocolError


def carry_out(core: Core, admission: Admission, command: Command, now_ns: int) -> None:
    """Do what a command says. Raises LocalProtocolError as above."""
    if type(command) is Dial:  # isinstance of a Struct would ask its metaclass
        uac.dial(core, command, now_ns)
    elif type(command) is Join:
        a = core.legs.get(command.a)
        b = core.legs.get(command.b)
        if a is None or b is None or a.state == ENDING or b.state == ENDING:
            core.count(LATE_COMMANDS)
        else:
            b2bua.join(core, a, b, now_ns)
    elif type(command) is Admit:
        admission.is_open = command.open
        admission.retry_after_s = command.retry_after_s
    elif type(command) is FlowLost:
        expiry.flow_lost(core, command.flow, now_ns)
    else:
        leg = core.legs.get(command.leg)  # type: ignore[union-attr]
        if leg is None or leg.state == ENDING:
            core.count(LATE_COMMANDS)
            return
        core.current = leg
        for_leg(core, leg, command, now_ns)


def for_leg(
    core: Core,
    leg: Leg,
    command: Command,
    now_ns: int,
) -> None:
    """Carry out a command about one leg that is alive."""
    if type(command) is Ring:
        uas.ring(
            core, leg, command.status, command.attempt, command.body, command.content_type, now_ns
        )
    elif type(command) is Answer:
        uas.answer(core, leg, command.attempt, command.body, command.content_type, now_ns)
    elif type(command) is Trying:
        uas.trying(core, leg, now_ns)
    elif isinstance(command, Reject):
        uas.reject(core, leg, command, now_ns)
    elif isinstance(command, Cancel):
        canceled(core, leg, checked(command.reason), now_ns)
    elif isinstance(command, Hangup):
        hung_up(core, leg, checked(command.reason), now_ns)
    elif isinstance(command, Renegotiate):
        b2bua.renegotiate(core, leg, command, now_ns)
    elif isinstance(command, Acknowledge):
        b2bua.acknowledge(core, leg, command)


def canceled(core: Core, leg: Leg, reason: bytes, now_ns: int) -> None:
    """Cancel: CANCEL while it is dialled; BYE if the answer came in the same turn."""
    if leg.state != CALLING and (leg.state != ESTABLISHED or leg.incoming):
        raise LocalProtocolError("Cancel: the leg was not dialled by us")
    ending.hang_up(core, leg, By.LOCAL, reason, now_ns)


def hung_up(core: Core, leg: Leg, reason: bytes, now_ns: int) -> None:
    """Hangup: BYE, for a leg still being dialled CANCEL."""
    if leg.state == OFFERED:
        raise LocalProtocolError("Hangup: the caller has no final response yet, use Reject")
    ending.hang_up(core, leg, By.LOCAL, reason, now_ns)
