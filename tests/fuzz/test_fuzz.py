"""A fuzz target per parser; see README.md beside this file."""

import os
from collections.abc import Callable

import pytest

from sip import encode, grammar, headers, uri
from sip.framing import StreamFramer
from sip.message import Message
from sip.scan import BrokenMessage, measure, scan, scan_stream
from tests.fuzz.mutate import inputs, piece
from vocabulary.errors import LocalProtocolError, RemoteProtocolError

COUNT = int(os.environ.get("FUZZ_N", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", "20261124"))
FIELDS = (
    "is_request", "method", "method_name", "status", "uri_scheme", "branch", "sent_by",
    "via_transport", "via_rport", "via_received", "call_id", "cseq", "from_tag", "to_tag",
    "max_forwards", "body", "content_type",
)  # fmt: skip
STATUSES = {0, 400, 414, 505, 513}


def serialise(message: Message) -> bytes:
    """`message` written from what its API tells, headers grouped by number."""
    if message.is_request:
        first = b"%b %b SIP/2.0\r\n" % (message.method_name, message.uri)
    else:
        first = b"SIP/2.0 %d %b\r\n" % (message.status, message.reason)
    lines = b"".join([message.lines(number) for number in range(1, 64)])
    others = b"".join([b"%b: %b\r\n" % pair for pair in message.others(b"")])
    return first + lines + others + b"\r\n" + message.body


def check_head(head: bytes) -> None:
    """A response head is nothing or whole lines: no bare line end, no empty line."""
    assert head == b"" or head.endswith(b"\r\n")
    assert b"\r\n\r\n" not in head
    assert head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n")


def fuzz_scan(data: bytes) -> None:
    """Refused with a known status, or read, written and read to the same."""
    try:
        message = scan(data)
    except BrokenMessage as broken:
        fuzz_refusal(broken)
        return
    text = serialise(message)
    again = scan(text)
    for field in FIELDS:
        assert getattr(again, field) == getattr(message, field), field
    for number in range(1, 64):
        assert again.values(number) == message.values(number), number
    assert again.others(b"") == message.others(b"")
    assert serialise(again) == text
    if message.is_request:
        fuzz_answer(message, 200)


def fuzz_refusal(broken: BrokenMessage) -> None:
    """The status is one of the scanner's, and the answer, if any, is one message."""
    assert broken.status in STATUSES
    check_head(broken.message.response_head(b"192.0.2.7", 1234))
    if broken.status:
        fuzz_answer(broken.message, broken.status)


def fuzz_answer(message: Message, status: int) -> None:
    """An answer to it is one message with exactly the lines it should have."""
    head = message.response_head(b"192.0.2.7", 1234)
    check_head(head)
    answer = encode.response(head, status, message.to_line(), b"t", b"", b"", b"")
    assert answer.count(b"\r\n\r\n") == 1
    if status == 200:
        reply = scan(answer)
        assert reply.call_id == message.call_id
        assert reply.branch == message.branch
        assert reply.cseq == message.cseq
        assert reply.to_tag == message.to_tag or message.to_tag == b""
        assert len(reply.values(grammar.H_VIA)) == len(message.values(grammar.H_VIA))
        assert reply.via_rport == (1234 if message.via_rport >= 0 else -1)


def fuzz_framer(data: bytes) -> None:
    """Any split gives the same messages, and each is what the scanner sees."""
    whole = StreamFramer()
    found = whole.feed(data + data)
    split = StreamFramer()
    cut = len(data) // 3
    parts = split.feed(data[:cut]) + split.feed(data[cut:] + data[:1]) + split.feed(data[1:])
    assert parts == found
    assert (split.fault is None, split.pending) == (whole.fault is None, whole.pending)
    framed = [item for item in found if item]
    for message in framed[: -1 if whole.fault else None]:
        head = message[: message.index(b"\r\n\r\n") + 4]
        assert len(head) + measure(head) == len(message)
        try:
            assert len(scan_stream(message).body) == len(message) - len(head)
        except BrokenMessage:
            pass


def fuzz_address(data: bytes) -> None:
    """An address splits into parts that make an equal address."""
    address = headers.parse_name_addr(data)
    text = b'"%b" <%b>' % (
        address.display.replace(b"\\", b"\\\\").replace(b'"', b'\\"'),
        address.uri,
    )
    again = headers.parse_name_addr(text)
    if not set(address.display) & set(b"\r\n"):
        assert again == (address.display, address.uri, {})
    assert headers.tag_of(data) == headers.tag_of(data.strip())


def fuzz_via(data: bytes) -> None:
    """A Via splits into parts that make an equal Via."""
    via = headers.parse_via(data)
    port = b":%d" % via.port if via.port else b""
    again = headers.parse_via(b"SIP/2.0/%b %b%b" % (via.transport, via.host, port))
    assert again == via._replace(params={})


def fuzz_uri(data: bytes) -> None:
    """Equal to itself; its user part comes back; the quick readers agree with the parser."""
    uri.user_of(data)
    uri.hostport_of(data)
    parsed = uri.parse_uri(data)
    assert uri.same_uri(data, data)
    assert uri.user_of(data) == parsed.user
    host, port, _transport = uri.hostport_of(data)
    assert (host, port) == (parsed.host.strip(b"[]"), parsed.port)
    assert uri.unescape(uri.escape_user(parsed.user)) == parsed.user


def fuzz_list(data: bytes) -> None:
    """Splitting is stable: the elements joined split into the same elements."""
    elements = headers.split_list(data)
    if elements:
        assert headers.split_list(b", ".join(elements)) == elements
    headers.unquote(data)
    headers.parse_retry_after(data)
    headers.parse_seconds(data)


def fuzz_cseq(data: bytes) -> None:
    """Number and method make an equal CSeq."""
    number, method = headers.parse_cseq(data)
    assert headers.parse_cseq(b"%d %b" % (number, method)) == (number, method)


def fuzz_encode(data: bytes) -> None:
    """Whatever is taken for a line leaves as one line."""
    try:
        line = encode.line(b"X-Fuzz", data)
    except LocalProtocolError:
        assert set(data) & set(b"\r\n\0")
        return
    assert line.count(b"\n") == 1
    assert encode.lines_checked(line) == line


TARGETS: list[tuple[Callable[[bytes], None], Callable[[int, int], bytes]]] = [
    (fuzz_scan, inputs),
    (fuzz_framer, inputs),
    (fuzz_address, piece),
    (fuzz_via, piece),
    (fuzz_uri, piece),
    (fuzz_list, piece),
    (fuzz_cseq, piece),
    (fuzz_encode, piece),
]


@pytest.mark.parametrize(("target", "source"), TARGETS)
def test_target(target: Callable[[bytes], None], source: Callable[[int, int], bytes]) -> None:
    for index in range(COUNT):
        data = source(SEED, index)
        try:
            target(data)
        except RemoteProtocolError:
            pass
        except Exception as error:
            error.add_note(f"FUZZ_SEED={SEED} index {index}: {data!r}")
            raise


def test_corpus_itself_passes() -> None:
    from tests.fuzz.mutate import CORPUS

    for data in CORPUS:
        fuzz_scan(data)
        fuzz_framer(data)
