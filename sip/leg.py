"""One side of a call, and a request of its remote that waits for our answer. Data only.

    incoming   OFFERED ─ 2xx ─► ANSWERED ─ ACK ─► ESTABLISHED ─ BYE sent ─► ENDING ─► RELEASED
                  └─ 300–699, CANCEL ─► RELEASED      └─ BYE received ─────────────► RELEASED
    outgoing   CALLING ─ 2xx ─► ESTABLISHED …
                  └─ 300–699, time-out ─► RELEASED
"""

from sip.client_transaction import ClientTransaction
from sip.dialog import Dialog
from sip.message import Message
from sip.server_transaction import ServerTransaction
from sip.signals import Flow
from sip.timers import Owner

OFFERED = 1
ANSWERED = 2
CALLING = 3
ESTABLISHED = 4
ENDING = 5
RELEASED = 6
STATE_NAMES = ("", "offered", "answered", "calling", "established", "ending", "released")

# Kinds of a leg's own timers
LEG_2XX = 1  # send the 2xx again (RFC 3261 §13.3.1.4)
LEG_REPEAT = 2  # send the last 101–199 again (§13.3.1.1)
LEG_CANCEL = 3  # 64·T1 since our CANCEL without a final response (§9.1)
LEG_HELD = 4  # 64·T1 since a re-INVITE came that is held


class Local:
    """What Via and Contact say on one of our listeners, ready to be copied."""

    __slots__ = ("contact_line", "host", "via_head")

    def __init__(self, flow: Flow) -> None:
        host = flow.local_host.encode()
        if b":" in host and not host.startswith(b"["):
            host = b"[" + host + b"]"
        transport = flow.transport.encode()
        parameter = b"" if transport == b"UDP" else b";transport=" + transport.lower()
        self.host = host
        self.contact_line = b"Contact: <sip:%b:%d%b>\r\n" % (host, flow.local_port, parameter)
        self.via_head = b"Via: SIP/2.0/%b %b:%d;rport;branch=" % (transport, host, flow.local_port)


class Pending:
    """A request that came in on a leg and is still being answered.

    head: what every response to it repeats (§8.2.6.2). branch: key among the INVITEs that a
    CANCEL may name with a changed sent-by, b"" if not there. final: our 2xx, kept until its ACK.
    repeats: times it was sent again. local: our Contact on the flow it came by.
    """

    __slots__ = ("branch", "final", "head", "local", "message", "repeats", "transaction")

    def __init__(
        self, transaction: ServerTransaction, message: Message, head: bytes, local: Local
    ) -> None:
        self.transaction = transaction
        self.message = message
        self.head = head
        self.local = local
        self.branch = b""
        self.final = b""
        self.repeats = 0


class Leg(Owner):
    """One side of a call.

    dialog: the current one (of an outgoing leg from the start, without remote tag).
    forks: further early dialogs. peer: the joined leg. invitation: the remote's INVITE or
    re-INVITE until its ACK. invite: our INVITE or re-INVITE until its final response, or while
    ack_held until its ACK, which waits for the other side's answer. attempt, sdp_up: which
    buyer attempt the current To tag belongs to, and whether SDP went up under it. offer_sent:
    whether our last INVITE carried the offer. canceled, cancel_sent: we gave an INVITE of ours
    up. hang_up: BYE is due once our 2xx is acknowledged, for `reason`. body: the last session
    description that we sent, while not joined. requests: branches given out. parent: the
    caller's leg that it was dialled for, 0 for none. held: its remote's re-INVITE waits until that
    caller is confirmed. asking: transactions of INFO and OPTIONS that live. address: where it is
    in the index of connections.
    """

    __slots__ = (
        "ack_held", "address", "asking", "attempt", "body", "cancel_sent", "canceled",
        "content_type", "dialog", "flow", "forks", "hang_up", "held", "id", "incoming",
        "invitation", "invite", "local", "offer_sent", "parent", "peer", "reason", "requests",
        "sdp_up", "state",
    )  # fmt: skip

    def __init__(self, leg_id: int, incoming: bool, flow: Flow, local: Local) -> None:
        super().__init__()
        self.id = leg_id
        self.incoming = incoming
        self.state = OFFERED if incoming else CALLING
        self.flow = flow
        self.local = local
        self.dialog: Dialog | None = None
        self.forks: list[Dialog] | None = None
        self.peer: Leg | None = None
        self.invitation: Pending | None = None
        self.invite: ClientTransaction | None = None
        self.ack_held = False
        self.attempt = 0
        self.sdp_up = False
        self.offer_sent = False
        self.canceled = False
        self.cancel_sent = False
        self.hang_up = False
        self.reason = b""
        self.body = b""
        self.content_type = b""
        self.requests = 0
        self.parent = 0
        self.held = False
        self.asking = 0
        self.address: tuple[str, int] | None = None

    def dialog_of(self, local_tag: bytes, remote_tag: bytes) -> Dialog | None:
        """The dialog of this leg with these tags, or None.

        A remote of RFC 2543 has no tag of its own: empty equals empty (RFC 3261 §12.2.1.1).
        """
        dialog = self.dialog
        if dialog is None:
            return None
        if dialog.local_tag == local_tag and dialog.remote_tag == remote_tag:
            return dialog
        if self.forks is not None:
            for other in self.forks:
                if other.local_tag == local_tag and other.remote_tag == remote_tag:
                    return other
        return None

    def is_renegotiating(self) -> bool:
        """Whether an INVITE of either side is under way, its ACK included (RFC 3261 §14)."""
        return self.invite is not None or self.invitation is not None
