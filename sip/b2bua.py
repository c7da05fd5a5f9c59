"""Joined legs: what one remote asks within its dialog is asked of the other (RFC 3261 §12.2, §14).

    A ── re-INVITE ──► leg a ══ re-INVITE ══► leg b ──► B        INFO and OPTIONS the same way,
    A ◄──── 200 ────── leg a ◄═════ 200 ═════ leg b ◄── B        each with its own transaction
    A ───── ACK ─────► leg a ══════ ACK ════► leg b ──► B        on each leg

The ACK to B leaves at once if our re-INVITE had the offer, else with A's answer. A buyer that
changes its session before the caller's ACK gets 100, and its re-INVITE is held until that ACK, so
that nothing of it is lost. A leg without peer, and without a caller that it was dialled for,
answers for itself: re-INVITE with the session description it sent last, INFO and OPTIONS
with 200, so that one-legged calls and built-in phones never hang (sip.md §1.9-8).
"""

from sip import ending, requests, uas
from sip.client_transaction import FOR_REFRESH, FOR_RELAY, ClientTransaction
from sip.core import Core
from sip.counters import TIMED_OUT
from sip.dialog import Dialog
from sip.encode import checked
from sip.grammar import (
    H_RETRY_AFTER,
    M_BYE,
    M_INFO,
    M_INVITE,
    M_OPTIONS,
)
from sip.leg import ANSWERED, ENDING, ESTABLISHED, LEG_HELD, OFFERED, Leg
from sip.message import Message
from sip.refuse import (
    ACCEPT_LINE,
    ALLOW_LINE,
    content_fault,
    header_fault,
    refuse,
    refuse_method,
)
from sip.signals import Acknowledge, By, Flow, Renegotiate, Renegotiated
from sip.transaction import PROCEEDING
from sip.uac import body_type, reason_of
from vocabulary.errors import LocalProtocolError
from vocabulary.limits import dialog_requests_max, retry_after_s

GONE = (408, 481)  # answers that end the dialog (RFC 3261 §12.2.1.2)
UNRELAYED = (401, 407)  # challenges that the other side could not answer
BUSY_RETRY_LINE = b"Retry-After: %d\r\n" % retry_after_s  # 0 to 10 s (§14.2)


def requested(
    core: Core, leg: Leg, dialog: Dialog, message: Message, key: bytes, flow: Flow, now_ns: int
) -> None:
    """A request within a dialog that matched no transaction; neither ACK nor CANCEL.

    What is never served here is refused before its CSeq counts, so its copies get the same.
    """
    core.current = leg
    method = message.method
    if method not in (M_INVITE, M_BYE, M_INFO, M_OPTIONS):
        refuse_method(core, message, flow)
        return
    if header_fault(core, message, flow):
        return
    if message.cseq <= dialog.remote_cseq:
        refuse(core, message, flow, 500, b"")  # out of order (§12.2.2)
        return
    if method == M_INVITE:
        reinvited(core, leg, dialog, message, key, flow, now_ns)
        return
    if method == M_BYE:
        dialog.remote_cseq = message.cseq
        said_bye(core, leg, message, key, flow, now_ns)
    elif leg.asking >= dialog_requests_max:
        refuse(core, message, flow, 500, BUSY_RETRY_LINE)
    else:
        dialog.remote_cseq = message.cseq
        asked(core, leg, message, key, flow, now_ns)


def said_bye(
    core: Core, leg: Leg, message: Message, key: bytes, flow: Flow, now_ns: int
) -> None:
    """BYE: 200 at once, then the leg and its peer end (§15.1.2).

    The 200 is not kept for 64·T1: a copy of the BYE has all that it is made of.
    """
    pending = core.pending(message, key, flow, False)
    core.respond(pending, 200, b"", b"", b"", b"", now_ns)
    pending.transaction.response = b""
    ending.ended_by_remote(core, leg, reason_of(message), now_ns)


# INFO and OPTIONS


def asked(core: Core, leg: Leg, message: Message, key: bytes, flow: Flow, now_ns: int) -> None:
    """INFO or OPTIONS: passed to the peer, or answered 200 where there is none to ask."""
    pending = core.pending(message, key, flow, False)
    pending.transaction.leg = leg
    leg.asking = leg.asking + 1
    peer = leg.peer
    if peer is None or peer.state != ESTABLISHED or leg.state != ESTABLISHED:
        extra = ALLOW_LINE + ACCEPT_LINE if message.method == M_OPTIONS else b""
        core.respond(pending, 200, b"", extra, b"", b"", now_ns)
        return
    transaction, request = requests.in_dialog(
        core, peer, message.method, b"", message.body, body_type(message)
    )
    transaction.purpose = FOR_RELAY
    transaction.origin = pending
    core.start(transaction, request, now_ns)


def relay_answered(
    core: Core, transaction: ClientTransaction, message: Message, now_ns: int
) -> None:
    """A response to what we passed on: back to who asked. 1xx stays here (RFC 4320)."""
    if message.status < 200:
        return
    pending = transaction.origin
    status = message.status
    if pending is not None:
        transaction.origin = None
        extra = b""
        if pending.transaction.method == M_OPTIONS and status < 300:
            extra = ALLOW_LINE + ACCEPT_LINE
        body = message.body
        relayed = 403 if status in UNRELAYED else status
        core.respond(pending, relayed, b"", extra, body, body_type(message), now_ns)
    if status in GONE and transaction.leg is not None:
        ending.hang_up(core, transaction.leg, By.TIMEOUT, b"", now_ns)


def relay_unanswered(core: Core, transaction: ClientTransaction, by: By, now_ns: int) -> None:
    """Nobody answered what we passed on: no answer to who asked either (RFC 4320 §4.2), and
    the dialog is over (RFC 3261 §12.2.1.2)."""
    pending = transaction.origin
    leg = transaction.leg
    if pending is not None:
        core.close_server(pending.transaction)
    if leg is not None:
        core.count(TIMED_OUT)
        ending.hang_up(core, leg, by, b"", now_ns)


# re-INVITE


def reinvited(
    core: Core, leg: Leg, dialog: Dialog, message: Message, key: bytes, flow: Flow, now_ns: int
) -> None:
    """re-INVITE: refused while another is under way, else passed on, held or answered here."""
    if leg.state == ENDING:
        refuse(core, message, flow, 481, b"")
        return
    if leg.state == OFFERED or is_being_answered(leg):
        refuse(core, message, flow, 500, BUSY_RETRY_LINE)  # overlap (§14.2)
        return
    peer = leg.peer
    is_early = awaits_caller(core, leg)
    is_peer_busy = not is_early and peer is not None and is_occupied(peer)
    if is_occupied(leg) or is_peer_busy:
        refuse(core, message, flow, 491, b"")  # glare (§14.2), or an ACK is still on its way
        return
    if content_fault(core, message, flow):
        return
    dialog.remote_cseq = message.cseq
    core.place(leg, flow)
    pending = core.pending(message, key, flow, True)
    pending.transaction.leg = leg
    leg.invitation = pending
    if peer is None and not is_early:
        dialog.retarget(message.contact_uri())
        uas.accept(core, leg, pending, 200, b"", leg.body, leg.content_type, now_ns)
        return
    core.respond(pending, 100, b"", b"", b"", b"", now_ns)
    if peer is None or is_early:
        leg.held = True
        core.lanes.arm(now_ns, core.timing.patience_ns, leg, LEG_HELD)
        return
    invite_again(core, peer, message.body, body_type(message), now_ns)


def awaits_caller(core: Core, leg: Leg) -> bool:
    """Whether the caller that a leg is joined to, or was dialled for, has still to ACK our 2xx."""
    caller = leg.peer if leg.peer is not None else core.legs.get(leg.parent)
    return caller is not None and (caller.state == OFFERED or caller.state == ANSWERED)


def is_occupied(leg: Leg) -> bool:
    """Whether a re-INVITE must not go over a leg now."""
    return leg.state != ESTABLISHED or leg.is_renegotiating()


def resume(core: Core, leg: Leg, now_ns: int) -> None:
    """The caller is joined and confirmed: the re-INVITE that was held goes to it."""
    pending = leg.invitation
    peer = leg.peer
    assert pending is not None
    assert peer is not None
    if is_occupied(peer):
        drop_held(core, leg, 491, now_ns)
        return
    leg.held = False
    core.lanes.cancel(leg)
    message = pending.message
    invite_again(core, peer, message.body, body_type(message), now_ns)


def drop_held(core: Core, leg: Leg, status: int, now_ns: int) -> None:
    """Refuse a re-INVITE that was held: 487 canceled, 491 its caller is not confirmed."""
    pending = leg.invitation
    assert pending is not None
    leg.held = False
    leg.invitation = None
    core.lanes.cancel(leg)
    core.respond(pending, status, b"", b"", b"", b"", now_ns)


def is_being_answered(leg: Leg) -> bool:
    """Whether an INVITE of the remote still waits for our final response."""
    pending = leg.invitation
    return pending is not None and pending.transaction.state == PROCEEDING


def invite_again(core: Core, leg: Leg, body: bytes, content_type: bytes, now_ns: int) -> None:
    """Send a re-INVITE on a leg; its responses come to `refreshed`."""
    extra = leg.local.contact_line + ALLOW_LINE
    transaction, request = requests.in_dialog(core, leg, M_INVITE, extra, body, content_type)
    transaction.purpose = FOR_REFRESH
    leg.invite = transaction
    leg.offer_sent = bool(body)
    leg.canceled = False
    leg.cancel_sent = False
    core.start(transaction, request, now_ns)


def renegotiate(core: Core, leg: Leg, command: Renegotiate, now_ns: int) -> None:
    """Our own re-INVITE; 491 by a notice if it cannot be sent now."""
    if leg.state != ESTABLISHED or (leg.peer is not None and not command.body):
        raise LocalProtocolError("Renegotiate: not established, or joined and without an offer")
    if command.body and not checked(command.content_type):
        raise LocalProtocolError("Renegotiate: a body without Content-Type")
    if leg.is_renegotiating():
        core.notify(Renegotiated(leg.id, 491))
        return
    if command.body:
        leg.body = command.body
        leg.content_type = command.content_type
    invite_again(core, leg, command.body, command.content_type, now_ns)


def refreshed(
    core: Core, transaction: ClientTransaction, message: Message, now_ns: int
) -> None:
    """A response to a re-INVITE of ours that its transaction passed up."""
    leg = transaction.leg
    status = message.status
    if 200 <= status < 300:
        refresh_accepted(core, transaction, message, now_ns)
    elif leg is None:
        return
    elif status < 200:
        refresh_progressed(core, leg, message, now_ns)
    else:
        leg.invite = None
        core.lanes.cancel(leg)
        refresh_ended(core, leg, message, now_ns)


def refresh_progressed(core: Core, leg: Leg, message: Message, now_ns: int) -> None:
    """1xx to a re-INVITE: passed on above 100; a CANCEL that had to wait leaves."""
    if leg.canceled and not leg.cancel_sent:
        ending.send_cancel(core, leg, now_ns)
    asker = leg.peer
    if asker is not None and asker.invitation is not None and message.status > 100:
        uas.provisional(
            core, asker, asker.invitation, message.status, b"", message.body,
            body_type(message), now_ns,
        )  # fmt: skip


def refresh_accepted(
    core: Core, transaction: ClientTransaction, message: Message, now_ns: int
) -> None:
    """2xx to a re-INVITE of ours, and its copies: ACK, and the 2xx to who asked."""
    leg = transaction.leg
    if leg is None or leg.invite is not transaction:
        requests.acknowledge_again(core, transaction, message, now_ns)
        return
    if leg.ack_held:
        return  # a copy of the 2xx, while the answer is still on its way
    assert leg.dialog is not None
    core.lanes.cancel(leg)
    leg.dialog.learn(message)
    asker = leg.peer
    pending = asker.invitation if asker is not None else None
    if leg.offer_sent:
        requests.acknowledge(core, leg, transaction, b"", b"")
    else:
        leg.ack_held = True
        transaction.tag = message.to_tag
    body = message.body
    if asker is None or pending is None:
        core.notify(Renegotiated(leg.id, message.status, body, body_type(message)))
        return
    assert asker.dialog is not None
    asker.dialog.retarget(pending.message.contact_uri())
    uas.accept(core, asker, pending, message.status, b"", body, body_type(message), now_ns)


def refresh_ended(core: Core, leg: Leg, message: Message, now_ns: int) -> None:
    """300–699 to a re-INVITE of ours: the old session stands, who asked is told (§14.1)."""
    asker = leg.peer
    status = message.status
    if asker is not None and asker.invitation is not None:
        relayed = 488 if status in UNRELAYED or status < 400 else status
        extra = message.lines(H_RETRY_AFTER)
        pending = asker.invitation
        asker.invitation = None
        core.lanes.cancel(asker)
        core.respond(pending, relayed, b"", extra, b"", b"", now_ns)
    else:
        core.notify(Renegotiated(leg.id, status))
    if status in GONE:
        ending.hang_up(core, leg, By.TIMEOUT, reason_of(message), now_ns)


def refresh_unanswered(core: Core, leg: Leg, by: By, now_ns: int) -> None:
    """No final response to a re-INVITE of ours: the dialog is over (§12.2.1.2)."""
    leg.invite = None
    core.count(TIMED_OUT)
    if leg.peer is None:
        core.notify(Renegotiated(leg.id, 408))
    ending.hang_up(core, leg, by, b"", now_ns)


def cancel_refresh(core: Core, leg: Leg, now_ns: int) -> None:
    """The remote canceled its re-INVITE: so do we on the other leg; its final answer decides."""
    if leg.held:
        drop_held(core, leg, 487, now_ns)
        return
    peer = leg.peer
    if peer is None or peer.invite is None or peer.canceled:
        return
    ending.give_up(core, peer, b"", now_ns)


def acknowledged(core: Core, leg: Leg, message: Message, now_ns: int) -> None:
    """The ACK of a caller came in: the one held on the joined leg leaves with its answer, and
    so does the re-INVITE that its remote has sent too early."""
    peer = leg.peer
    if peer is None:
        return
    if peer.ack_held and peer.invite is not None:
        requests.acknowledge(core, peer, peer.invite, message.body, body_type(message))
    if peer.held:
        resume(core, peer, now_ns)


def acknowledge(core: Core, leg: Leg, command: Acknowledge) -> None:
    """The answer that an offerless INVITE of ours waits for. LocalProtocolError if none does."""
    if not leg.ack_held or leg.invite is None or leg.peer is not None:
        raise LocalProtocolError("Acknowledge: no ACK is held on this leg")
    leg.body = command.body
    leg.content_type = command.content_type
    requests.acknowledge(core, leg, leg.invite, command.body, checked(command.content_type))


def join(core: Core, a: Leg, b: Leg, now_ns: int) -> None:
    """Join two legs. Raises LocalProtocolError if either has a peer or is over."""
    if a is b or a.peer is not None or b.peer is not None:
        raise LocalProtocolError("Join: a leg is joined already")
    if a.state == ENDING or b.state == ENDING:
        raise LocalProtocolError("Join: a leg is ending")
    a.peer = b
    b.peer = a
    for leg in (a, b):
        leg.body = b""  # only a leg without peer answers for itself
        if leg.held and not awaits_caller(core, leg):
            resume(core, leg, now_ns)
