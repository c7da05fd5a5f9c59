"""What the parts of an endpoint share: tables, timers, output, counters. Sans-IO.

    servers  branch|sent-by|method class → ServerTransaction   requests that came in
    merged   Call-ID|From tag|CSeq       → ServerTransaction   INVITEs, for 482
    offers   branch                      → ServerTransaction   unanswered INVITEs, for CANCEL
    clients  branch (CANCEL: branch~)    → ClientTransaction   requests of ours
    waiting  (host, port)                → those of them without a final response, by branch
    legs     leg id                      → Leg
    tags     our tag                     → Leg
    streams  (host, port)                → the legs on connections to it, by id
    parted   our tag                     → the BYE that ended its leg, while it lingers (timer K)
    sends    [flow, bytes, flow, bytes …]   in the order in which they leave
"""

from sip.client_transaction import FOR_BYE, ClientTransaction
from sip.counters import (
    IGNORED_INPUT,
    RETRANSMITTED,
    SENT_METHOD,
    SENT_STATUS,
    SIZE,
)
from sip.dialog import Dialog
from sip.encode import response
from sip.grammar import H_VIA, M_ACK, M_BYE, M_CANCEL, M_INVITE
from sip.leg import Leg, Local, Pending
from sip.message import Message
from sip.server_transaction import ServerTransaction
from sip.signals import Flow, Notice
from sip.timers import Lanes
from sip.tokens import MAGIC, Tokens
from sip.transaction import (
    IGNORED,
    IN_REQUEST,
    RESEND,
    SEND,
    TERMINATED,
    TU_REQUEST,
    Timing,
)

CLASS_SUFFIX = tuple([b"|%d" % (M_INVITE if m == M_ACK else m) for m in range(16)])
SIP_PORT = 5060
CRLF = b"\r\n"


class Core:
    """The state of one endpoint; see the module for its tables."""

    __slots__ = (
        "agent_line", "clients", "counts", "current", "lanes", "last_leg", "legs", "locals",
        "merged", "notices", "offers", "parted", "sends", "servers", "streams", "tags", "timing",
        "tokens", "waiting",
    )  # fmt: skip

    def __init__(self, secret: bytes, worker: int, timing: Timing, user_agent: bytes) -> None:
        self.tokens = Tokens(secret, worker)
        self.timing = timing
        self.lanes = Lanes()
        self.agent_line = b"User-Agent: " + user_agent + CRLF if user_agent else b""
        self.servers: dict[bytes, ServerTransaction] = {}
        self.merged: dict[int, ServerTransaction] = {}
        self.offers: dict[bytes, ServerTransaction] = {}
        self.clients: dict[bytes, ClientTransaction] = {}
        self.waiting: dict[tuple[str, int], dict[bytes, ClientTransaction]] = {}
        self.legs: dict[int, Leg] = {}
        self.tags: dict[bytes, Leg] = {}
        self.streams: dict[tuple[str, int], dict[int, Leg]] = {}
        self.parted: dict[bytes, ClientTransaction] = {}
        self.locals: dict[tuple[str, str, int], Local] = {}
        self.sends: list[Flow | bytes] = []
        self.notices: list[Notice] = []
        self.counts = [0] * SIZE
        self.last_leg = 0
        self.current: Leg | None = None  # whom a fault in this turn is to be blamed on

    # Output

    def count(self, counter: int) -> None:
        """Add one to a counter of sip.counters."""
        self.counts[counter] = self.counts[counter] + 1

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue bytes for a flow."""
        self.sends.append(flow)
        self.sends.append(data)

    def send_request(self, flow: Flow, data: bytes, method: int) -> None:
        """Queue a request and count it by method."""
        self.count(SENT_METHOD + method)
        self.send(flow, data)

    def send_response(self, flow: Flow, data: bytes, status: int) -> None:
        """Queue a response and count it by class."""
        self.count(SENT_STATUS + status // 100)
        self.send(flow, data)

    def notify(self, notice: Notice) -> None:
        """Queue a notice for the desk."""
        self.notices.append(notice)

    def local_of(self, flow: Flow) -> Local:
        """Via and Contact of the listener behind a flow; one object for each listener."""
        key = (flow.transport, flow.local_host, flow.local_port)
        local = self.locals.get(key)
        if local is None:
            local = Local(flow)
            self.locals[key] = local
        return local

    def place(self, leg: Leg, flow: Flow) -> None:
        """Let a leg live on `flow` from now on: its requests leave there, Via and Contact too."""
        leg.flow = flow
        leg.local = self.local_of(flow)
        if leg.address is not None:
            self.displace(leg)
        if flow.transport != "UDP":
            address = (flow.host, flow.port)
            leg.address = address
            there = self.streams.get(address)
            if there is None:
                there = {}
                self.streams[address] = there
            there[leg.id] = leg

    def displace(self, leg: Leg) -> None:
        """Take a leg out of the index of connections; nothing happens if it is not there."""
        address = leg.address
        if address is None:
            return
        leg.address = None
        there = self.streams[address]
        there.pop(leg.id, None)
        if not there:
            del self.streams[address]

    # Server transactions

    def open_server(
        self, message: Message, key: bytes, flow: Flow, invite: bool
    ) -> ServerTransaction:
        """Start a transaction for a request that matched none."""
        transaction = ServerTransaction(
            invite, message.method, key, response_flow(message, flow), flow.transport != "UDP"
        )
        self.servers[key] = transaction
        return transaction

    def pending(self, message: Message, key: bytes, flow: Flow, invite: bool) -> Pending:
        """Start a transaction and keep what its responses need."""
        transaction = self.open_server(message, key, flow, invite)
        head = message.response_head(flow.host.encode(), flow.port)
        return Pending(transaction, message, head, self.local_of(flow))

    def respond(
        self, pending: Pending, status: int, to_tag: bytes, extra: bytes, body: bytes,
        content_type: bytes, now_ns: int,
    ) -> bytes:  # fmt: skip
        """Answer a pending request by its transaction. extra: header lines with CRLF.

        to_tag: added to To where it has none. Returns the bytes sent. Raises
        LocalProtocolError after a final response.
        """
        transaction = pending.transaction
        extra = extra + self.agent_line
        data = response(
            pending.head, status, pending.message.to_line(), to_tag, extra, body, content_type
        )
        actions = transaction.answer(status, self.lanes, self.timing, now_ns)
        if actions & SEND:
            self.send_response(transaction.flow, data, status)
        # The leg repeats a 2xx to an INVITE, so its transaction has nothing to keep.
        is_repeated_by_leg = transaction.method == M_INVITE and 200 <= status < 300
        transaction.response = b"" if is_repeated_by_leg else data
        if status >= 200 and pending.branch:
            self.offers.pop(pending.branch, None)
            pending.branch = b""
        if transaction.state == TERMINATED:
            self.close_server(transaction)
        return data

    def absorb(self, transaction: ServerTransaction, event: int, now_ns: int) -> int:
        """Feed an input from the wire or a timer to a server transaction; resend if due.

        Returns the actions left (TELL) or IGNORED.
        """
        actions = transaction.advance(event, self.lanes, self.timing, now_ns)
        if actions == IGNORED:
            self.count(IGNORED_INPUT)
            return IGNORED
        if actions & RESEND and transaction.response:
            self.count(RETRANSMITTED)
            self.send(transaction.flow, transaction.response)
        if transaction.state == TERMINATED:
            self.close_server(transaction)
        return actions

    def copied(
        self, transaction: ServerTransaction, message: Message, flow: Flow, now_ns: int
    ) -> None:
        """A copy of a request is in, not of an INVITE; that of a BYE is answered from itself."""
        actions = self.absorb(transaction, IN_REQUEST, now_ns)
        if actions == IGNORED or transaction.response or transaction.method != M_BYE:
            return
        if actions & RESEND:
            head = message.response_head(flow.host.encode(), flow.port)
            data = response(head, 200, message.to_line(), b"", self.agent_line, b"", b"")
            self.count(RETRANSMITTED)
            self.send(transaction.flow, data)

    def close_server(self, transaction: ServerTransaction) -> None:
        """Forget a server transaction."""
        self.lanes.cancel(transaction)
        leg = transaction.leg
        if leg is not None:
            transaction.leg = None
            if transaction.method != M_INVITE:
                leg.asking = leg.asking - 1
        self.servers.pop(transaction.key, None)
        if transaction.merge_key and self.merged.get(transaction.merge_key) is transaction:
            del self.merged[transaction.merge_key]

    # Client transactions

    def start(self, transaction: ClientTransaction, request: bytes, now_ns: int) -> None:
        """Send a request by a new client transaction. Raises LocalProtocolError if started."""
        transaction.advance(TU_REQUEST, self.lanes, self.timing, now_ns)
        if not transaction.reliable:
            transaction.request = request
        self.clients[transaction.branch] = transaction
        flow = transaction.flow
        address = (flow.host, flow.port)
        there = self.waiting.get(address)
        if there is None:
            there = {}
            self.waiting[address] = there
        there[transaction.branch] = transaction
        transaction.waits = True
        self.send_request(transaction.flow, request, transaction.method)

    def answered(self, transaction: ClientTransaction) -> None:
        """A final response is in, or will never be: a lost flow no longer matters to it."""
        if not transaction.waits:
            return
        transaction.waits = False
        address = (transaction.flow.host, transaction.flow.port)
        there = self.waiting[address]
        there.pop(transaction.branch, None)
        if not there:
            del self.waiting[address]

    def close_client(self, transaction: ClientTransaction) -> None:
        """Forget a client transaction."""
        self.lanes.cancel(transaction)
        self.clients.pop(transaction.branch, None)
        self.answered(transaction)
        if transaction.purpose == FOR_BYE and transaction.tag:
            self.parted.pop(transaction.tag, None)
        transaction.shrink()
        # A cancelled timer may hold it for 64·T1 more: let it hold a shell only.
        transaction.branch = transaction.ack = transaction.tag = b""

    def branch_of(self, leg: Leg) -> bytes:
        """A branch never used before, for a request of a leg."""
        leg.requests = leg.requests + 1
        assert leg.dialog is not None
        return b"%b%b.%d" % (MAGIC, leg.dialog.local_tag, leg.requests)

    def tail_of(self, leg: Leg, dialog: Dialog, branch: bytes, max_forwards: int) -> bytes:
        """The tail (see sip.dialog) of a request in a dialog with the given branch."""
        return dialog.tail(leg.local.via_head + branch + CRLF, max_forwards)


def response_flow(message: Message, flow: Flow) -> Flow:
    """Where the responses to a request go (RFC 3261 §18.2.2, RFC 3581 §4).

    A stream: its connection. UDP: the address that it came from; the port that it came from if
    rport was asked, else that of the top Via. maddr is not followed: it would let a stranger
    aim our answers at somebody else.
    """
    if flow.transport != "UDP" or message.via_rport >= 0:
        return flow
    port = message.sent_port or SIP_PORT
    if port == flow.port:
        return flow
    return Flow(
        flow.transport, flow.host, port, flow.local_host, flow.local_port, flow.listener,
        flow.generation,
    )  # fmt: skip


def server_key(message: Message, method: int) -> bytes:
    """Key of the server transaction that a request belongs to (RFC 3261 §17.2.3).

    method: that of the transaction; for a CANCEL M_INVITE finds what it cancels. A branch
    without the magic cookie, or of the bare cookie, falls back to the RFC 2543 rule. The To tag
    stays out of it: the ACK has one that its INVITE has not, and CSeq tells requests apart.
    """
    branch = message.branch
    if branch.startswith(MAGIC) and len(branch) > len(MAGIC):
        return branch + b"|" + message.sent_by + CLASS_SUFFIX[method]
    vias = message.values(H_VIA)
    return b"%b|%b|%b|%d|%b%b" % (
        message.uri, message.from_tag, message.call_id, message.cseq, vias[0] if vias else b"",
        CLASS_SUFFIX[method],
    )  # fmt: skip


def client_key(message: Message) -> bytes:
    """Key of the client transaction that a response belongs to (RFC 3261 §17.1.3)."""
    branch = message.branch
    return branch + b"~" if message.method == M_CANCEL else branch
