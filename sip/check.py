# cython: boundscheck=False, wraparound=False
"""Checks of the header fields every message is routed and matched by (RFC 3261 §8.1.1, §8.2).

`note` is called by the scanner for each line, `finish` at the end of the headers. A check
reads its value once by the walkers of `headers`, keeps the spans in the message, and returns
1 if the value is well-formed, else 0. Faults are small numbers, the first one is kept.
"""

from sip import grammar, headers
from sip.message import Message
from vocabulary import limits

LWS = grammar.C_LWS
DIGIT = grammar.C_DIGIT
TOKEN = grammar.C_TOKEN
VIA = grammar.H_VIA
FROM = grammar.H_FROM
TO = grammar.H_TO
CALL_ID = grammar.H_CALL_ID
CSEQ = grammar.H_CSEQ
CONTACT = grammar.H_CONTACT
RECORD_ROUTE = grammar.H_RECORD_ROUTE
MAX_FORWARDS = grammar.H_MAX_FORWARDS
CONTENT_TYPE = grammar.H_CONTENT_TYPE
CONTENT_LENGTH = grammar.H_CONTENT_LENGTH
REGISTER = grammar.M_REGISTER
VIA_MAX = limits.via_max
ROUTE_MAX = limits.route_set_max
URI_MAX = limits.uri_bytes_max
BRANCH_MAX = limits.branch_bytes_max
CALL_ID_MAX = limits.call_id_bytes_max
TAG_MAX = limits.tag_bytes_max
CSEQ_MAX = headers.CSEQ_MAX
LENGTH_MAX = limits.message_bytes_max
MANDATORY = 1 << FROM | 1 << TO | 1 << CALL_ID | 1 << CSEQ
ONE = 1
HEADERS_MAX = limits.headers_max
BRANCH = b"branch"
RPORT = b"rport"
RECEIVED = b"received"

# What can be wrong: reason phrase, status of the answer (0: none is given).
FAULTS: tuple[tuple[str, int], ...] = (
    ("", 0),
    ("keep-alive", 0),
    ("Not SIP", 0),
    ("Truncated Message", 0),
    ("Missing Via", 0),
    ("Version Not Supported", 505),
    ("Malformed Request Line", 400),
    ("Malformed Request-URI", 400),
    ("Request-URI Too Long", 414),
    ("Message Too Large", 513),
    ("Malformed Header Line", 400),
    ("Repeated Header", 400),
    ("Malformed Via", 400),
    ("Malformed From", 400),
    ("Malformed To", 400),
    ("Malformed Call-ID", 400),
    ("Malformed CSeq", 400),
    ("Malformed Contact", 400),
    ("Malformed Max-Forwards", 400),
    ("Malformed Route", 400),
    ("Malformed Content-Length", 400),
    ("Missing Mandatory Header", 400),
    ("CSeq Method Mismatch", 400),
    ("Content-Length Beyond Message", 400),
    ("Missing Content-Length", 400),
    ("Malformed Status Line", 0),
)
KEEP_ALIVE = 1
NOT_SIP = 2
TRUNCATED = 3
NO_VIA = 4
BAD_VERSION = 5
BAD_REQUEST_LINE = 6
BAD_URI = 7
LONG_URI = 8
TOO_LARGE = 9
BAD_LINE = 10
REPEATED_HEADER = 11
BAD_VIA = 12
BAD_FROM = 13
BAD_TO = 14
BAD_CALL_ID = 15
BAD_CSEQ = 16
BAD_CONTACT = 17
BAD_MAX_FORWARDS = 18
BAD_ROUTE = 19
BAD_LENGTH = 20
MISSING = 21
MISMATCH = 22
SHORT_BODY = 23
NO_LENGTH = 24
BAD_STATUS = 25


def note(message: Message, h: int, p: bytes, i: int, end: int) -> None:
    """Mark header number `h` as seen and read its value p[i:end] if it is one we check."""
    if message.seen >> h & 1 and grammar.SINGLE[h]:
        blame(message, REPEATED_HEADER)
        if h == CONTENT_LENGTH:
            message.content_length = -2
        return
    message.seen |= ONE << h
    if h <= 0 or h > CONTENT_LENGTH:
        return
    good = 1
    fault = BAD_CONTACT
    if h == VIA:
        good = vias(message, p, i, end)
        fault = BAD_VIA
    elif h == FROM:
        good = from_value(message, p, i, end)
        fault = BAD_FROM
    elif h == TO:
        good = to_value(message, p, i, end)
        fault = BAD_TO
    elif h == CALL_ID:
        good = call_id(message, p, i, end)
        fault = BAD_CALL_ID
    elif h == CSEQ:
        good = cseq(message, p, i, end)
        fault = BAD_CSEQ
    elif h == CONTACT:
        good = addresses(p, i, end, 0) or is_star(message, p, i, end)
    elif h == MAX_FORWARDS:
        good = max_forwards(message, p, i, end)
        fault = BAD_MAX_FORWARDS
    elif h == CONTENT_LENGTH:
        good = content_length(message, p, i, end)
        fault = BAD_LENGTH
    elif h != CONTENT_TYPE:
        good = addresses(p, i, end, 1)
        fault = BAD_ROUTE
        if h == RECORD_ROUTE:
            message.route_count += good
            good = 1 if good and message.route_count <= ROUTE_MAX else 0
    if not good:
        blame(message, fault)


def blame(message: Message, fault: int) -> None:
    """Remember the first fault."""
    if not message.fault:
        message.fault = fault


def vias(message: Message, p: bytes, i: int, end: int) -> int:
    """Read each Via element of a line; the very first one is kept."""
    while True:
        message.via_count += 1
        if message.via_count > VIA_MAX:
            return 0
        i = via(message, p, i, end)
        if i < 0:
            return 0
        if i >= end:
            return 1
        i += 1


def via(message: Message, p: bytes, i: int, end: int) -> int:
    """Read one Via element (RFC 3261 §20.42). Index of its comma or `end`, or -1."""
    out = [0, 0, 0]
    top = 1 if message.via_count == 1 else 0
    i = headers.protocol(p, i, end, out)
    if i < 0:
        return -1
    if top:
        message.transport_at = out[0]
        message.transport_end = out[1]
    i = headers.host_port(p, i, end, out)
    if i < 0:
        return -1
    if top:
        message.host_at = out[0]
        message.host_end = out[1]
        message.sent_port = out[2]
    i = via_parameters(message, p, i, end, top)
    if i < 0 or (i < end and p[i] != 44):
        return -1
    if top:
        message.via_end = i
    return i


def via_parameters(message: Message, p: bytes, i: int, end: int, top: int) -> int:
    """Read the parameters of a Via element, keeping those of the top one. Index or -1."""
    cell = [0, 0, 0, 0]
    while i < end and p[i] == 59:
        at = i
        i = headers.parameter(p, i, end, cell)
        if i < 0:
            return -1
        i = headers.skip_lws(p, i, end)
        if top and not via_parameter(message, p, at, cell):
            return -1
    return i


def via_parameter(message: Message, p: bytes, at: int, cell: list[int]) -> int:
    """Keep one parameter of the top Via if it is branch, received or rport. 0 if malformed.

    at: its semicolon; cell: spans of name and value.
    """
    if headers.is_name(p, cell[0], cell[1], BRANCH, 6):
        if message.branch_end or cell[2] < 0 or cell[3] - cell[2] > BRANCH_MAX:
            return 0
        message.branch_at = cell[2]
        message.branch_end = cell[3]
    elif headers.is_name(p, cell[0], cell[1], RPORT, 5):
        if message.rport_end:
            return 0
        message.rport_at = at
        message.rport_end = cell[1] if cell[2] < 0 else cell[3]
        message.via_rport = 0 if cell[2] < 0 else headers.number_at(p, cell[2], cell[3])
        return 1 if 0 <= message.via_rport <= 65_535 else 0
    elif headers.is_name(p, cell[0], cell[1], RECEIVED, 8):
        if message.received_end or cell[2] < 0:
            return 0
        message.received_from = at
        message.received_at = cell[2]
        message.received_end = cell[3]
    return 1


def from_value(message: Message, p: bytes, i: int, end: int) -> int:
    """Read From (RFC 3261 §20.20) and keep its tag."""
    out = [0, 0, 0, 0, 0, 0, 0]
    if not one_address(p, i, end, out):
        return 0
    message.from_tag_at = out[2]
    message.from_tag_end = out[3]
    return 1


def to_value(message: Message, p: bytes, i: int, end: int) -> int:
    """Read To (RFC 3261 §20.39) and keep its tag."""
    out = [0, 0, 0, 0, 0, 0, 0]
    if not one_address(p, i, end, out):
        return 0
    message.to_tag_at = out[2]
    message.to_tag_end = out[3]
    return 1


def one_address(p: bytes, i: int, end: int, out: list[int]) -> int:
    """1 if p[i:end] is one address, its URI and tag within bounds."""
    if headers.address(p, i, end, out) != end:
        return 0
    return 1 if out[1] - out[0] <= URI_MAX and out[3] - out[2] <= TAG_MAX else 0


def addresses(p: bytes, i: int, end: int, in_brackets: int) -> int:
    """How many addresses p[i:end] lists, all in <> if asked (RFC 3261 §20.30, §20.34); else 0."""
    out = [0, 0, 0, 0, 0, 0, 0]
    count = 0
    while True:
        i = headers.address(p, i, end, out)
        if i < 0 or out[1] - out[0] > URI_MAX or (in_brackets and not out[6]):
            return 0
        count += 1
        if i >= end:
            return count
        i += 1


def is_star(message: Message, p: bytes, i: int, end: int) -> int:
    """1 if the Contact is `*` and the request a REGISTER (RFC 3261 §10.2.2)."""
    i = headers.skip_lws(p, i, end)
    if i >= end or p[i] != 42 or message.method != REGISTER or not message.is_request:
        return 0
    return 1 if headers.skip_lws(p, i + 1, end) == end else 0


def call_id(message: Message, p: bytes, i: int, end: int) -> int:
    """Read Call-ID (RFC 3261 §20.8): one run of visible ASCII octets."""
    i = headers.skip_lws(p, i, end)
    message.call_id_at = i
    while i < end and 32 < p[i] < 127:
        i += 1
    message.call_id_end = i
    if i == message.call_id_at or i - message.call_id_at > CALL_ID_MAX:
        return 0
    return 1 if headers.skip_lws(p, i, end) == end else 0


def cseq(message: Message, p: bytes, i: int, end: int) -> int:
    """Read CSeq (RFC 3261 §20.16): a number below 2^31, white space, a method."""
    i = headers.skip_lws(p, i, end)
    at = i
    while i < end and grammar.CLASS[p[i]] & DIGIT:
        i += 1
    number = headers.number_at(p, at, i)
    if number < 0 or number > CSEQ_MAX:
        return 0
    message.cseq = number
    at = headers.skip_lws(p, i, end)
    message.cseq_method_at = at
    if at == i:
        return 0
    i = at
    while i < end and grammar.CLASS[p[i]] & TOKEN:
        i += 1
    message.cseq_method_end = i
    return 1 if i > at and headers.skip_lws(p, i, end) == end else 0


def plain_number(p: bytes, i: int, end: int) -> int:
    """The number that is all of p[i:end] besides white space, -1 if it is not one."""
    i = headers.skip_lws(p, i, end)
    while end > i and grammar.CLASS[p[end - 1]] & LWS:
        end -= 1
    return headers.number_at(p, i, end)


def max_forwards(message: Message, p: bytes, i: int, end: int) -> int:
    """Read Max-Forwards; above 255 counts as absent (RFC 4475 §3.1.2.4)."""
    number = plain_number(p, i, end)
    message.max_forwards = number if number <= 255 else -1
    return 1 if number >= 0 else 0


def content_length(message: Message, p: bytes, i: int, end: int) -> int:
    """Read Content-Length (RFC 3261 §20.14); -2 is kept where it is malformed."""
    number = plain_number(p, i, end)
    if number > LENGTH_MAX:
        number = LENGTH_MAX + 1
    message.content_length = number if number >= 0 else -2
    return 1 if number >= 0 else 0


def finish(message: Message, p: bytes, end: int) -> None:
    """Check that everything needed is there and agrees, and find the end of the body."""
    if not message.body_at:
        if message.row_count < HEADERS_MAX:  # else the scanner itself stopped there
            message.fault = TRUNCATED
        return
    if not message.seen >> VIA & 1:
        message.fault = NO_VIA
        return
    if message.seen & MANDATORY != MANDATORY:
        blame(message, MISSING)
    if not message.is_request:
        message.method = grammar.method_id(p, message.cseq_method_at, message.cseq_method_end)
    elif message.method and not same_method(message, p):
        blame(message, MISMATCH)
    message.body_end = end
    if message.content_length >= 0:
        message.body_end = message.body_at + message.content_length
        if message.body_end > end:
            message.body_end = end
            blame(message, SHORT_BODY)


def same_method(message: Message, p: bytes) -> int:
    """1 if CSeq has the method of the request line (RFC 3261 §8.1.1.5)."""
    at = message.cseq_method_at
    return 1 if grammar.method_id(p, at, message.cseq_method_end) == message.method else 0
