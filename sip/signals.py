"""What the SIP endpoint says (notices) and what it can be told (commands). Values only.

A leg is one side of a call: one INVITE that came in (a caller) or went out (a buyer). Leg ids
are integers: legs that came in get even ids from the endpoint, legs that go out odd ids from
whoever dials. Bytes are as on the wire; bodies are never read.
"""

from enum import IntEnum

from msgspec import Struct


class Flow(Struct, frozen=True, gc=False):
    """Where bytes come from and go to: a listener, a remote address, a connection.

    transport: "UDP" or "TCP". host, port: the remote address. local_host, local_port: what Via
    and Contact say on this flow, never a wildcard. listener: index of the listening socket.
    generation: 0 on UDP and on a TCP flow still to be opened; else counts connections.
    """

    transport: str
    host: str
    port: int
    local_host: str
    local_port: int
    listener: int = 0
    generation: int = 0


class Cause(IntEnum):
    """Why a leg failed before it was answered."""

    RESPONSE = 0  # a final response 300–699
    TIMEOUT = 1  # timer B, or no final 64·T1 after our CANCEL (RFC 3261 §9.1)
    TRANSPORT = 2  # the flow was lost or the address refused
    CANCELED = 3  # our own Cancel; the leg ended with 487 or the like
    LOCAL = 4  # a fault of ours; the leg was released


class By(IntEnum):
    """Which side ended an established leg."""

    REMOTE = 0  # BYE received
    LOCAL = 1  # Hangup was performed, or a joined peer ended
    TIMEOUT = 2  # a BYE or in-dialog request went unanswered (408, 481)
    TRANSPORT = 3
    NO_ACK = 4  # our 2xx was never acknowledged within 64·T1


# Notices: endpoint → desk


class Notice(Struct, frozen=True, gc=False):
    """Base of every notice; leg: the leg it is about."""

    leg: int


class CallOffered(Notice, frozen=True, gc=False, kw_only=True):
    """A new INVITE passed the transaction layer and every check of RFC 3261 §8.2.

    uri, to_uri, from_uri: raw URIs. asserted: P-Asserted-Identity values (RFC 3325), as sent.
    extra: (name, value) of every X-* header. The endpoint has sent nothing yet.
    """

    flow: Flow
    call_id: bytes
    uri: bytes
    to_uri: bytes
    from_uri: bytes
    from_display: bytes = b""
    asserted: tuple[bytes, ...] = ()
    identity: tuple[bytes, ...] = ()
    extra: tuple[tuple[bytes, bytes], ...] = ()
    max_forwards: int = 70
    body: bytes = b""
    content_type: bytes = b""


class CallCanceled(Notice, frozen=True, gc=False):
    """The caller sent CANCEL before a final response; 200 and 487 are already queued."""

    reason: bytes = b""


class LegProgress(Notice, frozen=True, gc=False):
    """A provisional response (100–199) to our INVITE. to_tag is empty for 100."""

    status: int
    to_tag: bytes = b""
    body: bytes = b""
    content_type: bytes = b""


class LegAnswered(Notice, frozen=True, gc=False):
    """The first 2xx to our INVITE; acknowledged already, unless our INVITE had no body: then the
    ACK carries the answer and leaves when the joined caller's ACK is in, so Join before Answer
    (a leg that is not joined: Acknowledge)."""

    status: int
    body: bytes = b""
    content_type: bytes = b""


class LegFailed(Notice, frozen=True, gc=False):
    """Our INVITE ended without an answer. status: final status, 408 for a time-out, 503 for a
    transport failure, 500 for a fault of ours; 2xx with CANCELED when an answer came after our
    Cancel (it was acknowledged and the BYE is out). reason: value of a Reason header (RFC 3326).
    retry_after_s: −1 when the response had none."""

    status: int
    cause: Cause
    reason: bytes = b""
    retry_after_s: int = -1


class LegAcked(Notice, frozen=True, gc=False):
    """The caller's ACK to our 2xx came in. body: its answer where the call had no offer."""

    body: bytes = b""
    content_type: bytes = b""


class LegEnded(Notice, frozen=True, gc=False):
    """An established leg ended. The BYE was answered or sent already; where the leg was joined
    the peer's BYE is queued too. reason: value of a Reason header (RFC 3326), b"" if none."""

    by: By
    reason: bytes = b""


class Renegotiated(Notice, frozen=True, gc=False):
    """Our own re-INVITE (Renegotiate) ended; a 2xx is acknowledged as in LegAnswered. status: 491
    also when an INVITE of either side was under way and ours was not sent, 408 for a time-out."""

    status: int
    body: bytes = b""
    content_type: bytes = b""


class AnswerSent(Notice, frozen=True, gc=False):
    """The first copy of our 2xx is queued to the caller (start of RFC 3261 §13.3.1.4)."""


class LegReleased(Notice, frozen=True, gc=False):
    """The leg's dialogs are gone: its concurrency unit may be given back. Always the last
    notice of a leg, exactly once, whatever way it ended."""


# Commands: desk → endpoint


class Trying(Struct, frozen=True, gc=False):
    """Send 100 to a caller's INVITE."""

    leg: int


class Ring(Struct, frozen=True, gc=False):
    """Send 101–199. attempt: number of the buyer attempt it comes from; once SDP went up in an
    18x of one attempt, a later attempt gets a To tag of its own (RFC 3261 §13.2.2.4 forking)."""

    leg: int
    status: int
    attempt: int = 0
    body: bytes = b""
    content_type: bytes = b""


class Answer(Struct, frozen=True, gc=False):
    """Send 200 to the caller and retransmit it until its ACK (RFC 3261 §13.3.1.4)."""

    leg: int
    attempt: int = 0
    body: bytes = b""
    content_type: bytes = b""


class Reject(Struct, frozen=True, gc=False):
    """Send a final 300–699 to the caller. reason: value of a Reason header or b"".
    retry_after_s ≥ 0 adds Retry-After. once: send one datagram and keep nothing, for a source
    that is not known (no retransmission toward a forged address; RFC 3261 §8.2.7)."""

    leg: int
    status: int
    reason: bytes = b""
    retry_after_s: int = -1
    once: bool = False


class Dial(Struct, frozen=True, gc=False, kw_only=True):
    """Send a new INVITE with a fresh Call-ID, tags and Via. leg: odd, never used before.

    uri: Request-URI, to_uri: URI of To, b"" if the same. from_user, from_display: our From,
    host is the flow's local address; from_uri, when given, replaces both. asserted: value of
    P-Asserted-Identity or b"". extra: further header lines as (name, value) pairs.
    max_forwards: what the INVITE carries. routes: Route values to start with, of which the flow
    leads to the first (RFC 3261 §8.1.2). parent: the caller's leg, or 0: its Call-ID is never
    reused, only its own 100 is due.
    """

    leg: int
    flow: Flow
    uri: bytes
    from_user: bytes
    from_display: bytes = b""
    from_uri: bytes = b""
    asserted: bytes = b""
    extra: tuple[tuple[bytes, bytes], ...] = ()
    max_forwards: int = 70
    body: bytes = b""
    content_type: bytes = b""
    parent: int = 0
    to_uri: bytes = b""
    routes: tuple[bytes, ...] = ()


class Cancel(Struct, frozen=True, gc=False):
    """Give up a leg that we dialled: CANCEL once a 1xx is in, ACK + BYE if a 2xx wins the race
    (RFC 3261 §9.1), gone at the latest 64·T1 after the CANCEL was sent."""

    leg: int
    reason: bytes = b""


class Hangup(Struct, frozen=True, gc=False):
    """End an established leg with BYE; a leg whose 2xx was not yet acknowledged waits for the
    ACK or 64·T1 (RFC 3261 §15)."""

    leg: int
    reason: bytes = b""


class Join(Struct, frozen=True, gc=False):
    """From now on b2bua relays re-INVITE, INFO, OPTIONS and BYE between the two legs.

    The caller's leg may still be unanswered: then a BYE of the buyer ends it once it has been
    answered and acknowledged. Never undone; either leg's end ends the other."""

    a: int
    b: int


class Renegotiate(Struct, frozen=True, gc=False):
    """Send a re-INVITE of our own on an established leg (hold, new media). An empty body asks
    for an offer (only where not joined); the answer then goes by Acknowledge."""

    leg: int
    body: bytes = b""
    content_type: bytes = b""


class Acknowledge(Struct, frozen=True, gc=False):
    """Send the ACK that is held for the answer to an offerless Dial or Renegotiate. Only for a
    leg that is not joined: on a joined one the other side's ACK brings the answer."""

    leg: int
    body: bytes = b""
    content_type: bytes = b""


class Admit(Struct, frozen=True, gc=False):
    """Open or close admission of new calls (closed: stateless 503 with Retry-After)."""

    open: bool
    retry_after_s: int = 5


class FlowLost(Struct, frozen=True, gc=False):
    """A connection closed or an address refused: one event for all that lives on the flow."""

    flow: Flow
    reason: str = ""


Command = (
    Trying
    | Ring
    | Answer
    | Reject
    | Dial
    | Cancel
    | Hangup
    | Join
    | Renegotiate
    | Acknowledge
    | Admit
    | FlowLost
)
