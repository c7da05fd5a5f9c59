"""Building messages: every octet that leaves passes here (RFC 3261 §7, §8.1.1, §8.2.6).

    response = status line, head of the request (Message.response_head), To, extra, body

Requests are put together by sip.dialog from parts that were checked here.

A value may not hold CR, LF or NUL: whoever could put a line end into one would write the
rest of our message. A NUL may stand only as a quoted-pair in an address that a peer sent us
(RFC 4475 §3.1.1.2), because To and From must go back as they came.
"""

from sip import grammar, headers
from vocabulary.errors import LocalProtocolError

REASONS: dict[int, bytes] = {
    100: b"Trying",
    180: b"Ringing",
    181: b"Call Is Being Forwarded",
    182: b"Queued",
    183: b"Session Progress",
    199: b"Early Dialog Terminated",
    200: b"OK",
    202: b"Accepted",
    204: b"No Notification",
    300: b"Multiple Choices",
    301: b"Moved Permanently",
    302: b"Moved Temporarily",
    305: b"Use Proxy",
    380: b"Alternative Service",
    400: b"Bad Request",
    401: b"Unauthorized",
    402: b"Payment Required",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    406: b"Not Acceptable",
    407: b"Proxy Authentication Required",
    408: b"Request Timeout",
    410: b"Gone",
    412: b"Conditional Request Failed",
    413: b"Request Entity Too Large",
    414: b"Request-URI Too Long",
    415: b"Unsupported Media Type",
    416: b"Unsupported URI Scheme",
    417: b"Unknown Resource-Priority",
    420: b"Bad Extension",
    421: b"Extension Required",
    422: b"Session Interval Too Small",
    423: b"Interval Too Brief",
    428: b"Use Identity Header",
    429: b"Provide Referrer Identity",
    430: b"Flow Failed",
    433: b"Anonymity Disallowed",
    436: b"Bad Identity Info",
    437: b"Unsupported Credential",
    438: b"Invalid Identity Header",
    439: b"First Hop Lacks Outbound Support",
    440: b"Max-Breadth Exceeded",
    469: b"Bad Info Package",
    470: b"Consent Needed",
    480: b"Temporarily Unavailable",
    481: b"Call/Transaction Does Not Exist",
    482: b"Loop Detected",
    483: b"Too Many Hops",
    484: b"Address Incomplete",
    485: b"Ambiguous",
    486: b"Busy Here",
    487: b"Request Terminated",
    488: b"Not Acceptable Here",
    489: b"Bad Event",
    491: b"Request Pending",
    493: b"Undecipherable",
    494: b"Security Agreement Required",
    500: b"Server Internal Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Server Time-out",
    505: b"Version Not Supported",
    513: b"Message Too Large",
    555: b"Push Notification Service Not Supported",
    580: b"Precondition Failure",
    600: b"Busy Everywhere",
    603: b"Decline",
    604: b"Does Not Exist Anywhere",
    606: b"Not Acceptable",
    607: b"Unwanted",
    608: b"Rejected",
}
CR = 13
LF = 10
NUL = 0
CLASS_REASONS = (b"", b"Trying", b"OK", b"Redirect", b"Client Error", b"Server Error", b"Failure")
STATUS_LINES: dict[int, bytes] = {
    code: b"SIP/2.0 %d %b\r\n" % (code, reason) for code, reason in REASONS.items()
}


def header_value(text: str | bytes) -> bytes:
    """`text` as octets (UTF-8). Raises LocalProtocolError if it holds CR, LF or NUL."""
    raw = text.encode() if isinstance(text, str) else text
    return checked(raw)


def checked(raw: bytes) -> bytes:
    """`raw` itself. Raises LocalProtocolError if it holds CR, LF or NUL."""
    if LF in raw or CR in raw or NUL in raw:
        raise LocalProtocolError("CR, LF or NUL in a value to be sent")
    return raw


def address_value(raw: bytes) -> bytes:
    """A From or To value as it is. Raises LocalProtocolError on CR, LF or an unescaped NUL."""
    if LF in raw or CR in raw or (NUL in raw and NUL in raw.replace(b"\\\0", b"")):
        raise LocalProtocolError("CR, LF or NUL in an address to be sent")
    return raw


def token(raw: bytes) -> bytes:
    """`raw` itself. Raises LocalProtocolError unless it is a token (method, tag)."""
    if not grammar.is_token(raw):
        raise LocalProtocolError("a token to be sent is not one")
    return raw


def line(name: bytes, value: str | bytes) -> bytes:
    """One header line with its CRLF. Raises LocalProtocolError on a bad name or value."""
    return b"%b: %b\r\n" % (token(name), header_value(value))


def lines_checked(extra: bytes) -> bytes:
    """Ready header lines as they are: b"" or whole lines, each ended by CRLF, folds allowed.

    Raises LocalProtocolError if an empty line, a bare CR or LF, or a NUL would slip through.
    """
    if extra and not are_lines(extra, len(extra)):
        raise LocalProtocolError("malformed header lines to be sent")
    return extra


def are_lines(p: bytes, size: int) -> int:
    """1 if p[:size] is whole lines, none of them empty, the first one not a continuation."""
    i = at = 0
    if p[0] == 32 or p[0] == 9:
        return 0
    while i < size:
        while i < size and p[i] > 13:
            i += 1
        if i + 1 < size and p[i] == 13 and p[i + 1] == 10:
            if i == at:
                return 0
            i += 1
            at = i + 1
        elif i < size and (p[i] == 13 or p[i] == 10 or p[i] == 0):
            return 0
        i += 1
    return 1 if at == size else 0


def status_line(code: int, reason: bytes = b"") -> bytes:
    """`SIP/2.0 code reason` with its CRLF; code: 100..699; reason: that of the table if b"".

    Raises LocalProtocolError for another code or a reason with CR, LF or NUL.
    """
    if not reason:
        ready = STATUS_LINES.get(code)
        if ready is not None:
            return ready
    if not 100 <= code <= 699:
        raise LocalProtocolError("status code out of range")
    return b"SIP/2.0 %d %b\r\n" % (code, checked(reason) or CLASS_REASONS[code // 100])


def tail(body: bytes, content_type: bytes) -> bytes:
    """Content-Type (only with a body), Content-Length, the empty line, and the body.

    Raises LocalProtocolError if there is a body and no type for it (RFC 3261 §20.15).
    """
    if not body:
        return b"Content-Length: 0\r\n\r\n"
    if not content_type:
        raise LocalProtocolError("a body to be sent has no Content-Type")
    kind = checked(content_type)
    return b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)


def response(
    head: bytes,
    code: int,
    to_line: bytes,
    to_tag: bytes,
    extra: bytes,
    body: bytes,
    content_type: bytes,
    reason: bytes = b"",
) -> bytes:
    """A whole response.

    head: Message.response_head(); to_line: Message.to_line(), left out if b""; to_tag: added
    where To has none; extra: ready header lines. Raises LocalProtocolError as the parts do.
    """
    parts = [status_line(code, reason), head]
    if to_line:
        parts.append(b"To: ")
        parts.append(address_value(to_line))
        if to_tag and not headers.tag_of(to_line):
            parts.append(b";tag=")
            parts.append(token(to_tag))
        parts.append(b"\r\n")
    parts.append(lines_checked(extra))
    parts.append(tail(body, content_type))
    return b"".join(parts)
