"""Numbers and tables of the SIP grammar (RFC 3261 §25.1): methods, header fields, octets.

A message is compared by these small numbers, never by text. The tables are arrays of octets,
so that the compiled scanner reads them without touching a Python object:

    CLASS[octet]                    what the octet may be part of (bits below)
    METHOD_SLOT[len*32 + first&31]  the one method of that length and first letter
    HEADER_SLOT[hash(name)]         a header number; neighbours are tried until 0
    *_TEXT[number*WIDTH ...]        the name itself, to confirm the guess
"""

M_OTHER = 0
M_INVITE = 1
M_ACK = 2
M_BYE = 3
M_CANCEL = 4
M_OPTIONS = 5
M_REGISTER = 6
M_INFO = 7
M_UPDATE = 8
M_PRACK = 9
M_REFER = 10
M_NOTIFY = 11
M_SUBSCRIBE = 12
M_MESSAGE = 13
M_PUBLISH = 14

METHOD_NAMES: dict[int, bytes] = {
    M_INVITE: b"INVITE",
    M_ACK: b"ACK",
    M_BYE: b"BYE",
    M_CANCEL: b"CANCEL",
    M_OPTIONS: b"OPTIONS",
    M_REGISTER: b"REGISTER",
    M_INFO: b"INFO",
    M_UPDATE: b"UPDATE",
    M_PRACK: b"PRACK",
    M_REFER: b"REFER",
    M_NOTIFY: b"NOTIFY",
    M_SUBSCRIBE: b"SUBSCRIBE",
    M_MESSAGE: b"MESSAGE",
    M_PUBLISH: b"PUBLISH",
}

H_OTHER = 0
H_VIA = 1
H_FROM = 2
H_TO = 3
H_CALL_ID = 4
H_CSEQ = 5
H_CONTACT = 6
H_MAX_FORWARDS = 7
H_ROUTE = 8
H_RECORD_ROUTE = 9
H_CONTENT_TYPE = 10
H_CONTENT_LENGTH = 11
H_REQUIRE = 12
H_PROXY_REQUIRE = 13
H_SUPPORTED = 14
H_ALLOW = 15
H_EXPIRES = 16
H_RETRY_AFTER = 17
H_REASON = 18
H_P_ASSERTED_IDENTITY = 19
H_IDENTITY = 20
H_DATE = 21
H_CONTENT_ENCODING = 22
H_ACCEPT = 23
H_REPLACES = 24
H_WARNING = 25
H_UNSUPPORTED = 26
H_AUTHORIZATION = 27
H_PROXY_AUTHORIZATION = 28
H_WWW_AUTHENTICATE = 29
H_PROXY_AUTHENTICATE = 30
H_SESSION_EXPIRES = 31
H_MIN_SE = 32
H_CONTENT_DISPOSITION = 33
H_TIMESTAMP = 34
H_PRIVACY = 35
H_P_PREFERRED_IDENTITY = 36
H_DIVERSION = 37
H_HISTORY_INFO = 38
H_REFER_TO = 39
H_REFERRED_BY = 40
H_EVENT = 41
H_SUBSCRIPTION_STATE = 42
H_ALLOW_EVENTS = 43
H_RSEQ = 44
H_RACK = 45
H_PATH = 46
H_SERVICE_ROUTE = 47
H_USER_AGENT = 48
H_SERVER = 49
H_SUBJECT = 50
H_MIN_EXPIRES = 51
H_ALERT_INFO = 52
H_CALL_INFO = 53
H_REPLY_TO = 54
H_ORGANIZATION = 55
H_PRIORITY = 56
H_MIME_VERSION = 57
H_CONTENT_LANGUAGE = 58
H_ACCEPT_ENCODING = 59
H_ACCEPT_LANGUAGE = 60
H_USER_TO_USER = 61
H_SESSION_ID = 62
H_ACCEPT_CONTACT = 63

HEADER_NAMES: dict[int, bytes] = {
    H_VIA: b"Via",
    H_FROM: b"From",
    H_TO: b"To",
    H_CALL_ID: b"Call-ID",
    H_CSEQ: b"CSeq",
    H_CONTACT: b"Contact",
    H_MAX_FORWARDS: b"Max-Forwards",
    H_ROUTE: b"Route",
    H_RECORD_ROUTE: b"Record-Route",
    H_CONTENT_TYPE: b"Content-Type",
    H_CONTENT_LENGTH: b"Content-Length",
    H_REQUIRE: b"Require",
    H_PROXY_REQUIRE: b"Proxy-Require",
    H_SUPPORTED: b"Supported",
    H_ALLOW: b"Allow",
    H_EXPIRES: b"Expires",
    H_RETRY_AFTER: b"Retry-After",
    H_REASON: b"Reason",
    H_P_ASSERTED_IDENTITY: b"P-Asserted-Identity",
    H_IDENTITY: b"Identity",
    H_DATE: b"Date",
    H_CONTENT_ENCODING: b"Content-Encoding",
    H_ACCEPT: b"Accept",
    H_REPLACES: b"Replaces",
    H_WARNING: b"Warning",
    H_UNSUPPORTED: b"Unsupported",
    H_AUTHORIZATION: b"Authorization",
    H_PROXY_AUTHORIZATION: b"Proxy-Authorization",
    H_WWW_AUTHENTICATE: b"WWW-Authenticate",
    H_PROXY_AUTHENTICATE: b"Proxy-Authenticate",
    H_SESSION_EXPIRES: b"Session-Expires",
    H_MIN_SE: b"Min-SE",
    H_CONTENT_DISPOSITION: b"Content-Disposition",
    H_TIMESTAMP: b"Timestamp",
    H_PRIVACY: b"Privacy",
    H_P_PREFERRED_IDENTITY: b"P-Preferred-Identity",
    H_DIVERSION: b"Diversion",
    H_HISTORY_INFO: b"History-Info",
    H_REFER_TO: b"Refer-To",
    H_REFERRED_BY: b"Referred-By",
    H_EVENT: b"Event",
    H_SUBSCRIPTION_STATE: b"Subscription-State",
    H_ALLOW_EVENTS: b"Allow-Events",
    H_RSEQ: b"RSeq",
    H_RACK: b"RAck",
    H_PATH: b"Path",
    H_SERVICE_ROUTE: b"Service-Route",
    H_USER_AGENT: b"User-Agent",
    H_SERVER: b"Server",
    H_SUBJECT: b"Subject",
    H_MIN_EXPIRES: b"Min-Expires",
    H_ALERT_INFO: b"Alert-Info",
    H_CALL_INFO: b"Call-Info",
    H_REPLY_TO: b"Reply-To",
    H_ORGANIZATION: b"Organization",
    H_PRIORITY: b"Priority",
    H_MIME_VERSION: b"MIME-Version",
    H_CONTENT_LANGUAGE: b"Content-Language",
    H_ACCEPT_ENCODING: b"Accept-Encoding",
    H_ACCEPT_LANGUAGE: b"Accept-Language",
    H_USER_TO_USER: b"User-to-User",
    H_SESSION_ID: b"Session-ID",
    H_ACCEPT_CONTACT: b"Accept-Contact",
}

# RFC 3261 §7.3.3 and the registrations of RFC 3515, 3841, 3892, 4028, 6665, 8224.
COMPACT_NAMES: dict[bytes, int] = {
    b"a": H_ACCEPT_CONTACT,
    b"b": H_REFERRED_BY,
    b"c": H_CONTENT_TYPE,
    b"e": H_CONTENT_ENCODING,
    b"f": H_FROM,
    b"i": H_CALL_ID,
    b"k": H_SUPPORTED,
    b"l": H_CONTENT_LENGTH,
    b"m": H_CONTACT,
    b"o": H_EVENT,
    b"r": H_REFER_TO,
    b"s": H_SUBJECT,
    b"t": H_TO,
    b"u": H_ALLOW_EVENTS,
    b"v": H_VIA,
    b"x": H_SESSION_EXPIRES,
    b"y": H_IDENTITY,
}

# A second line of one of these is a contradiction, and picking one of them is smuggling.
SINGLE_HEADERS = frozenset(
    (
        H_FROM, H_TO, H_CALL_ID, H_CSEQ, H_MAX_FORWARDS, H_CONTENT_TYPE, H_CONTENT_LENGTH,
        H_EXPIRES, H_RETRY_AFTER, H_DATE, H_REPLACES, H_SESSION_EXPIRES, H_MIN_SE,
        H_CONTENT_DISPOSITION, H_TIMESTAMP, H_REFER_TO, H_REFERRED_BY, H_EVENT,
        H_SUBSCRIPTION_STATE, H_RSEQ, H_RACK, H_MIN_EXPIRES,
    )
)  # fmt: skip

# A line of one of these may hold several values, separated by commas (RFC 3261 §7.3.1).
LIST_HEADERS = frozenset(
    (
        H_VIA, H_CONTACT, H_ROUTE, H_RECORD_ROUTE, H_REQUIRE, H_PROXY_REQUIRE, H_SUPPORTED,
        H_ALLOW, H_REASON, H_P_ASSERTED_IDENTITY, H_CONTENT_ENCODING, H_ACCEPT, H_WARNING,
        H_UNSUPPORTED, H_P_PREFERRED_IDENTITY, H_DIVERSION, H_HISTORY_INFO, H_ALLOW_EVENTS,
        H_PATH, H_SERVICE_ROUTE, H_ALERT_INFO, H_CALL_INFO, H_CONTENT_LANGUAGE,
        H_ACCEPT_ENCODING, H_ACCEPT_LANGUAGE, H_USER_TO_USER, H_ACCEPT_CONTACT,
    )
)  # fmt: skip

# Bits of CLASS.
C_TOKEN = 1  # token characters
C_LWS = 2  # SP, HT, and the CRLF of a fold
C_URI = 4  # visible ASCII without < > "
C_HOST = 8  # letters, digits, "-", ".", and "_", which no name should have and many do
C_DIGIT = 16
C_IPV6 = 32  # hexadecimal digits, ":" and "."
C_PARAM = 64  # an unquoted parameter value; wider than token: hosts, base64 tags
C_DISPLAY = 128  # inside an unquoted display name or addr-spec: no " , ; < > \

ALPHANUMERIC = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKEN_OCTETS = frozenset(ALPHANUMERIC + b"-.!%*_+`'~")
METHOD_WIDTH = 16
HEADER_WIDTH = 32


def _classes() -> bytes:
    """One octet of class bits for each of the 256 octets."""
    visible = set(range(33, 127))
    members = {
        C_TOKEN: set(TOKEN_OCTETS),
        C_LWS: set(b" \t\r\n"),
        C_URI: visible - set(b'<>"'),
        C_HOST: set(ALPHANUMERIC + b"-._"),
        C_DIGIT: set(b"0123456789"),
        C_IPV6: set(b"0123456789abcdefABCDEF:."),
        C_PARAM: visible - set(b';,"<>\\'),
        C_DISPLAY: (visible | set(range(128, 256)) | set(b" \t\r\n")) - set(b'",;<>\\'),
    }
    return bytes(
        sum(bit for bit, octets in members.items() if octet in octets) for octet in range(256)
    )


def _method_slots() -> bytes:
    """Method number by length (under 16) and first letter; no two methods share both."""
    slots = bytearray(METHOD_WIDTH * 32)
    for number, name in METHOD_NAMES.items():
        at = len(name) * 32 + (name[0] & 31)
        assert slots[at] == 0
        slots[at] = number
    return bytes(slots)


def _texts(names: dict[int, bytes], width: int) -> bytes:
    """The names in cells of `width` octets, in the order of their numbers."""
    text = bytearray(width * (max(names) + 1))
    for number, name in names.items():
        assert len(name) < width
        text[number * width : number * width + len(name)] = name
    return bytes(text)


def header_hash(name: bytes) -> int:
    """Slot where the search for a lower-case header name starts, 0..255."""
    size = len(name)
    return (size * 7 + name[0] * 3 + name[size - 1] * 5 + name[size >> 1] * 29) & 255


def _header_slots() -> bytes:
    """Open-addressed table of header numbers by header_hash; at most a quarter full."""
    slots = bytearray(256)
    for number, name in HEADER_NAMES.items():
        at = header_hash(name.lower())
        while slots[at]:
            at = (at + 1) & 255
        slots[at] = number
    return bytes(slots)


def _compact_slots() -> bytes:
    """Header number by the low five bits of a compact name's letter."""
    slots = bytearray(32)
    for letter, number in COMPACT_NAMES.items():
        slots[letter[0] & 31] = number
    return bytes(slots)


def _flags(numbers: frozenset[int]) -> bytes:
    """One octet per header number: 1 for the members of `numbers`."""
    return bytes(number in numbers for number in range(64))


CLASS = _classes()
METHOD_SLOT = _method_slots()
METHOD_TEXT = _texts(METHOD_NAMES, METHOD_WIDTH)
HEADER_SLOT = _header_slots()
HEADER_TEXT = _texts({n: name.lower() for n, name in HEADER_NAMES.items()}, HEADER_WIDTH)
COMPACT_SLOT = _compact_slots()
SINGLE = _flags(SINGLE_HEADERS)
LIST = _flags(LIST_HEADERS)
assert len(HEADER_NAMES) == 63  # 64 header numbers fit one machine word of seen bits


def method_id(p: bytes, at: int, end: int) -> int:
    """Number of the method p[at:end], M_OTHER if unknown. Methods are case-sensitive."""
    size = end - at
    if size <= 0 or size >= 16:
        return 0
    number = METHOD_SLOT[size * 32 + (p[at] & 31)]
    base = number * 16
    for k in range(size):
        if METHOD_TEXT[base + k] != p[at + k]:
            return 0
    return number


def header_id(p: bytes, at: int, end: int) -> int:
    """Number of the header named p[at:end] (a token), H_OTHER if unknown; any letter case."""
    size = end - at
    if size == 1:
        return COMPACT_SLOT[p[at] & 31] if p[at] >= 65 else 0
    if size <= 0 or size >= 32:
        return 0
    slot = size * 7 + (p[at] | 32) * 3 + (p[end - 1] | 32) * 5 + (p[at + (size >> 1)] | 32) * 29
    slot &= 255
    while HEADER_SLOT[slot]:
        if _same_name(p, at, size, HEADER_SLOT[slot] * 32):
            return HEADER_SLOT[slot]
        slot = (slot + 1) & 255
    return 0


def _same_name(p: bytes, at: int, size: int, base: int) -> int:
    """1 if the name of `size` octets at `at` is the lower-case name in the cell at `base`."""
    for k in range(size):
        if HEADER_TEXT[base + k] != p[at + k] | 32:
            return 0
    return 1 if HEADER_TEXT[base + size] == 0 else 0


def is_token(value: bytes) -> bool:
    """Whether `value` is a token (RFC 3261 §25.1): not empty, no separators."""
    return bool(value) and TOKEN_OCTETS.issuperset(value)
