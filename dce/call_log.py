"""One line for each call that ended, with its id: a warning after an error of ours, else debug.

At info an ordinary call has none: thousands end in a second, and its record says all there is.
A journal that fails has one line of its own, not one for every call that it takes along.
"""

import logging
from collections.abc import Callable

from dce.telemetry import bound
from vocabulary.facts import CallClosed
from vocabulary.limits import NS_PER_S
from vocabulary.reasons import Refused


def call_log() -> Callable[[CallClosed], None]:
    """What to call with the last fact of each call, for the log level in force."""
    return tell if logging.getLogger("dce.call").isEnabledFor(logging.DEBUG) else tell_fault


def tell_fault(fact: CallClosed) -> None:
    """A warning if an error of ours ended the call, nothing otherwise."""
    if fact.refused == Refused.FAULT:
        tell(fact)


def tell(fact: CallClosed) -> None:
    """One line: outcome and ids, no personal data."""
    log = bound(fact.call_id)
    write = log.warning if fact.refused == Refused.FAULT else log.debug
    write(
        "call ended",
        outcome=fact.disposition.name.lower(),
        sip_status=fact.sip_status,
        refused=Refused(fact.refused).name.lower(),
        hangup=fact.hangup.name.lower(),
        campaign=fact.campaign,
        target=fact.target,
        attempts=len(fact.attempts),
        connected_s=fact.connected_ns // NS_PER_S,
    )
