"""Requests of ours on a leg: ACK of a 2xx, BYE, CANCEL, and what is passed on in a dialog.

The flow of the leg carries all of them, so that they leave in order on one socket.
"""

from sip.client_transaction import FOR_BYE, FOR_CANCEL, FOR_NOBODY, ClientTransaction
from sip.core import Core
from sip.counters import LOST_FORKS
from sip.dialog import CRLF, NO_BODY, Dialog, of_response, request_bytes
from sip.encode import checked
from sip.grammar import M_ACK, M_BYE, M_CANCEL, METHOD_NAMES
from sip.leg import Leg
from sip.message import Message
from sip.tokens import MAGIC
from vocabulary.limits import max_forwards


def reason_line(reason: bytes) -> bytes:
    """A Reason header line (RFC 3326), b"" for none. LocalProtocolError on a line break."""
    return b"Reason: " + checked(reason) + CRLF if reason else b""


def acknowledge(
    core: Core, leg: Leg, transaction: ClientTransaction, body: bytes, content_type: bytes
) -> None:
    """Send the ACK of a 2xx and keep its bytes for every further copy (RFC 3261 §13.2.2.4)."""
    dialog = leg.dialog
    assert dialog is not None
    tail = core.tail_of(leg, dialog, core.branch_of(leg), max_forwards)
    ack = request_bytes(
        b"ACK", tail, dialog.to, transaction.cseq, core.agent_line, body, content_type
    )
    transaction.ack = ack
    transaction.tag = dialog.remote_tag
    leg.ack_held = False
    leg.invite = None
    core.send_request(leg.flow, ack, M_ACK)


def acknowledge_failure(core: Core, transaction: ClientTransaction, message: Message) -> None:
    """Send the ACK of a 300–699: branch, URI and routes of the INVITE (RFC 3261 §17.1.1.3)."""
    if not transaction.ack:
        transaction.ack = b"ACK%bTo: %b\r\nCSeq: %d ACK\r\n%b" % (
            transaction.tail, message.to_line(), transaction.cseq, NO_BODY,
        )  # fmt: skip
    core.send_request(transaction.flow, transaction.ack, M_ACK)


def in_dialog(
    core: Core, leg: Leg, method: int, extra: bytes, body: bytes, content_type: bytes
) -> tuple[ClientTransaction, bytes]:
    """Transaction and bytes of a new request on an established leg; the caller starts it."""
    dialog = leg.dialog
    assert dialog is not None
    dialog.local_cseq = dialog.local_cseq + 1
    branch = core.branch_of(leg)
    tail = core.tail_of(leg, dialog, branch, max_forwards)
    transaction = ClientTransaction(
        method == 1, method, branch, leg.flow, leg.flow.transport != "UDP"
    )
    transaction.leg = leg
    transaction.cseq = dialog.local_cseq
    if method == 1:
        transaction.tail = tail
        transaction.to = dialog.to
    request = request_bytes(
        METHOD_NAMES[method], tail, dialog.to, dialog.local_cseq, extra + core.agent_line, body,
        content_type,
    )  # fmt: skip
    return transaction, request


def bye(core: Core, leg: Leg, purpose: int, reason: bytes, now_ns: int) -> None:
    """Send BYE in the leg's dialog. purpose: FOR_BYE, or FOR_NOBODY if nobody waits for it."""
    transaction, request = in_dialog(core, leg, M_BYE, reason_line(reason), b"", b"")
    transaction.purpose = purpose
    if purpose != FOR_BYE:
        transaction.leg = None
    core.start(transaction, request, now_ns)


def cancel(core: Core, invite: ClientTransaction, reason: bytes, now_ns: int) -> None:
    """Send CANCEL for our INVITE: its branch, URI, routes and To (RFC 3261 §9.1)."""
    transaction = ClientTransaction(
        False, M_CANCEL, invite.branch + b"~", invite.flow, invite.reliable
    )
    transaction.purpose = FOR_CANCEL
    extra = reason_line(reason) + core.agent_line
    request = request_bytes(b"CANCEL", invite.tail, invite.to, invite.cseq, extra, b"", b"")
    core.start(transaction, request, now_ns)


def acknowledge_again(
    core: Core, invite: ClientTransaction, message: Message, now_ns: int
) -> None:
    """Any 2xx that does not open or refresh a leg: a copy gets the same ACK once more, an
    answer with another To tag, or to a leg that is gone, ACK and BYE."""
    tag = message.to_tag
    ack = b""
    if tag == invite.tag:
        ack = invite.ack
    elif invite.acks is not None:
        ack = invite.acks.get(tag, b"")
    if ack:
        core.send_request(invite.flow, ack, M_ACK)
    else:
        core.count(LOST_FORKS)
        lose_fork(core, invite, message, now_ns)


def lose_fork(core: Core, invite: ClientTransaction, message: Message, now_ns: int) -> None:
    """ACK and BYE a 2xx that nobody wants: another fork, or an answer to a leg that is gone.

    (RFC 3261 §13.2.2.4.) Further copies of it get the same ACK.
    """
    dialog = of_response(message)
    via_head = core.local_of(invite.flow).via_head
    token = core.tokens.tag_and_call_id()[0]
    via = b"%b%b%b.1\r\n" % (via_head, MAGIC, token)
    ack = request_bytes(
        b"ACK", dialog.tail(via, max_forwards), dialog.to, invite.cseq, core.agent_line, b"", b""
    )
    remember_ack(invite, message.to_tag, ack)
    core.send_request(invite.flow, ack, M_ACK)
    branch = b"%b%b.2" % (MAGIC, token)
    bye_of_fork(core, invite, dialog, branch, via_head + branch + CRLF, now_ns)


def bye_of_fork(
    core: Core, invite: ClientTransaction, dialog: Dialog, branch: bytes, via: bytes, now_ns: int
) -> None:
    """Send the BYE that follows the ACK of an unwanted 2xx."""
    transaction = ClientTransaction(False, M_BYE, branch, invite.flow, invite.reliable)
    transaction.purpose = FOR_NOBODY
    request = request_bytes(
        b"BYE", dialog.tail(via, max_forwards), dialog.to, invite.cseq + 1, core.agent_line,
        b"", b"",
    )  # fmt: skip
    core.start(transaction, request, now_ns)


def remember_ack(invite: ClientTransaction, tag: bytes, ack: bytes) -> None:
    """Keep the ACK of one To tag beside that of the answer we took."""
    if invite.acks is None:
        invite.acks = {}
    invite.acks[tag] = ack
