"""The buyer's side of a leg: dial, progress, answer, forks, failure (RFC 3261 §8.1, §13.2).

    Dial ─► dial ─► INVITE      1xx ─► early        2xx ─► won: ACK at once, or held for an
    Cancel: see sip.ending      300–699 ─► refused         offerless caller; every further copy
                                                           the same ACK; other To tag: ACK + BYE
"""

from sip import ending, requests, uas
from sip.client_transaction import FOR_BYE, FOR_CALL, ClientTransaction
from sip.core import Core
from sip.counters import TIMED_OUT
from sip.dialog import Dialog, request_bytes
from sip.encode import checked, line
from sip.grammar import H_REASON, H_RETRY_AFTER, M_INVITE
from sip.headers import parse_retry_after, quote_display
from sip.leg import CALLING, ENDING, ESTABLISHED, OFFERED, Leg
from sip.message import Message
from sip.refuse import ALLOW_LINE
from sip.signals import By, Cause, Dial, LegAnswered, LegFailed, LegProgress
from sip.transaction import PROCEEDING
from sip.uri import escape_user
from vocabulary.errors import LocalProtocolError
from vocabulary.limits import early_dialogs_max, route_set_max

BODY_TYPE_UNKNOWN = b"application/octet-stream"  # RFC 2046 §4.5.1


def dial(core: Core, command: Dial, now_ns: int) -> None:
    """Send an INVITE on a new leg; the caller's INVITE (parent) gets its 100 in this turn.

    Raises LocalProtocolError for a leg id in use or even, or a value with a line break.
    """
    if command.leg in core.legs or command.leg % 2 == 0:
        raise LocalProtocolError("Dial: the leg id is in use, or even")
    if command.body and not command.content_type:
        raise LocalProtocolError("Dial: a body without Content-Type")
    if len(command.routes) > route_set_max:
        raise LocalProtocolError("Dial: too many routes")
    flow = command.flow
    local = core.local_of(flow)
    tag, call_id = core.tokens.tag_and_call_id()
    ids = b"From: %b;tag=%b\r\nCall-ID: %b\r\n" % (caller(command, local.host), tag, call_id)
    to = b"To: <%b>\r\n" % checked(command.to_uri or command.uri)
    dialog = Dialog(tag, ids, to, checked(command.uri))
    dialog.local_cseq = 1
    if command.routes:
        dialog.route([checked(route) for route in command.routes], command.uri)
    leg = Leg(command.leg, False, flow, local)
    leg.parent = command.parent
    leg.dialog = dialog
    leg.body = command.body
    leg.content_type = command.content_type
    leg.offer_sent = bool(command.body)
    branch = core.branch_of(leg)
    transaction = ClientTransaction(True, M_INVITE, branch, flow, flow.transport != "UDP")
    transaction.purpose = FOR_CALL
    transaction.leg = leg
    transaction.cseq = 1
    transaction.to = to
    transaction.tail = core.tail_of(leg, dialog, branch, command.max_forwards)
    extra = more_lines(command) + local.contact_line + ALLOW_LINE + core.agent_line
    request = request_bytes(
        b"INVITE", transaction.tail, to, 1, extra, command.body, checked(command.content_type)
    )
    core.current = leg
    core.legs[leg.id] = leg
    if flow.transport != "UDP":
        core.place(leg, flow)
    core.tags[tag] = leg
    leg.invite = transaction
    parent = core.legs.get(command.parent)
    if parent is not None and parent.state == OFFERED:
        uas.trying(core, parent, now_ns)
    core.start(transaction, request, now_ns)


def caller(command: Dial, host: bytes) -> bytes:
    """Our From value without tag. Raises LocalProtocolError on a line break in a value."""
    uri = checked(command.from_uri)
    if not uri:
        uri = b"sip:%b@%b" % (escape_user(command.from_user), host)
        if not command.from_user:
            uri = b"sip:" + host
    if not command.from_display:
        return b"<%b>" % uri
    return b"%b <%b>" % (quote_display(command.from_display.decode("utf-8", "replace")), uri)


def more_lines(command: Dial) -> bytes:
    """Header lines that the desk asked for, each checked against line breaks."""
    lines = [line(name, value) for name, value in command.extra]
    if command.asserted:
        lines.append(b"P-Asserted-Identity: %b\r\n" % checked(command.asserted))
    return b"".join(lines)


def body_type(message: Message) -> bytes:
    """Content-Type of a message that has a body, b"" if it has none."""
    if message.body_end <= message.body_at:
        return b""
    return message.content_type or BODY_TYPE_UNKNOWN


def responded(core: Core, transaction: ClientTransaction, message: Message, now_ns: int) -> None:
    """A response to the INVITE of a leg that its transaction passed up; never a copy of a
    failure."""
    leg = transaction.leg
    status = message.status
    if 200 <= status < 300:
        accepted(core, transaction, message, now_ns)
    elif leg is not None:
        if status < 200:
            progressed(core, leg, message, now_ns)
        else:
            refused(core, leg, message, now_ns)


def progressed(core: Core, leg: Leg, message: Message, now_ns: int) -> None:
    """1xx: an early dialog, and the CANCEL that had to wait for it (§9.1)."""
    tag = message.to_tag if message.status > 100 else b""
    if tag:
        early(leg, message, tag)
    if leg.canceled:
        if not leg.cancel_sent:
            ending.send_cancel(core, leg, now_ns)
        return
    core.notify(LegProgress(leg.id, message.status, tag, message.body, body_type(message)))


def early(leg: Leg, message: Message, tag: bytes) -> Dialog:
    """The dialog of a response's To tag, made if it is the first of it (§12.1.2).

    Beyond early_dialogs_max the last one is used again: only a 2xx gives a dialog to keep.
    """
    dialog = leg.dialog
    assert dialog is not None
    if dialog.remote_tag and dialog.remote_tag != tag:
        found = leg.dialog_of(dialog.local_tag, tag)
        if found is None:
            found = dialog.fork()
            if leg.forks is None:
                leg.forks = []
            if len(leg.forks) >= early_dialogs_max:
                leg.forks.pop()
            leg.forks.append(found)
        dialog = found
    dialog.learn(message)
    return dialog


def accepted(core: Core, transaction: ClientTransaction, message: Message, now_ns: int) -> None:
    """2xx: the first one wins, its copies get the same ACK, others ACK and BYE (§13.2.2.4)."""
    leg = transaction.leg
    if leg is not None and leg.state == CALLING:
        won(core, leg, transaction, message, now_ns)
    elif leg is None or not leg.ack_held or message.to_tag != transaction.tag:
        requests.acknowledge_again(core, transaction, message, now_ns)


def won(
    core: Core, leg: Leg, transaction: ClientTransaction, message: Message, now_ns: int
) -> None:
    """The first 2xx of a dialled leg; if we had given up, it is acknowledged and ended."""
    leg.dialog = early(leg, message, message.to_tag)
    leg.forks = None
    leg.state = ESTABLISHED
    core.lanes.cancel(leg)
    transaction.tag = message.to_tag
    transaction.request = b""
    body = message.body
    if leg.canceled:
        requests.acknowledge(core, leg, transaction, b"", b"")
        core.notify(LegFailed(leg.id, message.status, Cause.CANCELED, reason_of(message)))
        end_unwanted(core, leg, now_ns)
        return
    if leg.offer_sent:  # then the ACK needs no answer (RFC 3264)
        requests.acknowledge(core, leg, transaction, b"", b"")
    else:
        leg.ack_held = True
    core.notify(LegAnswered(leg.id, message.status, body, body_type(message)))


def end_unwanted(core: Core, leg: Leg, now_ns: int) -> None:
    """BYE right behind the ACK, on one flow; the leg is released by its answer."""
    requests.bye(core, leg, FOR_BYE, leg.reason, now_ns)
    leg.state = ENDING
    ending.end_peer(core, leg, leg.peer, leg.reason, now_ns)


def refused(core: Core, leg: Leg, message: Message, now_ns: int) -> None:
    """300–699 to the INVITE of a leg; its ACK is out already."""
    leg.invite = None
    retry_after = message.value(H_RETRY_AFTER)
    seconds = -1 if retry_after is None else parse_retry_after(retry_after)
    cause = Cause.CANCELED if leg.canceled else Cause.RESPONSE
    ending.failed(core, leg, message.status, cause, reason_of(message), seconds, now_ns)


def reason_of(message: Message) -> bytes:
    """Value of the Reason header (RFC 3326), b"" if none."""
    return message.value(H_REASON) or b""


def gave_no_answer(core: Core, leg: Leg, cause: Cause, now_ns: int) -> None:
    """Timer B, or the flow was lost, before any final response to the INVITE of a leg."""
    leg.invite = None
    if cause == Cause.TIMEOUT:
        core.count(TIMED_OUT)
    status = 408 if cause == Cause.TIMEOUT else 503
    ending.failed(core, leg, status, cause, b"", -1, now_ns)


def cancel_expired(core: Core, leg: Leg, now_ns: int) -> None:
    """64·T1 since our CANCEL and no final response: the leg is dropped (§9.1).

    A re-INVITE so canceled takes the call with it: nobody knows what session stands.
    """
    core.count(TIMED_OUT)
    invite = leg.invite
    if invite is not None and invite.state == PROCEEDING:
        core.close_client(invite)
        leg.invite = None
    if leg.state == CALLING:
        ending.failed(core, leg, 408, Cause.TIMEOUT, b"", -1, now_ns)
    elif leg.state == ESTABLISHED:
        ending.hang_up(core, leg, By.TIMEOUT, b"", now_ns)
