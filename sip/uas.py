"""The caller's side of a leg: offer, ring, answer, reject, CANCEL, ACK (RFC 3261 §8.2, §13.3).

    INVITE ─► offer ─► CallOffered      Trying, Ring ─► ring        Answer ─► accept
                                        Reject ─► reject            CANCEL ─► canceled
    2xx     sent again T1 → T2 until its ACK, on every transport; 64·T1 without it: BYE
    101–199 sent again every 60 s, so that no proxy on the way gives the call up (§13.3.1.1)
"""

from sip import ending
from sip.core import Core, server_key
from sip.counters import CALLS_OFFERED, NO_ACK, RETRANSMITTED
from sip.dialog import Dialog, of_invite
from sip.encode import response
from sip.grammar import (
    H_FROM,
    H_IDENTITY,
    H_P_ASSERTED_IDENTITY,
    H_REASON,
    H_RECORD_ROUTE,
    H_TO,
    M_INVITE,
)
from sip.headers import parse_name_addr
from sip.leg import (
    ANSWERED,
    ESTABLISHED,
    LEG_2XX,
    LEG_REPEAT,
    OFFERED,
    Leg,
    Pending,
)
from sip.message import Message
from sip.refuse import ALLOW_LINE, refuse
from sip.requests import reason_line
from sip.server_transaction import ServerTransaction
from sip.signals import AnswerSent, By, CallOffered, Flow, LegAcked, Reject
from sip.transaction import PROCEEDING, retransmit_after_ns
from vocabulary.errors import LocalProtocolError
from vocabulary.limits import max_forwards, provisional_repeat_ns


def offer(core: Core, message: Message, key: bytes, flow: Flow, now_ns: int) -> None:
    """Make a leg of an INVITE that passed every check, and tell the desk. Nothing is sent."""
    core.last_leg = core.last_leg + 2
    pending = core.pending(message, key, flow, True)
    leg = Leg(core.last_leg, True, flow, pending.local)
    core.current = leg
    core.legs[leg.id] = leg
    if flow.transport != "UDP":
        core.place(leg, flow)
    leg.invitation = pending
    transaction = pending.transaction
    transaction.leg = leg
    transaction.merge_key = merge_key(message)
    core.merged[transaction.merge_key] = transaction
    pending.branch = message.branch
    if pending.branch:
        core.offers[pending.branch] = transaction
    core.count(CALLS_OFFERED)
    core.notify(offered(leg, message, flow))


def offered(leg: Leg, message: Message, flow: Flow) -> CallOffered:
    """The notice of a new call."""
    caller = parse_name_addr(message.value(H_FROM) or b"")
    return CallOffered(
        leg=leg.id,
        flow=flow,
        call_id=message.call_id,
        uri=message.uri,
        to_uri=parse_name_addr(message.value(H_TO) or b"").uri,
        from_uri=caller.uri,
        from_display=caller.display,
        asserted=tuple(message.values(H_P_ASSERTED_IDENTITY)),
        identity=tuple(message.values(H_IDENTITY)),
        extra=tuple(message.others(b"x-")),
        max_forwards=message.max_forwards if message.max_forwards >= 0 else max_forwards,
        body=message.body,
        content_type=message.content_type,
    )


def merge_key(message: Message) -> int:
    """What a request that came over two paths has in common (RFC 3261 §8.2.2.2), hashed.

    A number keeps 100 octets less for each INVITE; its hash is keyed anew in every process.
    """
    return hash((message.call_id, message.from_tag, message.cseq)) or 1


def dialog_for(core: Core, leg: Leg, attempt: int) -> Dialog:
    """The dialog that an answer from buyer attempt number `attempt` belongs to.

    One dialog cannot carry a second, different answer: once a session description went up in
    an 18x of one attempt, a later attempt gets a To tag of its own (RFC 3261 §13.2.2.4).
    """
    dialog = leg.dialog
    if dialog is not None and (attempt == leg.attempt or not leg.sdp_up):
        leg.attempt = attempt
        return dialog
    assert leg.invitation is not None
    tag = core.tokens.tag_and_call_id()[0]
    fresh = of_invite(leg.invitation.message, tag)
    if dialog is not None:
        if leg.forks is None:
            leg.forks = []
        leg.forks.append(dialog)
    leg.dialog = fresh
    leg.attempt = attempt
    leg.sdp_up = False
    core.tags[tag] = leg
    return fresh


def unanswered(leg: Leg, what: str) -> Pending:
    """The INVITE of a leg that a response may still be sent to, else LocalProtocolError."""
    pending = leg.invitation
    if leg.state != OFFERED or pending is None:
        raise LocalProtocolError(f"{what}: the leg is not an unanswered caller")
    return pending


def trying(core: Core, leg: Leg, now_ns: int) -> None:
    """Send 100 unless a provisional response went out already."""
    pending = unanswered(leg, "Trying")
    if not pending.transaction.response:
        core.respond(pending, 100, b"", b"", b"", b"", now_ns)


def ring(
    core: Core, leg: Leg, status: int, attempt: int, body: bytes, content_type: bytes, now_ns: int
) -> None:
    """Send 101–199 to the caller and repeat it every minute."""
    pending = unanswered(leg, "Ring")
    if not 101 <= status <= 199:
        raise LocalProtocolError("Ring: status is not 101 to 199")
    dialog = dialog_for(core, leg, attempt)
    if body:
        leg.sdp_up = True
        leg.body = body
        leg.content_type = content_type
    provisional(core, leg, pending, status, dialog.local_tag, body, content_type, now_ns)


def provisional(
    core: Core, leg: Leg, pending: Pending, status: int, tag: bytes, body: bytes,
    content_type: bytes, now_ns: int,
) -> None:  # fmt: skip
    """Send 101–199 to an INVITE or re-INVITE; it makes or keeps a dialog (§12.1.1)."""
    extra = pending.message.lines(H_RECORD_ROUTE) + pending.local.contact_line
    core.respond(pending, status, tag, extra, body, content_type, now_ns)
    core.lanes.cancel(leg)
    core.lanes.arm(now_ns, provisional_repeat_ns, leg, LEG_REPEAT)


def answer(
    core: Core, leg: Leg, attempt: int, body: bytes, content_type: bytes, now_ns: int
) -> None:
    """Send 200 to the caller; of its early dialogs only the answered one goes on."""
    pending = unanswered(leg, "Answer")
    dialog = dialog_for(core, leg, attempt)
    accept(core, leg, pending, 200, dialog.local_tag, body, content_type, now_ns)
    leg.state = ANSWERED
    if leg.forks is not None:
        for other in leg.forks:
            core.tags.pop(other.local_tag, None)
        leg.forks = None
    core.notify(AnswerSent(leg.id))


def accept(
    core: Core, leg: Leg, pending: Pending, status: int, tag: bytes, body: bytes,
    content_type: bytes, now_ns: int,
) -> None:  # fmt: skip
    """Send a 2xx to an INVITE or re-INVITE and again until its ACK (§13.3.1.4).

    Timer L of its transaction, armed here too, says when that was in vain: `not_acknowledged`.
    """
    extra = pending.message.lines(H_RECORD_ROUTE) + pending.local.contact_line + ALLOW_LINE
    pending.final = core.respond(pending, status, tag, extra, body, content_type, now_ns)
    if leg.peer is None:
        leg.body = body
        leg.content_type = content_type
    core.lanes.cancel(leg)
    core.lanes.arm(now_ns, core.timing.t1_ns, leg, LEG_2XX)


def reject(core: Core, leg: Leg, command: Reject, now_ns: int) -> None:
    """Send a final 300–699 to the caller. The leg is gone; G, H and I belong to its
    transaction."""
    pending = unanswered(leg, "Reject")
    if not 300 <= command.status <= 699:
        raise LocalProtocolError("Reject: status is not 300 to 699")
    extra = reason_line(command.reason)
    if command.retry_after_s >= 0:
        extra += b"Retry-After: %d\r\n" % command.retry_after_s
    if command.once:
        reject_once(core, pending, command.status, extra)
    else:
        tag = leg.dialog.local_tag if leg.dialog else core.tokens.tag_and_call_id()[0]
        core.respond(pending, command.status, tag, extra, b"", b"", now_ns)
    ending.release(core, leg, now_ns)


def reject_once(core: Core, pending: Pending, status: int, extra: bytes) -> None:
    """Answer without state: the same To tag for the same request, nothing kept, no timer."""
    transaction = pending.transaction
    tag = core.tokens.derived_tag(transaction.key)
    extra = extra + core.agent_line
    data = response(pending.head, status, pending.message.to_line(), tag, extra, b"", b"")
    core.send_response(transaction.flow, data, status)
    core.offers.pop(pending.branch, None)
    core.close_server(transaction)


def canceled(core: Core, message: Message, key: bytes, flow: Flow, now_ns: int) -> Leg | None:
    """A CANCEL: a transaction of its own, 200; and 487 to an INVITE that is still open.

    Matched by the INVITE's key, else by branch alone from the same flow: some agents change
    their sent-by once they learned their public address. A leg is returned if what was
    canceled is a re-INVITE of it. After a final response a CANCEL changes nothing (§9.2).
    """
    transaction = core.servers.get(server_key(message, M_INVITE))
    if transaction is None:
        transaction = core.offers.get(message.branch)
        if transaction is None or not same_source(transaction.flow, flow):
            refuse(core, message, flow, 481, b"")
            return None
    leg = transaction.leg
    pending = core.pending(message, key, flow, False)
    tag = leg.dialog.local_tag if leg is not None and leg.dialog is not None else b""
    if not tag:
        tag = core.tokens.derived_tag(transaction.key)
    core.respond(pending, 200, tag, b"", b"", b"", now_ns)
    if leg is None or transaction.state != PROCEEDING:
        return None
    core.current = leg
    if leg.state != OFFERED:
        return leg
    ending.cancel_offer(core, leg, message.value(H_REASON) or b"", now_ns)
    return None


def same_source(a: Flow, b: Flow) -> bool:
    """Whether two flows come from one remote address (the port of a via may differ)."""
    return a.transport == b.transport and a.host == b.host and a.listener == b.listener


def acknowledged(core: Core, leg: Leg, message: Message, now_ns: int) -> bool:
    """The ACK of our 2xx came in. False if none is due: a copy, or a stray one."""
    pending = leg.invitation
    if pending is None or not pending.final or pending.message.cseq != message.cseq:
        return False
    core.lanes.cancel(leg)
    leg.invitation = None
    pending.transaction.leg = None  # a call that ends leaves nothing behind but its transactions
    if leg.state == ANSWERED:
        leg.state = ESTABLISHED
        core.notify(LegAcked(leg.id, message.body, message.content_type))
        if leg.hang_up:
            ending.hang_up(core, leg, By.LOCAL, leg.reason, now_ns)
    return True


def timer(core: Core, leg: Leg, kind: int, now_ns: int) -> None:
    """A timer of the answering side of a leg fired: LEG_2XX or LEG_REPEAT."""
    pending = leg.invitation
    assert pending is not None
    if kind == LEG_REPEAT:
        core.send(pending.transaction.flow, pending.transaction.response)
        core.lanes.arm(now_ns, provisional_repeat_ns, leg, LEG_REPEAT)
    elif kind == LEG_2XX:
        core.send(pending.transaction.flow, pending.final)
        core.count(RETRANSMITTED)
        pending.repeats = pending.repeats + 1
        timing = core.timing
        gap_ns = retransmit_after_ns(pending.repeats, timing.t1_ns, timing.t2_ns)
        core.lanes.arm(now_ns, gap_ns, leg, LEG_2XX)


def not_acknowledged(
    core: Core, leg: Leg, transaction: ServerTransaction, now_ns: int
) -> None:
    """64·T1 since a 2xx (timer L): the leg ends unless its ACK came."""
    pending = leg.invitation
    if pending is None or pending.transaction is not transaction:
        return
    core.count(NO_ACK)
    core.lanes.cancel(leg)
    leg.invitation = None
    leg.state = ESTABLISHED
    ending.hang_up(core, leg, By.NO_ACK, leg.reason, now_ns)


