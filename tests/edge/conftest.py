"""Sockets that close themselves after the test."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from sip.edge.driver import ListenSpec, Sockets
from sip.edge.udp import Udp

from .wires import Heard, Opened


@pytest.fixture
def opened() -> Iterator[Opened]:
    """A function that opens Sockets; see wires.Opened."""
    held: list[Sockets] = []

    async def open_sockets(
        heard: Heard,
        *listen: str,
        advertise: str = "",
        make: Callable[..., Udp] | None = None,
    ) -> Sockets:
        specs = []
        for text in listen:
            transport, _, host = text.partition(":")
            specs.append(ListenSpec(transport.upper(), host, 0, "sip.listen"))
        loop = asyncio.get_running_loop()
        sockets = await Sockets.open(
            specs, advertise, heard.on_batch, heard.on_lost, loop, make
        )
        held.append(sockets)
        return sockets

    yield open_sockets
    for sockets in held:
        sockets.close()
