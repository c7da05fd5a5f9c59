"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966).

    sip:alice;day=tuesday:secret@[2001:db8::1]:5070;transport=tcp;lr?subject=x
        user               :password host       port params          headers

A URI comes from the wire as octets and stays octets. The user part is unescaped exactly once
(RFC 4475 §3.1.1.3); everything that goes back on the wire passes `escape_user` again.
"""

from typing import NamedTuple

from sip import grammar, headers
from vocabulary.errors import RemoteProtocolError

URI = grammar.C_URI
HEX = b"0123456789ABCDEF"
HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
USER_PLAIN = frozenset(grammar.ALPHANUMERIC + b"-_.!~*'()&=+$,;?/")  # RFC 3261 §25.1 user
VISUAL_SEPARATORS = b"-.()"  # RFC 3966 §3
PHONE_DIGITS = frozenset(b"0123456789abcdefABCDEF*#+")
# Present in only one of two URIs, these make them different (RFC 3261 §19.1.4).
DECIDING_PARAMS = (b"transport", b"user", b"ttl", b"method", b"maddr")


class Uri(NamedTuple):
    """One parsed URI.

    scheme: lower case. user, password: unescaped. host: lower case, the brackets of an IPv6
    reference kept. port: 0 if none. params: names lower case, values unescaped, None without
    value. headers: (name lower case, value) in order, unescaped. For tel, user is the number
    without visual separators, and host is empty.
    """

    scheme: bytes
    user: bytes
    password: bytes
    host: bytes
    port: int
    params: dict[bytes, bytes | None]
    headers: tuple[tuple[bytes, bytes], ...]


def find(p: bytes, i: int, end: int, octet: int) -> int:
    """Index of the first `octet` in p[i:end], or `end`."""
    while i < end and p[i] != octet:
        i += 1
    return i


def is_hex(octet: int) -> int:
    """1 if `octet` is a hexadecimal digit."""
    return 1 if 48 <= octet <= 57 or 97 <= octet | 32 <= 102 else 0


def escapes_valid(p: bytes, i: int, end: int) -> int:
    """1 if every "%" in p[i:end] is followed by two hexadecimal digits."""
    while i < end:
        if p[i] == 37 and (i + 2 >= end or not is_hex(p[i + 1]) or not is_hex(p[i + 2])):
            return 0
        i += 1
    return 1


def sip_parts(p: bytes, i: int, end: int, out: list[int]) -> int:
    """Split what follows `sip:` at p[i:end], free of white space and <>.

    out[0:2]: host span; out[2]: port, 0 if none; out[3:5]: user span, empty if none;
    out[5]: end of the password, which starts behind the user's colon; out[6]: 1 if there was
    a user part; out[7]: index of the parameters; out[8]: index of the "?", or end.
    Returns 0, or -1 if malformed: no host, port not a number, two "@", a bad escape.
    """
    at = find(p, i, end, 64)
    out[3] = out[4] = out[5] = i
    out[6] = 0
    if at < end:
        out[6] = 1
        out[4] = find(p, i, at, 58)
        out[5] = at
        if out[4] == i or not escapes_valid(p, i, at) or find(p, at + 1, end, 64) < end:
            return -1
        i = at + 1
    i = headers.host_port(p, i, end, out)
    if i < 0 or (i < end and p[i] != 59 and p[i] != 63):
        return -1
    out[7] = i
    out[8] = find(p, i, end, 63)
    return 0


def unescape(value: bytes) -> bytes:
    """`value` with each %XX resolved once. Raises RemoteProtocolError(400) on a bad escape."""
    if b"%" not in value:
        return value
    pieces = value.split(b"%")
    text = bytearray(pieces[0])
    for piece in pieces[1:]:
        if len(piece) < 2 or not HEX_DIGITS.issuperset(piece[:2]):
            raise RemoteProtocolError("Malformed Escape")
        text.append(int(piece[:2], 16))
        text += piece[2:]
    return bytes(text)


def escape_user(user: bytes) -> bytes:
    """`user` as it may stand before the "@": every other octet becomes %XX."""
    if USER_PLAIN.issuperset(user):
        return user
    text = bytearray()
    for octet in user:
        if octet in USER_PLAIN:
            text.append(octet)
        else:
            text += bytes((37, HEX[octet >> 4], HEX[octet & 15]))
    return bytes(text)


def parse_uri(value: bytes) -> Uri:
    """`value` as a Uri. Raises RemoteProtocolError: 416 unknown scheme, 400 malformed."""
    colon = value.find(b":")
    scheme = value[:colon].lower() if colon > 0 else b""
    if not grammar.is_token(scheme) or any(octet <= 32 or octet in b'<>"\x7f' for octet in value):
        raise RemoteProtocolError("Malformed URI")
    if scheme == b"sip" or scheme == b"sips":
        return _parse_sip(scheme, value, colon + 1)
    if scheme == b"tel":
        return _parse_tel(value[colon + 1 :])
    raise RemoteProtocolError("Unsupported URI Scheme", 416)


def _parse_sip(scheme: bytes, value: bytes, start: int) -> Uri:
    out = [0, 0, 0, 0, 0, 0, 0, 0, 0]
    if sip_parts(value, start, len(value), out) < 0:
        raise RemoteProtocolError("Malformed URI")
    fields = value[out[8] + 1 :].split(b"&") if out[8] + 1 < len(value) else []
    pairs = [field.partition(b"=") for field in fields]
    return Uri(
        scheme,
        unescape(value[out[3] : out[4]]),
        unescape(value[out[4] + 1 : out[5]]),
        value[out[0] : out[1]].lower(),
        out[2],
        _params(value[out[7] : out[8]]),
        tuple([(unescape(name).lower(), unescape(text)) for name, _eq, text in pairs]),
    )


def _parse_tel(value: bytes) -> Uri:
    number, _semicolon, rest = value.partition(b";")
    digits = number.translate(None, VISUAL_SEPARATORS)
    if not digits or not PHONE_DIGITS.issuperset(digits) or b"+" in digits[1:] or digits == b"+":
        raise RemoteProtocolError("Malformed URI")
    return Uri(b"tel", digits, b"", b"", 0, _params(rest), ())


def _params(text: bytes) -> dict[bytes, bytes | None]:
    """`;a=1;b` as a dict; the first one of a name wins; empty ones are passed over."""
    params: dict[bytes, bytes | None] = {}
    if text:
        for part in text.split(b";"):
            name, equals, value = part.partition(b"=")
            if name:
                params.setdefault(unescape(name).lower(), unescape(value) if equals else None)
    return params


def user_of(uri: bytes) -> bytes:
    """User part (unescaped, without password) of a sip or sips URI, number of a tel URI.

    b"" if there is none, or the URI is malformed or of another scheme.
    """
    start = uri.find(b":") + 1
    scheme = uri[:start].lower()
    try:
        if scheme == b"tel:":
            return _parse_tel(uri[start:]).user
        out = [0, 0, 0, 0, 0, 0, 0, 0, 0]
        if scheme not in (b"sip:", b"sips:") or sip_parts(uri, start, len(uri), out) < 0:
            return b""
        return unescape(uri[out[3] : out[4]])
    except RemoteProtocolError:
        return b""


def hostport_of(uri: bytes) -> tuple[bytes, int, bytes]:
    """(host, port, transport) of a sip or sips URI, as a socket wants them.

    host: lower case, IPv6 without brackets; port: 0 if none; transport: the parameter in lower
    case, b"" if none. (b"", 0, b"") if the URI is malformed or of another scheme.
    """
    start = uri.find(b":") + 1
    out = [0, 0, 0, 0, 0, 0, 0, 0, 0]
    if uri[:start].lower() not in (b"sip:", b"sips:"):
        return b"", 0, b""
    if sip_parts(uri, start, len(uri), out) < 0:
        return b"", 0, b""
    host = uri[out[0] : out[1]].lower()
    if host[:1] == b"[":
        host = host[1:-1]
    transport = b""
    if out[7] < out[8]:
        for part in uri[out[7] : out[8]].lower().split(b";"):
            if part[:10] == b"transport=":
                transport = part[10:]
    return host, out[2], transport


def same_uri(a: bytes, b: bytes) -> bool:
    """Whether two URIs are equal (RFC 3261 §19.1.4, RFC 3966 §4). Raises as parse_uri."""
    one, two = parse_uri(a), parse_uri(b)
    if one[:5] != two[:5]:
        return False
    if one.scheme == b"tel":
        return _lowered(one.params) == _lowered(two.params)
    for name in DECIDING_PARAMS:
        if (name in one.params) != (name in two.params):
            return False
    first, second = _lowered(one.params), _lowered(two.params)
    for name in first:
        if name in second and first[name] != second[name]:
            return False
    return sorted(one.headers) == sorted(two.headers)


def _lowered(params: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    return {name: (value or b"").lower() for name, value in params.items()}
