"""The SIP endpoint: five verbs around the transaction layer (RFC 3261 §16–18). Sans-IO.

    receive ─► scan ─► request ─► server transaction? ─ copy: absorbed, or answered again
                 │        │ none: CANCEL, ACK, in a dialog (b2bua), a new call (uas), refusal
                 │        └──────────────────────────────────────────────────────► notices
                 └──► response ─► client transaction ─► uac, b2bua, ending ─► notices
    perform ─► uas, uac, b2bua, ending          expire ─► transactions and legs
    drain ◄── sends and notices                 deadline ◄── the earliest timer

One faulty call never ends the batch: an exception out of one message, timer or command is
counted, and the leg at hand is released.
"""

from sip import b2bua, commands, ending, expiry, refuse, requests, uac, uas
from sip.admission import Admission, shed
from sip.client_transaction import (
    FOR_BYE,
    FOR_CALL,
    FOR_REFRESH,
    FOR_RELAY,
    ClientTransaction,
)
from sip.core import Core, client_key, server_key
from sip.counters import (
    ABSORBED,
    DROPPED_GARBAGE,
    FAULTS,
    IGNORED_INPUT,
    KEEP_ALIVES,
    MERGED,
    NAMES,
    RECEIVED_METHOD,
    RECEIVED_STATUS,
    STRAY_ACKS,
    STRAY_RESPONSES,
)
from sip.grammar import M_ACK, M_BYE, M_CANCEL, M_INFO, M_INVITE, M_OPTIONS
from sip.message import Message
from sip.scan import BrokenMessage, scan, scan_stream
from sip.server_transaction import ServerTransaction
from sip.signals import Command, Flow, Notice
from sip.transaction import (
    IGNORED,
    IN_ACK,
    IN_INVITE,
    SEND_ACK,
    TELL,
    TERMINATED,
    Timing,
)
from vocabulary import limits
from vocabulary.errors import ExchangeError


class Endpoint:
    """One SIP endpoint: user agent on both sides of every call, and the B2BUA between them.

    secret: 16..64 bytes, keys every identifier. worker: 0..255, readable from our tags and
    branches. t1_ns, t2_ns, t4_ns: RFC 3261 §17.1.1.1. calls_per_s_max: admission, 0 for none.
    user_agent: value of User-Agent, b"" to say nothing. now_ns of the verbs never goes back.
    """

    __slots__ = ("admission", "core")

    def __init__(
        self,
        secret: bytes,
        worker: int = 0,
        t1_ns: int = limits.t1_ns,
        t2_ns: int = limits.t2_ns,
        t4_ns: int = limits.t4_ns,
        calls_per_s_max: int = 0,
        user_agent: bytes = b"",
    ) -> None:
        self.core = Core(secret, worker, Timing(t1_ns, t2_ns, t4_ns), user_agent)
        self.admission = Admission(calls_per_s_max)

    # The five verbs

    def receive(self, data: bytes, flow: Flow, now_ns: int) -> None:
        """Take one datagram, or one message cut out of a stream, that came in on `flow`."""
        core = self.core
        core.current = None
        try:
            try:
                message = scan(data) if flow.transport == "UDP" else scan_stream(data)
            except BrokenMessage as broken:
                self.broken(broken, flow)
                return
            if message.is_request:
                self.request(message, flow, now_ns)
            else:
                self.response(message, now_ns)
        except Exception:
            self.fault(now_ns)

    def perform(self, command: Command, now_ns: int) -> None:
        """Carry out a command of the desk.

        A command for a leg that is gone is counted and ignored: they cross. Raises
        LocalProtocolError for one that the leg's state does not allow, or a value that would
        break a message; nothing is changed or sent then.
        """
        core = self.core
        core.current = None
        try:
            commands.carry_out(core, self.admission, command, now_ns)
        except ExchangeError:
            raise
        except Exception:
            self.fault(now_ns)

    def expire(self, now_ns: int) -> None:
        """Fire every timer that is due at now_ns."""
        lanes = self.core.lanes
        while True:
            owner = lanes.pop(now_ns)
            if owner is None:
                return
            self.core.current = None
            try:
                expiry.fire(self.core, owner, lanes.kind, now_ns)
            except Exception:
                self.fault(now_ns)

    def drain(self) -> tuple[list[Flow | bytes], list[Notice]]:
        """What is to be sent, [flow, bytes, flow, bytes …] in order, and the notices."""
        core = self.core
        sends, notices = core.sends, core.notices
        core.sends = []
        core.notices = []
        return sends, notices

    def deadline(self) -> int | None:
        """When expire is to be called next, in ns of now_ns; None if nothing is armed."""
        return self.core.lanes.deadline()

    def statistics(self) -> dict[str, int]:
        """Live objects and all counters. Cheap, but not for every message."""
        core = self.core
        gauges = {
            "server_transactions": len(core.servers),
            "client_transactions": len(core.clients),
            "legs": len(core.legs),
            "dialogs": len(core.tags),
            "timers": core.lanes.live,
            "timer_late_ns_max": core.lanes.late_ns_max,
        }
        return gauges | {name: core.counts[number] for number, name in NAMES.items()}

    # Faults

    def broken(self, broken: BrokenMessage, flow: Flow) -> None:
        """A message that the scanner refused: an answer if one can be given, else nothing."""
        if broken.reason == "keep-alive":
            self.core.count(KEEP_ALIVES)
            return
        self.core.count(DROPPED_GARBAGE)
        if broken.status:
            refuse.refuse(self.core, broken.message, flow, broken.status, b"")

    def fault(self, now_ns: int) -> None:
        """Our own code failed: the leg at hand ends, and nothing else."""
        leg = self.core.current
        if leg is None:
            self.core.count(FAULTS)
        else:
            ending.fault(self.core, leg, now_ns)

    # Requests

    def request(self, message: Message, flow: Flow, now_ns: int) -> None:
        """Every request passes the transaction layer first, CANCEL and ACK included."""
        core = self.core
        method = message.method
        core.count(RECEIVED_METHOD + method)
        key = server_key(message, method)
        transaction = core.servers.get(key)
        if method == M_ACK:
            self.ack(message, transaction, now_ns)
        elif transaction is not None:
            core.count(ABSORBED)
            if method == M_INVITE:
                core.absorb(transaction, IN_INVITE, now_ns)
            else:
                core.copied(transaction, message, flow, now_ns)
        elif method == M_CANCEL:
            leg = uas.canceled(core, message, key, flow, now_ns)
            if leg is not None:
                b2bua.cancel_refresh(core, leg, now_ns)
        elif message.to_tag_end:
            self.within_dialog(message, key, flow, now_ns)
        else:
            self.outside_dialog(message, key, flow, now_ns)

    def ack(
        self, message: Message, transaction: ServerTransaction | None, now_ns: int
    ) -> None:
        """An ACK ends the retransmission of a failure, or of a 2xx; nothing answers it."""
        core = self.core
        if transaction is not None:
            actions = core.absorb(transaction, IN_ACK, now_ns)
            if actions == IGNORED or not actions & TELL:
                return
        leg = core.tags.get(message.to_tag)
        if leg is None or leg.dialog_of(message.to_tag, message.from_tag) is None:
            core.count(STRAY_ACKS)
            return
        core.current = leg
        if uas.acknowledged(core, leg, message, now_ns):
            b2bua.acknowledged(core, leg, message, now_ns)
        else:
            core.count(STRAY_ACKS)

    def within_dialog(self, message: Message, key: bytes, flow: Flow, now_ns: int) -> None:
        """A request with a To tag: it belongs to one of our dialogs, or gets 481."""
        core = self.core
        tag = message.to_tag
        leg = core.tags.get(tag)
        dialog = leg.dialog_of(tag, message.from_tag) if leg is not None else None
        if leg is None or dialog is None or not dialog.has_call_id(message.call_id):
            if message.method == M_BYE and tag in core.parted:
                refuse.refuse(core, message, flow, 200, b"")  # it crossed ours
            elif message.method in (M_INVITE, M_BYE, M_INFO, M_OPTIONS):
                refuse.refuse(core, message, flow, 481, b"")
            else:
                refuse.refuse_method(core, message, flow)
            return
        b2bua.requested(core, leg, dialog, message, key, flow, now_ns)

    def outside_dialog(self, message: Message, key: bytes, flow: Flow, now_ns: int) -> None:
        """A request without To tag: INVITE and OPTIONS are served, the rest is refused."""
        core = self.core
        method = message.method
        if method == M_INVITE:
            self.invite(message, key, flow, now_ns)
        elif method in (M_BYE, M_INFO):
            refuse.refuse(core, message, flow, 481, b"")
        elif method != M_OPTIONS:
            refuse.refuse_method(core, message, flow)
        elif not refuse.header_fault(core, message, flow):
            refuse.answer_options(core, message, flow)

    def invite(self, message: Message, key: bytes, flow: Flow, now_ns: int) -> None:
        """A new INVITE: admission, then the checks of RFC 3261 §8.2 and §16.3 in their order."""
        core = self.core
        if shed(core, self.admission, message, flow, now_ns):
            return
        if refuse.header_fault(core, message, flow):
            return
        if message.max_forwards == 0:
            refuse.refuse(core, message, flow, 483, b"")
        elif uas.merge_key(message) in core.merged:
            core.count(MERGED)
            refuse.refuse(core, message, flow, 482, b"")
        elif not refuse.content_fault(core, message, flow):
            uas.offer(core, message, key, flow, now_ns)

    # Responses

    def response(self, message: Message, now_ns: int) -> None:
        """A response goes to the request of ours that it answers; others are dropped."""
        core = self.core
        core.count(RECEIVED_STATUS + message.status // 100)
        transaction = core.clients.get(client_key(message))
        if transaction is None or transaction.method != message.method:
            core.count(STRAY_RESPONSES)
            return
        core.current = transaction.leg
        status = message.status
        actions = transaction.respond(status, core.lanes, core.timing, now_ns)
        if actions == IGNORED:
            core.count(IGNORED_INPUT)
            return
        if status >= 200:
            core.answered(transaction)
            transaction.request = b""
        if actions & SEND_ACK:
            requests.acknowledge_failure(core, transaction, message)
        if actions & TELL:
            self.tell(transaction, message, now_ns)
        leg = transaction.leg
        if status >= 200 and (leg is None or not leg.ack_held):
            transaction.shrink()
        if transaction.state == TERMINATED:
            core.close_client(transaction)

    def tell(self, transaction: ClientTransaction, message: Message, now_ns: int) -> None:
        """Hand a response to whoever sent the request."""
        purpose = transaction.purpose
        if purpose == FOR_CALL:
            uac.responded(self.core, transaction, message, now_ns)
        elif purpose == FOR_REFRESH:
            b2bua.refreshed(self.core, transaction, message, now_ns)
        elif purpose == FOR_RELAY:
            b2bua.relay_answered(self.core, transaction, message, now_ns)
        elif purpose == FOR_BYE and message.status >= 200 and transaction.leg is not None:
            ending.bye_answered(self.core, transaction.leg, transaction, now_ns)
