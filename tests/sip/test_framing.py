"""Cutting a stream: every split offset, keep-alives, bounds, and framing faults."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.framing import PING, StreamFramer
from sip.scan import scan_stream
from tests.sip.wire import INVITE_871, build, response
from vocabulary import limits

BODY = b"v=0\r\n\r\n\r\no=x\r\n"  # an empty line in a body must not end it
THREE = [
    INVITE_871,
    build(b"BYE sip:a@b SIP/2.0", {b"CSeq": b"8 BYE"}),
    response(extra=b"Content-Type: a/b\r\n", body=BODY),
]


def test_every_split_offset_of_three_messages() -> None:
    stream = b"".join(THREE)
    for at in range(len(stream) + 1):
        framer = StreamFramer()
        found = framer.feed(stream[:at]) + framer.feed(stream[at:])
        assert found == THREE
        assert framer.fault is None
        assert not framer.pending


def test_octet_by_octet() -> None:
    framer = StreamFramer()
    found = [message for octet in b"".join(THREE) for message in framer.feed(bytes([octet]))]
    assert found == THREE


@given(st.lists(st.integers(0, 2_000), max_size=12))
def test_any_chunks(cuts: list[int]) -> None:
    stream = b"\r\n\r\n".join(THREE) + b"\r\n\r\n"
    framer = StreamFramer()
    found: list[bytes] = []
    edges = sorted({min(cut, len(stream)) for cut in [0, *cuts, len(stream)]})
    for start, end in pairwise(edges):
        found += framer.feed(stream[start:end])
    assert [item for item in found if item] == THREE
    assert found.count(PING) == 3


def test_pings_and_pongs() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n") == [PING]
    assert framer.feed(b"\r\n") == []
    assert not framer.pending
    assert framer.feed(INVITE_871) == [INVITE_871]
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n\r") == []
    assert not framer.pending
    assert framer.feed(b"\n\r\n\r\n") == [PING, PING]
    assert framer.feed(b"\r\n\r\n\r\n" + INVITE_871) == [PING, INVITE_871]


def test_pending_while_a_message_is_incomplete() -> None:
    framer = StreamFramer()
    assert not framer.pending
    framer.feed(INVITE_871[:1])
    assert framer.pending
    framer.feed(INVITE_871[1:-1])
    assert framer.pending
    assert framer.feed(INVITE_871[-1:]) == [INVITE_871]
    assert not framer.pending


def test_header_without_end_closes_at_the_cap() -> None:
    framer = StreamFramer()
    chunk = b"INVITE sip:a@b SIP/2.0\r\n" + b"X-Endless: 1\r\n" * 1_000
    fed = 0
    while framer.fault is None:
        assert framer.feed(chunk) == []
        fed += len(chunk)
        assert fed <= limits.message_bytes_max + len(chunk)
    assert framer.fault.status == 513
    assert not framer.pending
    assert framer.feed(INVITE_871) == []


def test_body_beyond_the_cap_closes() -> None:
    framer = StreamFramer()
    data = build(change={b"Content-Length": b"65535"})
    assert framer.feed(data) == [data]
    assert framer.fault is not None
    assert framer.fault.status == 513


def test_largest_message_passes() -> None:
    size = limits.message_bytes_max - len(build(body=b"x" * 60_000)) + 60_000
    data = build(body=b"x" * size)
    assert StreamFramer().feed(data + data) == [data, data]


@pytest.mark.parametrize("length", [b"-1", b"+1", b"1, 1", b"", b"0x1", None])
def test_unknown_length_closes_after_what_was_complete(length: bytes | None) -> None:
    framer = StreamFramer()
    bad = build(change={b"Content-Length": length})
    assert framer.feed(INVITE_871 + bad + INVITE_871) == [INVITE_871, bad]
    assert framer.fault is not None
    assert framer.fault.status == 400
    assert not framer.pending


def test_two_lengths_and_garbage_close() -> None:
    framer = StreamFramer()
    bad = build(extra=b"l: 0\r\n")
    assert framer.feed(bad) == [bad]
    assert framer.fault is not None
    framer = StreamFramer()
    assert framer.feed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    ]
    assert framer.fault is not None
    assert framer.fault.status == 0


def test_a_broken_message_of_known_length_keeps_the_stream() -> None:
    framer = StreamFramer()
    bad = build(change={b"To": b"broken"}, extra=b"Content-Type: a/b\r\n", body=BODY)
    assert framer.feed(bad + INVITE_871) == [bad, INVITE_871]
    assert framer.fault is None


def test_a_response_with_a_broken_status_keeps_the_stream() -> None:
    framer = StreamFramer()
    broken = response(b"SIP/2.0 4294967301 better not break the receiver", body=b"x",
                      extra=b"Content-Type: a/b\r\n")  # fmt: skip
    assert framer.feed(broken + INVITE_871) == [broken, INVITE_871]
    assert framer.fault is None


def test_hidden_line_ends_do_not_hide_a_length() -> None:
    for odd in (b"\n", b"\r", b"\0"):
        framer = StreamFramer()
        data = build(change={b"Subject": b"x" + odd + b"Content-Length: 400"})
        assert framer.feed(data + INVITE_871) == [data, INVITE_871]
        data = build(change={b"Content-Length": b"0" + odd})
        assert framer.feed(data) == [data]
        assert framer.fault is not None


def test_every_framed_message_scans() -> None:
    for message in StreamFramer().feed(b"".join(THREE)):
        assert scan_stream(message).body == message[message.index(b"\r\n\r\n") + 4 :]
