"""Messages to start from: lines as a dict, so that a test changes just one."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sip.scan import BrokenMessage, scan

INVITE_871 = (Path(__file__).parent / "invite_871.sip").read_bytes()
LINES = {
    b"Via": b"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;rport",
    b"From": b'"Bob" <sip:bob@example.com>;tag=f1',
    b"To": b"<sip:+12025550123@example.org>",
    b"Call-ID": b"call-1@192.0.2.1",
    b"CSeq": b"7 INVITE",
    b"Contact": b"<sip:bob@192.0.2.1:5060;transport=udp>",
    b"Max-Forwards": b"70",
}
REQUEST_LINE = b"INVITE sip:+12025550123@example.org SIP/2.0"


def build(
    first: bytes = REQUEST_LINE,
    change: Mapping[bytes, bytes | None] | None = None,
    extra: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """A message from LINES; change: new values, None leaves a line out; extra: ready lines."""
    lines: dict[bytes, bytes | None] = {**LINES, **(change or {})}
    given = [(name, value) for name, value in lines.items() if value is not None]
    head = b"".join([b"%b: %b\r\n" % item for item in given])
    if b"Content-Length" not in lines:
        head += b"Content-Length: %d\r\n" % len(body)
    return first + b"\r\n" + head + extra + b"\r\n" + body


def response(first: bytes = b"SIP/2.0 200 OK", change: Mapping[bytes, bytes | None] | None = None,
             extra: bytes = b"", body: bytes = b"") -> bytes:  # fmt: skip
    """A response with the same lines."""
    return build(first, {b"Max-Forwards": None, **(change or {})}, extra, body)


def refused(data: bytes) -> tuple[int, str]:
    """Status and reason with which the scanner refuses `data`."""
    with pytest.raises(BrokenMessage) as caught:
        scan(data)
    return caught.value.status, caught.value.reason
