"""Values of header fields: addresses, Via, CSeq, lists (RFC 3261 §20, §25.1).

Below are two floors. The walkers take octets and indices, return the index behind what they
read or -1 where it is malformed, and write spans into `out`; the scanner calls them for every
message. The parsers take one value (unfolded, trimmed) and return Python values, for whoever
needs more than the scanner keeps. White space includes the CRLF of a fold throughout.

    address():  "Bob" <sip:bob@example.com;lr> ; tag = x , <sip:next@…
                0     1                      2 ^params  ^returned index; out = spans below
"""

from typing import NamedTuple

from sip import grammar
from vocabulary import limits
from vocabulary.errors import LocalProtocolError, RemoteProtocolError

TOKEN = grammar.C_TOKEN
LWS = grammar.C_LWS
URI = grammar.C_URI
HOST = grammar.C_HOST
DIGIT = grammar.C_DIGIT
IPV6 = grammar.C_IPV6
PARAM = grammar.C_PARAM
DISPLAY = grammar.C_DISPLAY
HOST_MAX = limits.host_bytes_max
CSEQ_MAX = 2**31 - 1  # RFC 3261 §8.1.1.5
NUMBER_MAX = 2**32 - 1
TAG = b"tag"


def skip_lws(p: bytes, i: int, end: int) -> int:
    """Index of the first octet at or after `i` that is not white space, at most `end`."""
    while i < end and grammar.CLASS[p[i]] & LWS:
        i += 1
    return i


def skip_quoted(p: bytes, i: int, end: int) -> int:
    """Index behind the quoted string whose opening quote is at `i`; -1 if it has no end."""
    i += 1
    while i < end:
        if p[i] == 34:
            return i + 1
        if p[i] == 92:
            i += 1
            if i >= end or p[i] == 13 or p[i] == 10:  # a quoted-pair never hides a line end
                return -1
        i += 1
    return -1


def number_at(p: bytes, i: int, end: int) -> int:
    """Decimal p[i:end], at most NUMBER_MAX (more counts as that); -1 if not only digits."""
    value = 0
    if i >= end:
        return -1
    while i < end:
        if not grammar.CLASS[p[i]] & DIGIT:
            return -1
        value = value * 10 + (p[i] - 48)
        if value > NUMBER_MAX:
            value = NUMBER_MAX
        i += 1
    return value


def parameter(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Read one `;name[=value]` with p[i] == ";".

    out[0:2]: span of the name; out[2:4]: span of the value with its quotes, or -1, -1.
    Returns the index behind it, or -1: empty name, empty value, open quote.
    """
    i = skip_lws(p, i + 1, end)
    out[0] = i
    while i < end and grammar.CLASS[p[i]] & TOKEN:
        i += 1
    out[1] = i
    out[2] = out[3] = -1
    if i == out[0]:
        return -1
    i = skip_lws(p, i, end)
    if i >= end or p[i] != 61:
        return i
    i = skip_lws(p, i + 1, end)
    out[2] = i
    if i < end and p[i] == 34:
        i = skip_quoted(p, i, end)
        out[3] = i
        return i
    while i < end and grammar.CLASS[p[i]] & PARAM:
        i += 1
    out[3] = i
    return i if i > out[2] else -1


def is_name(p: bytes, at: int, end: int, name: bytes, size: int) -> int:
    """1 if p[at:end] is the lower-case `name` of `size` octets, in any letter case."""
    if end - at != size:
        return 0
    for k in range(size):
        if p[at + k] | 32 != name[k]:
            return 0
    return 1


def has_scheme(p: bytes, i: int, end: int) -> int:
    """Index behind the colon of `scheme:` at `i` if something follows it, else -1."""
    if i >= end or p[i] | 32 < 97 or p[i] | 32 > 122:
        return -1
    while i < end and grammar.CLASS[p[i]] & TOKEN:
        i += 1
    return i + 1 if i + 1 < end and p[i] == 58 else -1


def address(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Read one name-addr or addr-spec with its parameters (RFC 3261 §20.10, §20.20, §20.39).

    out[0:2]: span of the URI, without <>; out[2:4]: span of the tag, 0, 0 if none;
    out[4]: index where the parameters start; out[5]: end of the display name;
    out[6]: 1 if the URI stood in <>. Returns the index of the comma or `end`, or -1.
    """
    i = skip_lws(p, i, end)
    out[2] = out[3] = out[6] = 0
    if i < end and p[i] == 34:
        i = skip_quoted(p, i, end)
        if i < 0:
            return -1
        out[5] = i
        i = skip_lws(p, i, end)
        if i >= end or p[i] != 60:
            return -1
    else:
        out[0] = i
        while i < end and grammar.CLASS[p[i]] & DISPLAY:
            i += 1
        out[5] = i
    if i < end and p[i] == 60:
        i = bracketed(p, i + 1, end, out)
    else:
        i = bare(p, i, out)
    if i < 0 or has_scheme(p, out[0], out[1]) < 0:
        return -1
    out[4] = i
    return address_parameters(p, i, end, out)


def bracketed(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Read a URI up to its `>`; no white space inside (RFC 4475 §3.1.2.14). Index or -1."""
    out[0] = i
    out[6] = 1
    while i < end and grammar.CLASS[p[i]] & URI:
        i += 1
    out[1] = i
    return i + 1 if i < end and p[i] == 62 else -1


def bare(p: bytes, i: int, out: list[int]) -> int:
    """Check the addr-spec that started at out[0] and ended at `i`; sets its span.

    Without <> a URI holds no comma, question mark or semicolon: what follows a semicolon
    is a header parameter (RFC 3261 §20.10).
    """
    end = i
    while end > out[0] and grammar.CLASS[p[end - 1]] & LWS:
        end -= 1
    out[1] = end
    for k in range(out[0], end):
        if not grammar.CLASS[p[k]] & URI or p[k] == 63:
            return -1
    return i


def address_parameters(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Read the parameters behind an address, noting the tag. Index of comma or end, or -1."""
    cell = [0, 0, 0, 0]
    i = skip_lws(p, i, end)
    while i < end and p[i] == 59:
        i = parameter(p, i, end, cell)
        if i < 0:
            return -1
        if is_name(p, cell[0], cell[1], TAG, 3):
            if out[3] or cell[2] < 0:  # two tags, or a tag without value
                return -1
            out[2] = cell[2]
            out[3] = cell[3]
        i = skip_lws(p, i, end)
    return i if i >= end or p[i] == 44 else -1


def host_port(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Read `host[:port]` with white space allowed around the colon (RFC 3261 §20.42).

    out[0:2]: span of the host, brackets of an IPv6 reference included; out[2]: port, 0 if
    none. Returns the index behind it, white space skipped, or -1.
    """
    out[0] = i
    out[2] = 0
    if i < end and p[i] == 91:
        i += 1
        while i < end and grammar.CLASS[p[i]] & IPV6:
            i += 1
        if i >= end or p[i] != 93 or i - out[0] < 3:
            return -1
        i += 1
    else:
        while i < end and grammar.CLASS[p[i]] & HOST:
            i += 1
    out[1] = i
    if i == out[0] or i - out[0] > HOST_MAX:
        return -1
    i = skip_lws(p, i, end)
    if i >= end or p[i] != 58:
        return i
    i = skip_lws(p, i + 1, end)
    port_at = i
    while i < end and grammar.CLASS[p[i]] & DIGIT:
        i += 1
    out[2] = number_at(p, port_at, i)
    if out[2] < 1 or out[2] > 65_535:
        return -1
    return skip_lws(p, i, end)


def protocol(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Read `SIP / 2.0 / transport` and the white space behind it. out[0:2]: transport.

    Any protocol name and version passes: a reply to SIP/7.0 still needs the Via.
    """
    for _part in range(2):
        i = skip_lws(p, i, end)
        at = i
        while i < end and grammar.CLASS[p[i]] & TOKEN:
            i += 1
        if i == at:
            return -1
        i = skip_lws(p, i, end)
        if i >= end or p[i] != 47:
            return -1
        i += 1
    i = skip_lws(p, i, end)
    out[0] = i
    while i < end and grammar.CLASS[p[i]] & TOKEN:
        i += 1
    out[1] = i
    if i == out[0] or i >= end or not grammar.CLASS[p[i]] & LWS:
        return -1
    return skip_lws(p, i, end)


class NameAddr(NamedTuple):
    """One From, To, Contact, Route … value. Names of params are lower case, values unquoted.

    display: without quotes and escapes, b"" if none; a parameter without value is None.
    """

    display: bytes
    uri: bytes
    params: dict[bytes, bytes | None]


class Via(NamedTuple):
    """One Via value. transport: upper case; host: lower case, IPv6 in brackets; port: 0 none."""

    transport: bytes
    host: bytes
    port: int
    params: dict[bytes, bytes | None]


def parse_name_addr(value: bytes) -> NameAddr:
    """The one address in `value`. Raises RemoteProtocolError(400) for anything else."""
    out = [0, 0, 0, 0, 0, 0, 0]
    end = len(value)
    if address(value, 0, end, out) != end:
        raise RemoteProtocolError("Malformed Address")
    display = b""
    if out[6]:
        display = value[: out[0] - 1].strip(b" \t\r\n")
        if display[:1] == b'"':
            display = unquote(display)
    return NameAddr(display, value[out[0] : out[1]], parse_params(value[out[4] :]))


def parse_params(value: bytes) -> dict[bytes, bytes | None]:
    """`;a=1;b;c="x y"` as a dict, first one of a name wins. Raises RemoteProtocolError(400)."""
    cell = [0, 0, 0, 0]
    end = len(value)
    params: dict[bytes, bytes | None] = {}
    i = skip_lws(value, 0, end)
    while i < end:
        i = parameter(value, i, end, cell) if value[i] == 59 else -1
        if i < 0:
            raise RemoteProtocolError("Malformed Parameters")
        given = None if cell[2] < 0 else unquote(value[cell[2] : cell[3]])
        params.setdefault(value[cell[0] : cell[1]].lower(), given)
        i = skip_lws(value, i, end)
    return params


def parse_via(value: bytes) -> Via:
    """The one Via element in `value`. Raises RemoteProtocolError(400)."""
    out = [0, 0, 0]
    end = len(value)
    at = protocol(value, 0, end, out)
    transport = value[out[0] : out[1]].upper()
    at = host_port(value, at, end, out) if at >= 0 else -1
    if at < 0:
        raise RemoteProtocolError("Malformed Via")
    return Via(transport, value[out[0] : out[1]].lower(), out[2], parse_params(value[at:]))


def parse_cseq(value: bytes) -> tuple[int, bytes]:
    """(number, method) of a CSeq value. Raises RemoteProtocolError(400)."""
    parts = value.split()
    number = number_at(parts[0], 0, len(parts[0])) if len(parts) == 2 else -1
    if not 0 <= number <= CSEQ_MAX or not grammar.is_token(parts[1]):
        raise RemoteProtocolError("Malformed CSeq")
    return number, parts[1]


def parse_seconds(value: bytes) -> int:
    """Leading delta-seconds of Expires, Session-Expires, Min-SE: 0..2^32-1, -1 if malformed."""
    digits = value.split(b";", 1)[0].strip()
    return number_at(digits, 0, len(digits))


def parse_retry_after(value: bytes) -> int:
    """Seconds of a Retry-After value, comment and parameters ignored; -1 if malformed.

    Overlarge values count as 2^32-1 (RFC 3261 §20.33, RFC 4475 §3.1.2.5).
    """
    return parse_seconds(value.split(b"(", 1)[0])


def split_list(value: bytes) -> list[bytes]:
    """Elements of a comma-separated value, trimmed; empty ones are left out.

    Commas in quoted strings and in <> do not separate. An open quote or bracket holds the rest.
    """
    found: list[bytes] = []
    end = len(value)
    at = i = 0
    inside = False
    while i < end:
        octet = value[i]
        if octet == 34 and not inside:
            i = skip_quoted(value, i, end)
            if i < 0:
                break
            continue
        if octet == 60 or octet == 62:
            inside = octet == 60
        elif octet == 44 and not inside:
            found.append(value[at:i].strip(b" \t\r\n"))
            at = i + 1
        i += 1
    found.append(value[at:].strip(b" \t\r\n"))
    return [element for element in found if element]


def tag_of(value: bytes) -> bytes:
    """The tag of a From or To value, b"" if there is none or the value is malformed."""
    out = [0, 0, 0, 0, 0, 0, 0]
    if address(value, 0, len(value), out) < 0:
        return b""
    return value[out[2] : out[3]]


def unquote(value: bytes) -> bytes:
    """The text of a quoted string with its escapes resolved; other values as they are."""
    if len(value) < 2 or value[0] != 34 or value[-1] != 34:
        return value
    inner = value[1:-1]
    if b"\\" not in inner:
        return inner
    text = bytearray()
    i = 0
    while i < len(inner):
        if inner[i] == 92 and i + 1 < len(inner):
            i += 1
        text.append(inner[i])
        i += 1
    return bytes(text)


def quote_display(text: str) -> bytes:
    """`text` as a quoted string in UTF-8, quotes and backslashes escaped.

    Raises LocalProtocolError if it holds CR, LF or NUL.
    """
    raw = text.encode()
    if b"\r" in raw or b"\n" in raw or b"\0" in raw:
        raise LocalProtocolError("line break or NUL in a display name")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
