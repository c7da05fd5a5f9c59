"""Sockets that close themselves after the test."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sip.edge.driver import DEFAULT_LIMITS, ListenSpec, Sockets
from sip.edge.stream import StreamLimits
from sip.edge.udp import Udp

from .wires import Connect, Heard, Listening, Opened, Peer


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of the edge runs on both loops: the server uses uvloop where it is there."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    try:
        import uvloop
    except ImportError:
        return factories
    return {**factories, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """A function that opens Sockets; see wires.Opened."""
    held: list[Sockets] = []

    async def open_sockets(
        heard: Heard,
        *listen: str,
        advertise: str = "",
        make: Callable[..., Udp] | None = None,
        bounds: StreamLimits = DEFAULT_LIMITS,
    ) -> Sockets:
        specs = []
        for text in listen:
            transport, _, host = text.partition(":")
            specs.append(ListenSpec(transport.upper(), host, 0, "sip.listen"))
        loop = asyncio.get_running_loop()
        sockets = await Sockets.open(
            specs, advertise, heard.on_batch, heard.on_lost, loop, make, bounds
        )
        held.append(sockets)
        return sockets

    yield open_sockets
    for sockets in held:
        sockets.close()
        await sockets.wait_closed()


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    """A TCP peer on 127.0.0.1."""
    peers = Listening()
    held: list[asyncio.StreamWriter] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        peers.accepted.put_nowait((reader, writer))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    peers.port = server.sockets[0].getsockname()[1]
    yield peers
    server.close()
    for writer in held:
        writer.transport.abort()
    await server.wait_closed()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A function that connects to a port of 127.0.0.1."""
    held: list[asyncio.StreamWriter] = []

    async def to(port: int) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        held.append(writer)
        return reader, writer

    yield to
    for writer in held:
        writer.transport.abort()
