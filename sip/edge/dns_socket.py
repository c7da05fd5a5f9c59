"""Datagram sockets for dnspython that survive the cancellation of a query.

dnspython's own open a datagram endpoint on the loop. Cancelled while it opens, uvloop never
gives such an endpoint back, and closing the loop then waits for it for ever. A plain connected
socket read by the loop has no such moment; the kernel also drops what others send to it and
reports a refused port at once.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import dns.asyncbackend
import dns.exception


class QuerySocket(dns.asyncbackend.DatagramSocket):  # type: ignore[misc, name-defined]
    """One connected, non-blocking UDP socket for one query."""

    def __init__(self, family: int, destination: tuple[Any, ...]) -> None:
        super().__init__(family, socket.SOCK_DGRAM)
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.connect(destination)
        except OSError:
            self._socket.close()
            raise

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        """Send to the server it is connected to; a query never fills the send buffer."""
        return self._socket.send(what)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        """(data, server). Raises dns.exception.Timeout after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                data = await loop.sock_recv(self._socket, size)
        except TimeoutError:
            expired: Callable[..., Exception] = dns.exception.Timeout
            raise expired(timeout=timeout) from None
        return data, self._socket.getpeername()

    async def getpeername(self) -> Any:
        """Address of the server."""
        return self._socket.getpeername()

    async def getsockname(self) -> Any:
        """Our address."""
        return self._socket.getsockname()

    async def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


class Backend(dns.asyncbackend.Backend):  # type: ignore[misc, name-defined]
    """dnspython's asyncio backend with QuerySocket for datagrams; TCP is left as it is."""

    def __init__(self) -> None:
        self._asyncio: Any = dns.asyncbackend.get_backend("asyncio")

    def name(self) -> str:
        """As dnspython calls it."""
        return str(self._asyncio.name())

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: Any = None,
        server_hostname: str | None = None,
    ) -> Any:
        """A socket to `destination`. Raises OSError."""
        if socktype == socket.SOCK_DGRAM:
            return QuerySocket(af, destination)
        return await self._asyncio.make_socket(
            af, socktype, proto, source, destination, timeout, ssl_context, server_hostname
        )

    def datagram_connection_required(self) -> bool:
        """Ask for the server's address when a socket is made."""
        return True

    async def sleep(self, interval: float) -> None:
        """Wait between retries."""
        await asyncio.sleep(interval)

    def get_transport_class(self) -> Any:
        """For DNS over HTTPS, which is not used."""
        return self._asyncio.get_transport_class()

    async def wait_for(self, awaitable: Any, timeout: float | None) -> Any:
        """Await within `timeout` seconds."""
        return await self._asyncio.wait_for(awaitable, timeout)
