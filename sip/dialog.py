"""Dialogs (RFC 3261 §12): who the two ends are, where requests go, and in which order.

    tail     " uri SIP/2.0␍␊ Via: …branch␍␊ Max-Forwards: 70␍␊ routes From: …␍␊ Call-ID: …␍␊"
    request  METHOD tail To: …␍␊ CSeq: n METHOD␍␊ more lines ␍␊ body

The tail is what an INVITE, its CANCEL and the ACK of its failure share; it is built once.
"""

from sip.grammar import H_FROM
from sip.headers import parse_name_addr
from sip.message import Message
from vocabulary.errors import RemoteProtocolError

CRLF = b"\r\n"
NO_BODY = b"Content-Length: 0\r\n\r\n"
REMOTE_CSEQ_NONE = -1


class Dialog:
    """One dialog of a leg, early or confirmed.

    ids: our From line and the Call-ID line; to: our To line. target: URI of the remote's last
    Contact. uri: what goes into the request line; routes: the Route lines, b"" if none. strict:
    the route set when its first hop is a strict router, else None. fixed: the first 2xx has been
    seen and the route set no longer changes (§13.2.2.4).
    """

    __slots__ = (
        "fixed", "ids", "local_cseq", "local_tag", "remote_cseq", "remote_tag", "routes", "strict",
        "target", "to", "uri",
    )  # fmt: skip

    def __init__(self, local_tag: bytes, ids: bytes, to: bytes, uri: bytes) -> None:
        self.local_tag = local_tag
        self.remote_tag = b""
        self.ids = ids
        self.to = to
        self.target = uri
        self.uri = uri
        self.routes = b""
        self.strict: list[bytes] | None = None
        self.local_cseq = 0
        self.remote_cseq = REMOTE_CSEQ_NONE
        self.fixed = False

    def route(self, routes: list[bytes], target: bytes) -> None:
        """Set the route set (in the order that requests use) and the remote target.

        An empty target leaves the one known: some peers send no Contact.
        """
        self.strict = None
        self.routes = b""
        if routes:
            first = first_hop(routes[0])
            if first:
                self.strict = [first, *routes[1:]]
            else:
                self.routes = b"".join([b"Route: " + route + CRLF for route in routes])
        self.retarget(target)

    def retarget(self, target: bytes) -> None:
        """Take a new remote target (§12.2: target refresh); b"" changes nothing."""
        if target:
            self.target = target
        if self.strict is None:
            self.uri = self.target
            return
        # §12.2.1.1: the strict router is the Request-URI, the target the last Route.
        self.uri = self.strict[0]
        hops = [*self.strict[1:], b"<" + self.target + b">"]
        self.routes = b"".join([b"Route: " + hop + CRLF for hop in hops])

    def learn(self, message: Message) -> None:
        """Learn from a response to our INVITE: tag, target and, unless fixed, the route set.

        An in-dialog 2xx that carries another Record-Route does not change it (§12.2).
        """
        if not self.remote_tag:
            self.remote_tag = message.to_tag
            self.to = b"To: " + message.to_line() + CRLF
        target = message.contact_uri()
        if self.fixed:
            self.retarget(target)
            return
        routes = message.record_routes()
        routes.reverse()
        self.route(routes, target)
        if 200 <= message.status < 300:
            self.fixed = True

    def has_call_id(self, call_id: bytes) -> bool:
        """Whether this is the Call-ID of the dialog, which is kept in `ids` only."""
        return self.ids.endswith(b"\r\nCall-ID: " + call_id + CRLF)

    def fork(self) -> "Dialog":
        """A further dialog of the same INVITE, for a response with another To tag."""
        other = Dialog(self.local_tag, self.ids, self.to, self.uri)
        other.local_cseq = self.local_cseq
        return other

    def tail(self, via: bytes, max_forwards: int) -> bytes:
        """From the blank after the method through Call-ID; via: our whole Via line."""
        return b" %b SIP/2.0\r\n%bMax-Forwards: %d\r\n%b%b" % (
            self.uri, via, max_forwards, self.routes, self.ids,
        )  # fmt: skip


def first_hop(route: bytes) -> bytes:
    """URI of a Route element if it is a strict router (no lr parameter), else b""."""
    try:
        uri = parse_name_addr(route).uri
    except RemoteProtocolError:
        return b""
    # What stands before the "@" may hold semicolons of its own (RFC 3261 §25.1, user).
    parameters = uri.lower().rpartition(b"@")[2].split(b"?")[0].split(b";")[1:]
    for parameter in parameters:
        if parameter == b"lr" or parameter.startswith(b"lr="):
            return b""
    return uri


def of_invite(message: Message, local_tag: bytes) -> Dialog:
    """The dialog that our 101–299 with To tag `local_tag` makes of their INVITE (§12.1.1).

    Contact is mandatory in an INVITE; who leaves it out (RFC 2543) is reached by its From URI.
    """
    ids = b"From: %b;tag=%b\r\nCall-ID: %b\r\n" % (message.to_line(), local_tag, message.call_id)
    to = b"To: %b\r\n" % (message.value(H_FROM) or b"")
    dialog = Dialog(local_tag, ids, to, b"")
    dialog.remote_tag = message.from_tag
    dialog.remote_cseq = message.cseq
    dialog.fixed = True
    target = message.contact_uri() or parse_name_addr(message.value(H_FROM) or b"").uri
    dialog.route(message.record_routes(), target)
    return dialog


def of_response(message: Message) -> Dialog:
    """The dialog that a 2xx to our INVITE makes when the leg is gone: for one ACK and BYE."""
    ids = b"From: %b\r\nCall-ID: %b\r\n" % (message.value(H_FROM) or b"", message.call_id)
    dialog = Dialog(message.from_tag, ids, b"", b"")
    dialog.local_cseq = message.cseq
    dialog.learn(message)
    return dialog


def request_bytes(
    method: bytes, tail: bytes, to: bytes, cseq: int, extra: bytes, body: bytes, content_type: bytes
) -> bytes:
    """A whole request. extra: further header lines, each with CRLF."""
    if body:
        return b"%b%b%bCSeq: %d %b\r\n%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            method, tail, to, cseq, method, extra, content_type, len(body), body,
        )  # fmt: skip
    return b"%b%b%bCSeq: %d %b\r\n%b%b" % (method, tail, to, cseq, method, extra, NO_BODY)
