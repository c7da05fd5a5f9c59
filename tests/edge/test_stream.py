"""TCP: framing on a real connection, reuse by Flow, limits, and how connections end."""

import asyncio
import socket

import pytest

from sip.edge.stream import StreamLimits
from sip.signals import Flow
from vocabulary.errors import ConfigError

from .wires import (
    SHORT_NS,
    WAIT_S,
    Connect,
    Heard,
    Listening,
    Opened,
    ended,
    has_ipv6,
    request,
    response,
)


async def test_messages_come_cut_and_answers_leave_on_their_connection(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    port = sockets.addresses()[0][2]
    reader, writer = await connect(port)
    stream = request(1) + b"\r\n" + request(2) + request(3)
    for cut in range(0, len(stream), 7):
        writer.write(stream[cut : cut + 7])
    for number in (1, 2, 3):
        data, flow = await heard.pair()
        assert data == request(number)
    local = writer.get_extra_info("sockname")
    assert flow == Flow("TCP", "127.0.0.1", local[1], "127.0.0.1", port, 0, 1)
    sockets.send([flow, b"first", flow, b"second"])
    assert await asyncio.wait_for(reader.readexactly(11), WAIT_S) == b"firstsecond"
    counted = sockets.statistics()
    assert counted["stream_messages_in"] == 3
    assert counted["stream_messages_out"] == 2
    assert counted["stream_bytes_in"] == len(stream)
    assert counted["stream_connections"] == 1


async def test_a_ping_draws_a_pong(opened: Opened, connect: Connect) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    reader, writer = await connect(sockets.addresses()[0][2])
    writer.write(b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readexactly(2), WAIT_S) == b"\r\n"
    assert heard.pairs.empty()


async def test_a_stream_without_length_is_answered_and_closed(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    reader, writer = await connect(sockets.addresses()[0][2])
    head = request().replace(b"Content-Length: 10\r\n", b"")[:-10]
    answered = heard.on_batch

    def answer(batch: list[object]) -> None:
        answered(batch)
        sockets.send([batch[1], b"refused"])

    sockets._streams.on_batch = answer
    writer.write(head + b"0123456789")
    assert (await heard.pair())[0] == head
    assert await ended(reader) == b"refused"
    assert (await heard.loss())[0].generation == 1
    assert sockets.statistics()["stream_faults"] == 1


async def test_dialling_reuses_its_connection_and_dials_again_after_its_end(
    opened: Opened, listening: Listening
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    flow = sockets.flow_to("TCP", "127.0.0.1", listening.port)
    assert (flow.generation, flow.local_port) == (0, sockets.addresses()[0][2])
    sockets.send([flow, request(1), flow, request(2)])
    reader, writer = await listening.peer()
    both = request(1) + request(2)
    assert await asyncio.wait_for(reader.readexactly(len(both)), WAIT_S) == both
    writer.write(response(5060))
    _, made = await heard.pair()
    assert made.generation == 1
    sockets.send([made, b"on it", flow, b" too"])
    assert await asyncio.wait_for(reader.readexactly(9), WAIT_S) == b"on it too"
    assert sockets.statistics()["stream_dialled"] == 1

    writer.close()
    assert {(await heard.loss())[0], (await heard.loss())[0]} == {made, flow}
    sockets.send([flow, request(3)])
    reader, writer = await listening.peer()
    assert await asyncio.wait_for(reader.readexactly(len(request(3))), WAIT_S) == request(3)
    writer.write(response(5060))
    assert (await heard.pair())[1].generation == 2
    sockets.send([made, request(4)])  # a request never moves to a successor
    assert (await heard.loss())[0] == made


async def test_a_refused_dial_is_a_lost_flow(opened: Opened, listening: Listening) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refused
        flow = sockets.flow_to("TCP", "127.0.0.1", unused.getsockname()[1])
        sockets.send([flow, request()])
        assert (await heard.loss())[0] == flow
    assert sockets.statistics()["stream_failed"] == 1


async def test_a_dial_that_hangs_is_given_up(opened: Opened) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(connect_ns=SHORT_NS))
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # its queue holds one connection; further SYNs are dropped
        for filler in (one, two):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        flow = sockets.flow_to("TCP", *full.getsockname())
        sockets.send([flow, request()])
        assert await heard.loss() == (flow, "connecting took too long")


async def test_a_response_whose_connection_is_gone_goes_to_its_via(
    opened: Opened, connect: Connect, listening: Listening
) -> None:
    """RFC 3261 §18.2.2: kill the connection before the 200."""
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    _, writer = await connect(sockets.addresses()[0][2])
    writer.write(request())
    _, flow = await heard.pair()
    writer.transport.abort()
    assert (await heard.loss())[0] == flow
    answer = response(listening.port)
    sockets.send([flow, answer])
    reader, _ = await listening.peer()
    assert await asyncio.wait_for(reader.readexactly(len(answer)), WAIT_S) == answer
    assert sockets.statistics()["stream_reopened"] == 1


async def test_a_response_that_cannot_be_reopened_loses_its_flow(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    _, writer = await connect(sockets.addresses()[0][2])
    writer.write(request())
    _, flow = await heard.pair()
    writer.transport.abort()
    assert (await heard.loss())[0] == flow
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sockets.send([flow, response(unused.getsockname()[1])])
        lost = {(await heard.loss())[0].generation for _ in range(2)}
    assert lost == {0, flow.generation}
    sockets.send([flow, b"SIP/2.0 broken"])
    assert (await heard.loss())[0] == flow


async def test_a_busy_port_is_a_wrong_setting(opened: Opened) -> None:
    from sip.edge.driver import ListenSpec, Sockets

    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    spec = ListenSpec("TCP", "127.0.0.1", sockets.addresses()[0][2], "sip.listen[1]")
    loop = asyncio.get_running_loop()
    with pytest.raises(ConfigError, match=r"sip\.listen\[1\]: tcp:.* is in use by .*\(pid"):
        await Sockets.open([spec], "", heard.on_batch, heard.on_lost, loop)


async def test_both_transports_and_both_families_side_by_side(
    opened: Opened, connect: Connect
) -> None:
    if not has_ipv6():
        pytest.skip("::1 cannot be bound on this machine")
    heard = Heard()
    sockets = await opened(heard, "udp:0.0.0.0", "tcp:0.0.0.0", "tcp:::")
    ports = [port for _, _, port in sockets.addresses()]
    _, writer = await connect(ports[1])
    writer.write(request())
    _, four = await heard.pair()
    assert (four.listener, four.local_host) == (1, "127.0.0.1")
    reader, writer = await asyncio.open_connection("::1", ports[2])
    writer.write(request())
    _, six = await heard.pair()
    assert (six.listener, six.host, six.local_host) == (2, "::1", "[::1]")
    sockets.send([six, b"back"])
    assert await asyncio.wait_for(reader.readexactly(4), WAIT_S) == b"back"
    writer.transport.abort()
    assert (await heard.loss())[0] == six
    assert sockets.flow_to("TCP", "::1", 5060).listener == 2
