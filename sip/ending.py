"""Every way a leg ends: BYE of either side, CANCEL of ours, failure, a fault of ours.

All of them lead to `release`, which does its work once for each leg whatever came before.
A joined leg ends with its peer.
"""

from sip import requests
from sip.client_transaction import FOR_BYE, FOR_NOBODY, ClientTransaction
from sip.core import Core
from sip.counters import FAULTS
from sip.leg import (
    ANSWERED,
    CALLING,
    ENDING,
    ESTABLISHED,
    LEG_CANCEL,
    OFFERED,
    RELEASED,
    Leg,
)
from sip.signals import By, CallCanceled, Cause, LegEnded, LegFailed, LegReleased
from sip.transaction import CALLING as UNANSWERED
from sip.transaction import INPUTS, PROCEEDING, TERMINATED

ORPHAN = INPUTS  # kind of the timer that ends an INVITE of ours whose leg is gone
STATUS_TIMEOUT = 408
STATUS_FAULT = 500


def release(core: Core, leg: Leg, now_ns: int) -> None:
    """Forget a leg: its dialogs, tags and timers; the last notice. Idempotent."""
    if leg.state == RELEASED:
        return
    leg.state = RELEASED
    core.lanes.cancel(leg)
    core.legs.pop(leg.id, None)
    if leg.peer is not None:
        leg.peer.peer = None
        leg.peer = None
    core.displace(leg)
    if leg.dialog is not None:
        core.tags.pop(leg.dialog.local_tag, None)
    if leg.forks is not None:
        for dialog in leg.forks:
            core.tags.pop(dialog.local_tag, None)
        leg.forks = None
    if leg.invite is not None:
        orphan(core, leg, now_ns)
    if leg.invitation is not None:
        if leg.invitation.transaction.state == PROCEEDING:
            core.close_server(leg.invitation.transaction)
        leg.invitation = None
    # A cancelled timer may hold the leg for 64·T1 more: let it hold a shell only.
    leg.dialog = None
    leg.body = b""
    core.notify(LegReleased(leg.id))


def bye_answered(core: Core, leg: Leg, transaction: ClientTransaction, now_ns: int) -> None:
    """Our BYE has its final answer, whatever it says: the leg is gone (RFC 3261 §15.1.1).

    A BYE of the remote that crossed ours, and was overtaken by its answer, still gets its 200
    while our transaction lingers.
    """
    if leg.dialog is not None and transaction.state != TERMINATED:
        transaction.tag = leg.dialog.local_tag
        core.parted[transaction.tag] = transaction
    release(core, leg, now_ns)


def orphan(core: Core, leg: Leg, now_ns: int) -> None:
    """Leave an INVITE of ours to itself for 64·T1: a failure is ACKed, a 2xx ACKed and ended."""
    invite = leg.invite
    assert invite is not None
    leg.invite = None
    invite.leg = None
    if invite.state == PROCEEDING:
        core.lanes.arm(now_ns, core.timing.patience_ns, invite, ORPHAN)


def hang_up(core: Core, leg: Leg, by: By, reason: bytes, now_ns: int) -> None:
    """End a leg from our side, and its peer with it; what that means depends on its state.

    Established: BYE (RFC 3261 §15.1.1). Our 2xx not yet acknowledged: BYE once it is, or after
    64·T1 (§15). Not yet answered by us: the same after the 2xx. Dialled: CANCEL.
    """
    core.current = leg
    if leg.state == CALLING:
        give_up(core, leg, reason, now_ns)
    elif leg.state == OFFERED or leg.state == ANSWERED:
        leg.hang_up = True
        leg.reason = reason
        end_peer(core, leg, leg.peer, reason, now_ns)
    elif leg.state == ESTABLISHED:
        peer = leg.peer
        settle_invites(core, leg, now_ns)
        requests.bye(core, leg, FOR_BYE, reason, now_ns)
        leg.state = ENDING
        core.notify(LegEnded(leg.id, by, reason))
        end_peer(core, leg, peer, reason, now_ns)


def end_peer(core: Core, leg: Leg, peer: Leg | None, reason: bytes, now_ns: int) -> None:
    """Part a leg from its peer and end that one, too."""
    if peer is not None:
        leg.peer = None
        peer.peer = None
        hang_up(core, peer, By.LOCAL, reason, now_ns)


def settle_invites(core: Core, leg: Leg, now_ns: int) -> None:
    """Before a BYE: send an ACK that was held, refuse a re-INVITE that is still open."""
    if leg.ack_held and leg.invite is not None:
        requests.acknowledge(core, leg, leg.invite, b"", b"")
    pending = leg.invitation
    if pending is not None and pending.transaction.state == PROCEEDING:
        core.respond(pending, 487, b"", b"", b"", b"", now_ns)
    leg.invitation = None
    leg.held = False
    core.lanes.cancel(leg)


def ended_by_remote(core: Core, leg: Leg, reason: bytes, now_ns: int) -> None:
    """The remote's BYE was answered: end everything of the leg, and its peer."""
    if leg.state == ENDING or leg.state == CALLING:
        return  # crossing BYEs: ours is under way and its answer releases the leg
    peer = leg.peer
    if leg.state == OFFERED:  # a BYE in an early dialog (§15.1.2): the INVITE ends with 487
        cancel_offer(core, leg, reason, now_ns)
        return
    settle_invites(core, leg, now_ns)
    core.notify(LegEnded(leg.id, By.REMOTE, reason))
    release(core, leg, now_ns)
    if peer is not None:
        hang_up(core, peer, By.LOCAL, reason, now_ns)


def cancel_offer(core: Core, leg: Leg, reason: bytes, now_ns: int) -> None:
    """The caller gave up before a final response: 487 to its INVITE, and the leg is gone."""
    peer = leg.peer
    pending = leg.invitation
    assert pending is not None
    tag = leg.dialog.local_tag if leg.dialog is not None else core.tokens.tag_and_call_id()[0]
    core.respond(pending, 487, tag, b"", b"", b"", now_ns)
    core.notify(CallCanceled(leg.id, reason))
    release(core, leg, now_ns)
    if peer is not None:
        hang_up(core, peer, By.LOCAL, reason, now_ns)


def give_up(core: Core, leg: Leg, reason: bytes, now_ns: int) -> None:
    """Give a dialled leg up: CANCEL, but not before a 1xx (RFC 3261 §9.1)."""
    if leg.canceled:
        return
    leg.canceled = True
    leg.reason = reason
    if leg.invite is not None and leg.invite.state == PROCEEDING:
        send_cancel(core, leg, now_ns)


def send_cancel(core: Core, leg: Leg, now_ns: int) -> None:
    """Send the CANCEL that is due; the leg is gone 64·T1 later whatever is answered."""
    assert leg.invite is not None
    leg.cancel_sent = True
    requests.cancel(core, leg.invite, leg.reason, now_ns)
    core.lanes.arm(now_ns, core.timing.patience_ns, leg, LEG_CANCEL)


def failed(
    core: Core, leg: Leg, status: int, cause: Cause, reason: bytes, retry_after_s: int, now_ns: int
) -> None:
    """A dialled leg ended without an answer; it is released in the same turn."""
    peer = leg.peer
    core.notify(LegFailed(leg.id, status, cause, reason, retry_after_s))
    release(core, leg, now_ns)
    if peer is not None:
        hang_up(core, peer, By.LOCAL, reason, now_ns)


def fault(core: Core, leg: Leg, now_ns: int) -> None:
    """Our own code failed on a leg: count, tell both sides as far as possible, release.

    Nothing here may raise: each step that could is tried by itself.
    """
    core.count(FAULTS)
    if leg.state == RELEASED:
        return
    peer = leg.peer
    state = leg.state
    try:
        part_with_remote(core, leg, now_ns)
    except Exception:
        core.count(FAULTS)
    if state == CALLING:
        core.notify(LegFailed(leg.id, STATUS_FAULT, Cause.LOCAL))
    elif state in (ANSWERED, ESTABLISHED):
        core.notify(LegEnded(leg.id, By.LOCAL))
    release(core, leg, now_ns)
    if peer is not None:
        try:
            hang_up(core, peer, By.LOCAL, b"", now_ns)
        except Exception:
            fault(core, peer, now_ns)


def part_with_remote(core: Core, leg: Leg, now_ns: int) -> None:
    """Tell the remote of a faulty leg that it is over, in whatever state the leg is."""
    if leg.state == OFFERED and leg.invitation is not None:
        tag = core.tokens.tag_and_call_id()[0]
        core.respond(leg.invitation, STATUS_FAULT, tag, b"", b"", b"", now_ns)
    elif leg.state == CALLING and leg.invite is not None:
        if leg.invite.state == PROCEEDING and not leg.cancel_sent:
            requests.cancel(core, leg.invite, b"", now_ns)
        elif leg.invite.state == UNANSWERED:
            core.close_client(leg.invite)
    elif leg.state == ANSWERED or leg.state == ESTABLISHED:
        settle_invites(core, leg, now_ns)
        requests.bye(core, leg, FOR_NOBODY, b"", now_ns)
