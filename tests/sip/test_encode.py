"""Building messages: what is built scans to what was given, and no line end slips in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import encode, grammar, headers, uri
from sip.dialog import request_bytes
from sip.scan import scan
from tests.sip.wire import INVITE_871
from vocabulary.errors import LocalProtocolError

BAD = [b"a\r\nX-Evil: 1", b"a\nb", b"a\rb", b"\r\n", b"a\0"]


def request(target: bytes, sender: bytes, body: bytes) -> bytes:
    """An INVITE by sip.dialog, as a dialled leg sends it."""
    tail = (
        b" %b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKxyz\r\n"
        b"Max-Forwards: 70\r\nFrom: %b\r\nCall-ID: leg-1\r\n"
    ) % (target, sender)
    contact = b"Contact: <sip:192.0.2.9>\r\n"
    return request_bytes(b"INVITE", tail, b"To: <sip:b@h>\r\n", 1, contact, body, b"a/b")


def test_response() -> None:
    message = scan(INVITE_871)
    head = message.response_head(b"127.0.0.3", 5070)
    data = encode.response(
        head, 200, message.to_line(), b"tag1", b"Contact: <sip:x>\r\n", b"v=0\r\n", b"a/b"
    )
    reply = scan(data)
    assert (reply.status, reply.reason, reply.to_tag) == (200, b"OK", b"tag1")
    assert (reply.body, reply.content_type) == (b"v=0\r\n", b"a/b")
    assert reply.contact_uri() == b"sip:x"
    again = encode.response(head, 200, reply.to_line(), b"tag2", b"", b"", b"")
    assert scan(again).to_tag == b"tag1"
    assert scan(encode.response(head, 100, message.to_line(), b"", b"", b"", b"")).to_tag == b""
    assert b"\r\nTo:" not in encode.response(head, 400, b"", b"tag", b"", b"", b"")


def test_status_lines() -> None:
    assert encode.status_line(486) == b"SIP/2.0 486 Busy Here\r\n"
    assert encode.status_line(486, b"Go Away") == b"SIP/2.0 486 Go Away\r\n"
    assert encode.status_line(499) == b"SIP/2.0 499 Client Error\r\n"
    assert encode.status_line(699) == b"SIP/2.0 699 Failure\r\n"
    for code in (0, 99, 700, -1, 4294967301):
        with pytest.raises(LocalProtocolError):
            encode.status_line(code)


@pytest.mark.parametrize("value", BAD)
def test_no_line_end_and_no_nul_enters_a_response(value: bytes) -> None:
    head = scan(INVITE_871).response_head(b"127.0.0.3", 5070)
    good = {"to_line": b"<sip:a>", "to_tag": b"t", "extra": b"", "content_type": b"a/b",
            "reason": b""}  # fmt: skip
    for name in good:
        if name == "extra" and value.startswith(b"a\r\n"):
            continue
        with pytest.raises(LocalProtocolError):
            encode.response(head, 200, body=b"x", **{**good, name: value})


def test_escaped_nul_goes_back_in_an_address_only() -> None:
    assert encode.address_value(b'"a\\\0" <sip:a>') == b'"a\\\0" <sip:a>'
    with pytest.raises(LocalProtocolError):
        encode.address_value(b'"a\0" <sip:a>')
    with pytest.raises(LocalProtocolError):
        encode.lines_checked(b'X: "a\\\0"\r\n')


def test_line() -> None:
    assert encode.line(b"Reason", 'SIP;cause=200;text="é"') == (
        b'Reason: SIP;cause=200;text="\xc3\xa9"\r\n'
    )
    for name, value in ((b"X Y", "z"), (b"", "z"), (b"X:", "z"), (b"X", "a\r\nb"), (b"X", "\0")):
        with pytest.raises(LocalProtocolError):
            encode.line(name, value)
    assert encode.header_value("é") == b"\xc3\xa9"
    assert encode.lines_checked(b"A: 1\r\n 2\r\nB: 3\r\n") == b"A: 1\r\n 2\r\nB: 3\r\n"


@given(st.text(), st.binary(min_size=1), st.binary(max_size=64))
def test_whatever_is_built_scans_to_the_same(name: str, user: bytes, body: bytes) -> None:
    target = b"sip:" + uri.escape_user(user) + b"@h"
    try:
        display = headers.quote_display(name)
    except (LocalProtocolError, UnicodeEncodeError):
        assert {"\r", "\n", "\0"} & set(name)
        return
    data = request(target, display + b" <" + target + b">;tag=x", body)
    message = scan(data)
    assert uri.user_of(message.uri) == user
    assert headers.parse_name_addr(message.value(grammar.H_FROM) or b"").display == name.encode()
    assert message.body == body
    assert len(data) == len(message.data)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"\r\n", b" ", b"a", b"X: 1"]), max_size=8))
def test_lines_checked_lets_only_whole_lines_pass(pieces: list[bytes]) -> None:
    extra = b"".join(pieces)
    try:
        encode.lines_checked(extra)
    except LocalProtocolError:
        return
    assert extra == b"" or extra.endswith(b"\r\n")
    for line in extra.split(b"\r\n")[:-1]:
        assert line
        assert not set(line) & set(b"\r\n\0")
