"""One TCP connection: bytes to messages, messages to bytes, and how it ends."""

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from sip.framing import PING, StreamFramer
from sip.signals import Flow

if TYPE_CHECKING:
    from sip.edge.stream import Streams

PONG = b"\r\n"  # RFC 5626 §3.5.1
# A peer that died without a word is found by the kernel, at the latest after two minutes.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class Connection(asyncio.Protocol):
    """A connection that was accepted, or one that is being dialled (`dialled` is its Flow).

    flow: its own Flow once it is made. waiting: further Flows that are told if it cannot be
    made. source: what it counts against, b"" if nothing. proven: it carries a call: we sent a
    request on it, or a 1xx or 2xx to an INVITE.
    """

    __slots__ = (
        "_framer", "_pending", "_pending_bytes", "_transport", "dialled", "ended", "flow",
        "listener", "owner", "proven", "reason", "source", "waiting",
    )  # fmt: skip

    def __init__(self, owner: "Streams", listener: int, dialled: Flow | None = None) -> None:
        self.owner = owner
        self.listener = listener
        self.dialled = dialled
        self.flow: Flow | None = None
        self.waiting: set[Flow] = set()
        self.source = b""
        self.proven = False
        self.reason = ""
        self.ended = asyncio.Event()
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] = []  # written before the connection was made
        self._pending_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The kernel has it: take a Flow, or end it at once where there is no room."""
        stream = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport = stream
        peer = transport.get_extra_info("peername")
        host, port = (peer[0], peer[1]) if peer else ("0.0.0.0", 0)  # reset already
        self.flow = self.owner.admit(self, host, port) if peer else None
        if self.flow is None:
            stream.abort()
            return
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self.waiting.clear()
        pending, self._pending = self._pending, []
        for data in pending:
            self._write(stream, data)

    def data_received(self, data: bytes) -> None:
        """Frame, answer pings, hand the messages up, then move the time limits."""
        if self.flow is None or self.reason:
            return
        counters = self.owner.counters
        counters.bytes_in += len(data)
        pings = 0
        batch: list[object] = []
        for message in self._framer.feed(data):
            if message == PING:
                pings += 1
            else:
                batch.append(message)
                batch.append(self.flow)
        if pings:
            self._write(self._transport, PONG * pings)
        messages = len(batch) // 2
        counters.messages_in += messages
        self.owner.heard(self, messages, self._framer.pending)
        try:
            if batch:
                self.owner.on_batch(batch)
        finally:
            if self._framer.fault is not None:
                counters.faults += 1
                self.finish(self._framer.fault.reason)

    def connection_lost(self, error: Exception | None) -> None:
        """It is over, for whatever reason came first."""
        refused = self.flow is None and self.dialled is None
        reason = self.reason or (str(error) if error else "closed by the peer")
        if not refused:
            self.owner.gone(self, reason)
        self.reason = reason
        self.flow = None
        self._transport = None
        self.ended.set()

    def write(self, data: bytes) -> None:
        """Send one message, in order; above the bound the connection ends instead."""
        if not self.proven and proves(data):
            self.proven = True
            self.owner.prove(self)
        self.owner.counters.messages_out += 1
        if self._transport is not None:
            self._write(self._transport, data)
            return
        self._pending_bytes += len(data)
        if self._pending_bytes > self.owner.bounds.write_bytes_max:
            self.owner.counters.write_bound += 1  # dropped: the peer is still to answer
            return
        self._pending.append(data)

    def _write(self, transport: asyncio.Transport | None, data: bytes) -> None:
        if transport is None or transport.is_closing():
            return
        waiting = transport.get_write_buffer_size() + len(data)
        if waiting > self.owner.bounds.write_bytes_max:
            self.owner.counters.write_bound += 1
            self.abort("the peer does not read")
            return
        self.owner.counters.bytes_out += len(data)
        transport.write(data)

    def finish(self, reason: str) -> None:
        """End it once what was written is out."""
        self.reason = self.reason or reason
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """End it now; what was not sent yet is dropped."""
        self.reason = self.reason or reason
        if self._transport is not None:
            self._transport.abort()


def proves(data: bytes) -> bool:
    """Whether sending this means that a call is carried: our request, or 1xx, 2xx to INVITE.

    A stranger can draw a refusal, or a 200 to OPTIONS, but neither of these.
    """
    if not data.startswith(b"SIP/2.0 "):
        return True
    return data[8:9] in (b"1", b"2") and b" INVITE\r\n" in data
