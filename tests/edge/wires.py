"""What the edge tests share: recorded callbacks that can be awaited, and plain peers."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from sip.edge.driver import DEFAULT_LIMITS, Sockets
from sip.edge.stream import StreamLimits
from sip.edge.udp import PlainUdp, Udp, chosen
from sip.signals import Flow
from vocabulary.limits import NS_PER_MS

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SHORT_NS = 100 * NS_PER_MS  # a time limit that a test waits for
WAIT_S = 5.0  # an event that has not come by then never will
TWINS: list[Callable[..., Udp]] = [PlainUdp] + ([] if chosen() is PlainUdp else [chosen()])


class Heard:
    """The two callbacks of Sockets; what came in can be awaited."""

    def __init__(self) -> None:
        self.pairs: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.lost: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        self.batches: list[int] = []

    def on_batch(self, batch: list[object]) -> None:
        """Record one wake-up."""
        self.batches.append(len(batch) // 2)
        for data, flow in zip(batch[::2], batch[1::2], strict=True):
            assert isinstance(data, bytes)
            assert isinstance(flow, Flow)
            self.pairs.put_nowait((data, flow))

    def on_lost(self, flow: Flow, reason: str) -> None:
        """Record a lost flow."""
        self.lost.put_nowait((flow, reason))

    async def pair(self) -> tuple[bytes, Flow]:
        """The next (data, flow)."""
        return await asyncio.wait_for(self.pairs.get(), WAIT_S)

    async def loss(self) -> tuple[Flow, str]:
        """The next (flow, reason)."""
        return await asyncio.wait_for(self.lost.get(), WAIT_S)


class Opened(Protocol):
    """The fixture `opened`: Sockets on `transport:host` each, closed after the test."""

    async def __call__(
        self,
        heard: Heard,
        *listen: str,
        advertise: str = "",
        make: Callable[..., Udp] | None = None,
        bounds: StreamLimits = DEFAULT_LIMITS,
    ) -> Sockets:
        """Open on ports the kernel chooses."""


def udp_peer(host: str = "127.0.0.1") -> socket.socket:
    """A blocking UDP socket that gives up after WAIT_S."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(WAIT_S)
    return sock


def has_ipv6() -> bool:
    """Whether ::1 can be bound here."""
    try:
        udp_peer("::1").close()
    except OSError:
        return False
    return True


def free_udp_port(host: str = "127.0.0.1") -> int:
    """A port where nobody listened a moment ago."""
    with udp_peer(host) as sock:
        return int(sock.getsockname()[1])


def request(number: int = 1, method: bytes = b"OPTIONS") -> bytes:
    """A whole request with a body of ten octets."""
    return (
        b"%b sip:exchange.example SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bK%d\r\n"
        b"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: %d\r\n"
        b"CSeq: 1 %b\r\nMax-Forwards: 70\r\nContent-Length: 10\r\n\r\n0123456789"
    ) % (method, number, number, method)


def response(port: int, method: bytes = b"INVITE", status: int = 200) -> bytes:
    """A response whose top Via names 127.0.0.1:port."""
    return (
        b"SIP/2.0 %d X\r\nVia: SIP/2.0/TCP 127.0.0.1:%d;branch=z9hG4bKr\r\n"
        b"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>;tag=2\r\nCall-ID: r\r\n"
        b"CSeq: 1 %b\r\nContent-Length: 0\r\n\r\n"
    ) % (status, port, method)


class Listening:
    """A peer that listens: accepted connections come out of a queue."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[Peer] = asyncio.Queue()
        self.port = 0

    async def peer(self) -> Peer:
        """The next connection that was made to it."""
        return await asyncio.wait_for(self.accepted.get(), WAIT_S)


class Connect(Protocol):
    """The fixture `connect`: connects to a port of 127.0.0.1; ended after the test."""

    async def __call__(self, port: int) -> Peer:
        """A new connection."""


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends."""
    got = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65_536), WAIT_S):
            got += chunk
    except ConnectionResetError:
        pass  # an abort is an end as well
    return got
