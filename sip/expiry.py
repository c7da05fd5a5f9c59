"""When nothing comes back: timers of transactions and legs, and flows that are lost.

A lost connection is one event for all that lives on it: requests of ours without an answer
fail, established legs end, an unanswered caller can only be told over a new connection. A
datagram address that refuses ends only what waits for an answer from it.
"""

from msgspec.structs import replace

from sip import b2bua, ending, uac, uas
from sip.client_transaction import (
    FOR_BYE,
    FOR_CALL,
    FOR_REFRESH,
    FOR_RELAY,
    ClientTransaction,
)
from sip.core import Core
from sip.counters import FAILURES_UNACKED, FLOWS_LOST, IGNORED_INPUT, RETRANSMITTED, TIMED_OUT
from sip.leg import ANSWERED, ESTABLISHED, LEG_CANCEL, LEG_HELD, OFFERED, Leg
from sip.server_transaction import ServerTransaction
from sip.signals import By, Cause, Flow
from sip.timers import Owner
from sip.transaction import IGNORED, RESEND, TELL, TERMINATED, TIMER_H, TIMER_L, TRANSPORT_ERROR
from sip.uri import hostport_of


def fire(core: Core, owner: Owner, kind: int, now_ns: int) -> None:
    """A timer came due; `kind` is its number within its owner."""
    if isinstance(owner, ClientTransaction):
        fire_client(core, owner, kind, now_ns)
    elif isinstance(owner, ServerTransaction):
        leg = owner.leg
        core.current = leg
        core.absorb(owner, kind, now_ns)
        if kind == TIMER_H:
            core.count(FAILURES_UNACKED)
        elif kind == TIMER_L and leg is not None:
            uas.not_acknowledged(core, leg, owner, now_ns)
    elif isinstance(owner, Leg):
        core.current = owner
        if kind == LEG_CANCEL:
            uac.cancel_expired(core, owner, now_ns)
        elif kind == LEG_HELD:
            b2bua.drop_held(core, owner, 491, now_ns)
        else:
            uas.timer(core, owner, kind, now_ns)


def fire_client(core: Core, transaction: ClientTransaction, kind: int, now_ns: int) -> None:
    """A timer of one of our requests: send it again, or give it up."""
    core.current = transaction.leg
    if kind == ending.ORPHAN:
        core.close_client(transaction)
        return
    actions = transaction.advance(kind, core.lanes, core.timing, now_ns)
    if actions == IGNORED:
        core.count(IGNORED_INPUT)
        return
    if actions & RESEND:
        core.count(RETRANSMITTED)
        core.send(transaction.flow, transaction.request)
    if actions & TELL:
        gave_up(core, transaction, By.TIMEOUT, now_ns)
    if transaction.state == TERMINATED:
        core.close_client(transaction)


def gave_up(core: Core, transaction: ClientTransaction, by: By, now_ns: int) -> None:
    """No final response to a request of ours, for whomever it was sent. by: why."""
    leg = transaction.leg
    purpose = transaction.purpose
    if purpose == FOR_RELAY:
        b2bua.relay_unanswered(core, transaction, by, now_ns)
    elif leg is None:
        core.count(TIMED_OUT)
    elif purpose == FOR_CALL:
        cause = Cause.TIMEOUT if by == By.TIMEOUT else Cause.TRANSPORT
        uac.gave_no_answer(core, leg, cause, now_ns)
    elif purpose == FOR_REFRESH:
        b2bua.refresh_unanswered(core, leg, by, now_ns)
    elif purpose == FOR_BYE:
        core.count(TIMED_OUT)
        ending.release(core, leg, now_ns)


def flow_lost(core: Core, flow: Flow, now_ns: int) -> None:
    """A connection closed, or an address refused."""
    core.count(FLOWS_LOST)
    address = (flow.host, flow.port)
    there = core.waiting.get(address, {})
    for transaction in [t for t in there.values() if lives_on(t.flow, flow)]:
        core.current = transaction.leg
        actions = transaction.advance(TRANSPORT_ERROR, core.lanes, core.timing, now_ns)
        if actions != IGNORED and actions & TELL:
            gave_up(core, transaction, By.TRANSPORT, now_ns)
        if transaction.state == TERMINATED:
            core.close_client(transaction)
    if flow.transport != "UDP":
        legs = core.streams.get(address, {})
        for leg in [leg for leg in legs.values() if lives_on(leg.flow, flow)]:
            core.current = leg
            connection_lost(core, leg, now_ns)


def lives_on(mine: Flow, lost: Flow) -> bool:
    """Whether what goes over `mine` is lost with `lost`: the same remote address and listener,
    and the same connection, or one that `mine` had still to open (generation 0)."""
    if mine.port != lost.port or mine.host != lost.host or mine.transport != lost.transport:
        return False
    is_same_connection = mine.generation in (0, lost.generation)
    return is_same_connection and mine.listener == lost.listener


def connection_lost(core: Core, leg: Leg, now_ns: int) -> None:
    """The connection of a leg is gone: what it has still to say goes over a new one.

    An established leg ends, with a last BYE there. An unanswered caller waits on: its final
    response may reach it by §18.2.2; if that connection cannot be opened either (a flow of
    generation 0 is lost), its call is canceled.
    """
    pending = leg.invitation
    is_reopened = leg.flow.generation == 0
    if leg.state == OFFERED and pending is not None:
        if is_reopened:
            ending.cancel_offer(core, leg, b"", now_ns)
            return
        port = pending.message.sent_port or leg.flow.port
        core.place(leg, replace(leg.flow, port=port, generation=0))
        pending.transaction.flow = leg.flow
    elif leg.state == ESTABLISHED or leg.state == ANSWERED:
        assert leg.dialog is not None
        if not is_reopened:
            host, port, _transport = hostport_of(leg.dialog.uri)
            is_same_host = host.decode("ascii", "replace") == leg.flow.host
            port = port if is_same_host and port else leg.flow.port
            core.place(leg, replace(leg.flow, port=port, generation=0))
        leg.state = ESTABLISHED  # nobody is left who could acknowledge
        ending.hang_up(core, leg, By.TRANSPORT, b"", now_ns)
