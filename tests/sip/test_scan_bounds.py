"""Where a message ends: windows, truncation, bounds of limits.py, and heads on a stream."""

import pytest

from sip.scan import BrokenMessage, measure, scan, scan_stream
from tests.sip.wire import INVITE_871, build, refused
from vocabulary import limits


@pytest.mark.parametrize("cut", range(871 - 233))
def test_truncated_datagram_is_dropped(cut: int) -> None:
    assert refused(INVITE_871[:cut])[0] == 0


def test_short_body_is_400_and_long_body_is_cut() -> None:
    assert refused(INVITE_871[:-1]) == (400, "Content-Length Beyond Message")
    message = scan(INVITE_871 + b"INVITE sip:x@y SIP/2.0\r\n")
    assert message.body == INVITE_871[-message.content_length :]


def test_window_of_a_larger_buffer() -> None:
    data = b"x" * 10 + INVITE_871 + b"y" * 10
    message = scan(data, 10, 10 + 871)
    assert message.branch == b"z9hG4bK-3021-1-0"
    assert message.body == INVITE_871[-message.content_length :]
    assert scan(INVITE_871, 0, 900).body == message.body
    far = b"x" * 70_000 + INVITE_871
    message = scan(far, 70_000)
    assert message.call_id == scan(INVITE_871).call_id
    assert message.body == scan(INVITE_871).body


def test_leading_line_ends_are_passed_over() -> None:
    assert scan(b"\r\n\r\n" + INVITE_871).uri == b"sip:+12025550123@127.0.0.1:5060"


def test_bounds() -> None:
    spare = limits.headers_max - 8
    assert scan(build(extra=b"X-A: 1\r\n" * spare))
    assert refused(build(extra=b"X-A: 1\r\n" * (spare + 1))) == (513, "Message Too Large")
    full = b"a" * (limits.header_line_bytes_max - 5)
    assert scan(build(extra=b"X-A: " + full + b"\r\n"))
    assert refused(build(extra=b"X-A: " + full + b"a\r\n"))[0] == 513
    long_uri = b"INVITE sip:" + b"a" * limits.uri_bytes_max + b" SIP/2.0"
    assert refused(build(long_uri)) == (414, "Request-URI Too Long")
    size = limits.message_bytes_max - len(build(body=b"x" * 60_000)) + 60_000
    assert len(scan(build(body=b"x" * size)).body) == size
    assert refused(build(body=b"x" * (size + 1)))[0] == 513


def test_a_route_set_is_bounded_over_all_its_lines() -> None:
    line = b"Record-Route: <sip:a;lr>, <sip:b;lr>\r\n"
    assert len(scan(build(extra=line * 8)).record_routes()) == limits.route_set_max
    over = build(extra=line * 8 + b"Record-Route: <sip:c;lr>\r\n")
    assert refused(over) == (400, "Malformed Route")
    assert refused(build(extra=b"Record-Route: <sip:a\r\n"))[0] == 400


def test_stream_needs_a_content_length() -> None:
    assert scan_stream(INVITE_871).content_length == 233
    with pytest.raises(BrokenMessage) as caught:
        scan_stream(build(change={b"Content-Length": None}))
    assert (caught.value.status, caught.value.reason) == (400, "Missing Content-Length")


def test_measure() -> None:
    head = INVITE_871[: INVITE_871.index(b"\r\n\r\n") + 4]
    assert measure(head) == 233
    assert measure(build(change={b"To": b"broken", b"Content-Length": b"9"})) == 9
    for bad in (b"-1", b"1, 1", b"x", None):
        with pytest.raises(BrokenMessage):
            measure(build(change={b"Content-Length": bad}))
    with pytest.raises(BrokenMessage):
        measure(build(extra=b"l: 0\r\n"))
    with pytest.raises(BrokenMessage):
        measure(INVITE_871)
