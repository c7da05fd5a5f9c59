"""Answers without state: what is refused before it becomes a transaction (RFC 3261 §8.2, §8.2.7).

One packet in, at most one packet out, nothing kept: an unknown peer cannot make us remember or
repeat anything. The To tag is a keyed hash of the request, so that its copies get the same
answer. Not for anything that needs to be answered once: those have transactions.
"""

from sip.core import Core, response_flow
from sip.counters import REFUSED
from sip.encode import response
from sip.grammar import (
    H_ACCEPT,
    H_CONTENT_ENCODING,
    H_PROXY_REQUIRE,
    H_REQUIRE,
    M_ACK,
    M_CANCEL,
    M_INVITE,
    M_OTHER,
)
from sip.message import Message
from sip.signals import Flow
from vocabulary.errors import LocalProtocolError

ALLOW_LINE = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"
ACCEPT_LINE = b"Accept: application/sdp, multipart/mixed\r\n"
ENCODING_LINE = b"Accept-Encoding: identity\r\n"
SCHEMES = (b"sip", b"sips", b"tel")
BODIES = (b"application/sdp", b"multipart/mixed")
ACCEPTABLE = (b"application/sdp", b"application/*", b"*/*")


def refuse(core: Core, message: Message, flow: Flow, status: int, extra: bytes) -> None:
    """Answer a request with `status` and forget it. extra: header lines with CRLF.

    A request too broken to be answered is dropped. An ACK is never answered (§17).
    """
    if message.method == M_ACK:
        return
    core.count(REFUSED)
    about = b"%b|%b|%b|%d" % (message.branch, message.call_id, message.from_tag, message.cseq)
    try:
        data = response(
            message.response_head(flow.host.encode(), flow.port), status, message.to_line(),
            core.tokens.derived_tag(about), extra + core.agent_line, b"", b"",
        )  # fmt: skip
    except LocalProtocolError:
        return  # an address with a NUL or the like, which may not go back on the wire
    core.send_response(response_flow(message, flow), data, status)


def refuse_method(core: Core, message: Message, flow: Flow) -> None:
    """405 for a method that we know and do not serve here, 501 for one that we do not know."""
    refuse(core, message, flow, 501 if message.method == M_OTHER else 405, ALLOW_LINE)


def answer_options(core: Core, message: Message, flow: Flow) -> None:
    """200 to OPTIONS outside a dialog: what an INVITE may use here (§11.2)."""
    refuse(core, message, flow, 200, ALLOW_LINE + ACCEPT_LINE + ENCODING_LINE)


def header_fault(core: Core, message: Message, flow: Flow) -> bool:
    """Refuse a request for its Request-URI (416) or an extension that it requires (420).

    True if it was refused. §8.2.2.1, §8.2.2.3; Require in a CANCEL is ignored, by the latter.
    """
    if message.uri_scheme not in SCHEMES:
        refuse(core, message, flow, 416, b"")
        return True
    if message.method == M_CANCEL:
        return False
    if message.has(H_REQUIRE) or message.has(H_PROXY_REQUIRE):
        tags = message.values(H_REQUIRE) + message.values(H_PROXY_REQUIRE)
        if tags:
            refuse(core, message, flow, 420, b"Unsupported: %b\r\n" % b", ".join(tags))
            return True
    return False


def content_fault(core: Core, message: Message, flow: Flow) -> bool:
    """Refuse an INVITE for its body (415), or because it accepts no SDP (406). True if so."""
    if message.has(H_CONTENT_ENCODING):
        encodings = message.values(H_CONTENT_ENCODING)
        if [e for e in encodings if e.lower() != b"identity"]:
            refuse(core, message, flow, 415, ACCEPT_LINE + ENCODING_LINE)
            return True
    if message.body_end > message.body_at and media_type(message.content_type) not in BODIES:
        refuse(core, message, flow, 415, ACCEPT_LINE)
        return True
    if message.method == M_INVITE and message.has(H_ACCEPT):
        accepted = message.values(H_ACCEPT)
        if not [a for a in accepted if media_type(a) in ACCEPTABLE]:
            refuse(core, message, flow, 406, ACCEPT_LINE)
            return True
    return False


def media_type(value: bytes) -> bytes:
    """type/subtype of a Content-Type or Accept value, lower case, without parameters."""
    return value.split(b";", 1)[0].replace(b" ", b"").lower()
