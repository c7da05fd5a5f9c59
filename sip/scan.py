# cython: boundscheck=False, wraparound=False
"""The wire scanner: one pass over a message that finds, checks and remembers by index.

    start line   method and Request-URI, or status          start_line
    each line    name -> number, span, one row              header_lines
      known ones are checked on the way: Via, From, To, Call-ID, CSeq, Contact, Route,
      Record-Route, Max-Forwards, Content-Length            check.note
    at the end   what must be there is, and fits together   check.finish

It is strict where two readers could differ (RFC 4475 leaves a choice in five cases, we refuse
all of them). The first fault is kept, reading goes on, so that a 400 can repeat whatever
Via, From, To, Call-ID and CSeq exist. One thread of a process scans at a time.
"""

from sip import check, grammar, headers, uri
from sip.message import Message
from vocabulary import limits
from vocabulary.errors import RemoteProtocolError

TOKEN = grammar.C_TOKEN
LWS = grammar.C_LWS
URI = grammar.C_URI
FROM = grammar.H_FROM
TO = grammar.H_TO
ACK = grammar.M_ACK
MESSAGE_MAX = limits.message_bytes_max
HEADERS_MAX = limits.headers_max
LINE_MAX = limits.header_line_bytes_max
URI_MAX = limits.uri_bytes_max
SCRATCH = bytearray(8 * limits.headers_max)


class BrokenMessage(RemoteProtocolError):
    """A message that is refused. message: what could be read of it, to build an answer from.

    status: 0 drop silently (not SIP, a response, an ACK, nothing to route an answer by).
    """

    def __init__(self, reason: str, status: int, message: Message) -> None:
        super().__init__(reason, status)
        self.message = message


def scan(data: bytes, start: int = 0, end: int = -1) -> Message:
    """Read the one message in data[start:end], e.g. a datagram; end -1 means all.

    Octets behind Content-Length are ignored, without Content-Length the rest is the body
    (RFC 3261 §18.3). Raises BrokenMessage; reason "keep-alive" with status 0 for CRLFs.
    After it: exactly one From, To, Call-ID, CSeq, all well-formed; CSeq below 2^31, and of
    the method of the request (not checked for an unknown one: it is 501 in any case); a
    readable Via in front; a sane Request-URI of any scheme; every bound of limits.py kept.
    """
    assert start >= 0
    message = read(data, start, len(data) if end < 0 else min(end, len(data)))
    if message.fault:
        raise _broken(message)
    return message


def scan_stream(data: bytes) -> Message:
    """As `scan`, for one message cut out of a TCP or TLS stream by StreamFramer.

    Raises BrokenMessage also if there is no Content-Length (RFC 3261 §20.14).
    """
    message = scan(data)
    if message.content_length < 0:
        message.fault = check.NO_LENGTH
        raise _broken(message)
    return message


def measure(head: bytes) -> int:
    """Content-Length of a message of which only start line and headers have come.

    head: up to and with the empty line. Raises BrokenMessage if the length is missing,
    malformed or given twice, or the end of the headers is not found by the scanner: then the
    place of the next message is unknown and the connection must end. Other faults pass.
    """
    message = read(head, 0, len(head))
    if message.body_at != len(head) or message.content_length < 0:
        if message.content_length == -1 and not message.fault:
            message.fault = check.NO_LENGTH
        raise _broken(message)
    return message.content_length


def _broken(message: Message) -> BrokenMessage:
    """The exception for the fault of `message`. Responses and ACKs are never answered."""
    reason, status = check.FAULTS[message.fault]
    if not message.is_request or message.method == ACK:
        status = 0
    return BrokenMessage(reason, status, message)


def read(data: bytes, start: int, end: int) -> Message:
    """The message in data[start:end], its `fault` being an index of check.FAULTS, 0 if none."""
    if end > MESSAGE_MAX:  # indices are 16 bits wide
        data = data[start : min(end, start + MESSAGE_MAX + 1)]
        end = len(data)
        start = 0
    message = Message.__new__(Message)
    message._clear(data, start, end)
    p = data
    i = start
    while i + 1 < end and p[i] == 13 and p[i + 1] == 10:
        i += 2
    if is_blank(p, i, end):
        message.fault = check.KEEP_ALIVE
        return message
    if end > MESSAGE_MAX:
        message.fault = check.TOO_LARGE
        end = MESSAGE_MAX
    i = start_line(message, p, i, end)
    if i >= 0:
        header_lines(message, p, i, end)
        message.rows = SCRATCH[: message.row_count * 8]
        check.finish(message, p, end)
    return message


def is_blank(p: bytes, i: int, end: int) -> int:
    """1 if p[i:end] is under 16 octets of white space or NUL: a keep-alive."""
    if end - i >= 16:
        return 0
    while i < end:
        if p[i] and not grammar.CLASS[p[i]] & LWS:
            return 0
        i += 1
    return 1


def start_line(message: Message, p: bytes, i: int, end: int) -> int:
    """Read the first line at `i`. Index of the next one, -1 if this is not SIP."""
    line_end = i
    while line_end < end and p[line_end] != 13 and p[line_end] != 10:
        line_end += 1
    if line_end + 1 >= end or p[line_end] != 13 or p[line_end + 1] != 10:
        message.fault = check.NOT_SIP
        return -1
    if is_sip(p, i, line_end):
        status_line(message, p, i, line_end)
    else:
        request_line(message, p, i, line_end)
    return -1 if message.fault == check.NOT_SIP else line_end + 2


def is_sip(p: bytes, i: int, end: int) -> int:
    """1 if `SIP/` stands at `i` (RFC 3261 §7.1: in any letter case)."""
    if end - i < 7 or p[i] | 32 != 115 or p[i + 1] | 32 != 105 or p[i + 2] | 32 != 112:
        return 0
    return 1 if p[i + 3] == 47 else 0


def is_version_2(p: bytes, i: int, end: int) -> int:
    """1 if `2.0` is what follows the slash at i + 3 up to `end`."""
    if end - i == 7 and p[i + 4] == 50 and p[i + 5] == 46 and p[i + 6] == 48:
        return 1
    return 0


def status_line(message: Message, p: bytes, i: int, end: int) -> None:
    """Read `SIP/2.0 code reason`; uri_at and uri_end span the reason phrase."""
    code_at = i + 8
    if not is_version_2(p, i, i + 7) or end < code_at + 3 or p[i + 7] != 32:
        message.fault = check.NOT_SIP
        return
    code = headers.number_at(p, code_at, code_at + 3)
    message.status = code
    message.uri_at = code_at + 4 if code_at + 4 < end else end
    message.uri_end = end
    if code < 100 or code > 699 or (end > code_at + 3 and p[code_at + 3] != 32):
        message.fault = check.BAD_STATUS  # its length can still be read: a stream goes on


def request_line(message: Message, p: bytes, i: int, end: int) -> None:
    """Read `METHOD SP Request-URI SP SIP/2.0`, single spaces only (RFC 3261 §7.1)."""
    message.is_request = 1
    message.method_at = i
    while i < end and grammar.CLASS[p[i]] & TOKEN:
        i += 1
    message.method_end = i
    last = end
    while last > i and p[last - 1] == 32:
        last -= 1
    version_at = last
    while version_at > i and p[version_at - 1] != 32:
        version_at -= 1
    if i == message.method_at or p[i] != 32 or not is_sip(p, version_at, last):
        message.fault = check.NOT_SIP
        return
    message.method = grammar.method_id(p, message.method_at, i)
    message.uri_at = i + 1
    message.uri_end = version_at - 1 if version_at > i + 1 else i + 1
    if not is_version_2(p, version_at, last):
        check.blame(message, check.BAD_VERSION)
    elif last != end:
        check.blame(message, check.BAD_REQUEST_LINE)
    else:
        check.blame(message, request_uri_fault(message, p))


def request_uri_fault(message: Message, p: bytes) -> int:
    """Fault of the Request-URI, 0 if none: its octets, scheme, for sip and sips host and port.

    RFC 3261 §19.1.1: a Request-URI has no headers; RFC 4475 §3.1.2.11.
    """
    i = message.uri_at
    end = message.uri_end
    if end - i > URI_MAX:
        return check.LONG_URI
    for k in range(i, end):
        if not grammar.CLASS[p[k]] & URI:
            return check.BAD_URI
    colon = headers.has_scheme(p, i, end)
    if colon < 0:
        return check.BAD_URI
    message.scheme_end = colon - 1
    if not is_sip_scheme(p, i, colon - 1):
        return 0
    out = [0, 0, 0, 0, 0, 0, 0, 0, 0]
    if uri.sip_parts(p, colon, end, out) < 0 or out[8] < end:
        return check.BAD_URI
    return 0


def is_sip_scheme(p: bytes, i: int, end: int) -> int:
    """1 if p[i:end] is `sip` or `sips` in any letter case."""
    if end - i < 3 or p[i] | 32 != 115 or p[i + 1] | 32 != 105 or p[i + 2] | 32 != 112:
        return 0
    return 1 if end - i == 3 or (end - i == 4 and p[i + 3] | 32 == 115) else 0


def header_lines(message: Message, p: bytes, i: int, end: int) -> None:
    """Read the lines from `i` to the empty one, which sets body_at; a row for each good one."""
    while i < end:
        name_at = i
        while i < end and grammar.CLASS[p[i]] & TOKEN:
            i += 1
        if i == name_at and p[i] == 13 and i + 1 < end and p[i + 1] == 10:
            message.body_at = i + 2
            return
        name_end = i
        while i < end and (p[i] == 32 or p[i] == 9):
            i += 1
        value_at = i
        h = -1
        if i < end and p[i] == 58 and name_end > name_at:
            value_at = i + 1
            h = grammar.header_id(p, name_at, name_end)
        i = line_end(p, value_at, end)
        if i >= end:
            return
        if i < 0:
            i = -2 - i
            if (h != FROM and h != TO) or not is_escaped_only(p, value_at, i):
                h = -1
        if h < 0:
            check.blame(message, check.BAD_LINE)
        elif i - name_at > LINE_MAX:
            check.blame(message, check.TOO_LARGE)
        elif message.row_count == HEADERS_MAX:
            check.blame(message, check.TOO_LARGE)
            return
        else:
            add_row(message, h, name_at, value_at, i)
            check.note(message, h, p, value_at, i)
        i += 2


def add_row(message: Message, h: int, name_at: int, value_at: int, line_end_at: int) -> None:
    """Write the next row of the message into the scratch rows."""
    at = message.row_count * 8
    message.row_count += 1
    SCRATCH[at] = h
    SCRATCH[at + 1] = 0
    SCRATCH[at + 2] = name_at & 255
    SCRATCH[at + 3] = name_at >> 8
    SCRATCH[at + 4] = value_at & 255
    SCRATCH[at + 5] = value_at >> 8
    SCRATCH[at + 6] = line_end_at & 255
    SCRATCH[at + 7] = line_end_at >> 8


def line_end(p: bytes, i: int, end: int) -> int:
    """Index of the CR that ends the line, folds included; `end` if it has no end.

    If the line holds a bare CR, a bare LF or a NUL: -2 - index.
    """
    bad = 0
    while i < end:
        while i < end and p[i] > 13:
            i += 1
        if i >= end:
            return end
        if p[i] == 13 and i + 1 < end and p[i + 1] == 10:
            if i + 2 >= end or (p[i + 2] != 32 and p[i + 2] != 9):
                return -2 - i if bad else i
            i += 1
        elif p[i] == 13 or p[i] == 10 or p[i] == 0:
            bad = 1
        i += 1
    return end


def is_escaped_only(p: bytes, i: int, end: int) -> int:
    """1 if p[i:end] holds no bare CR or LF, and each NUL is a quoted-pair in a quoted string.

    A NUL there is legal (RFC 3261 §25.1, RFC 4475 §3.1.1.2); From and To are echoed unread.
    """
    quoted = 0
    while i < end:
        octet = p[i]
        if octet == 13 and p[i + 1] == 10:
            i += 1
        elif octet == 0 or octet == 13 or octet == 10:
            return 0
        elif octet == 34:
            quoted = 1 - quoted
        elif octet == 92 and quoted and i + 1 < end and p[i + 1] != 13 and p[i + 1] != 10:
            i += 1
        i += 1
    return 1
