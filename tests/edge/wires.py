"""What the edge tests share: recorded callbacks that can be awaited, and plain peers."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from sip.edge.driver import DEFAULT_LIMITS, Sockets
from sip.edge.stream import StreamLimits
from sip.edge.udp import PlainUdp, Udp, chosen
from sip.signals import Flow

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
