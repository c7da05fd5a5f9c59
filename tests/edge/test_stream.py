"""TCP: framing on a real connection, reuse by Flow, limits, and how connections end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from sip.edge.stream import StreamLimits
from sip.signals import Flow
from vocabulary.errors import ConfigError
from vocabulary.limits import NS_PER_MS

from .wires import WAIT_S, Heard, Opened, has_ipv6

SHORT_NS = 100 * NS_PER_MS
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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


Connect = Callable[[int], "asyncio.Future[Peer]"]


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

    yield lambda port: asyncio.ensure_future(to(port))
    for writer in held:
        writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends."""
    got = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65_536), WAIT_S):
            got += chunk
    except ConnectionResetError:
        pass  # an abort is an end as well
    return got


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


async def test_one_source_has_a_bounded_number(opened: Opened, connect: Connect) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(per_source_max=2))
    port = sockets.addresses()[0][2]
    kept = [await connect(port) for _ in range(2)]
    for _, writer in kept:
        writer.write(request())
        await heard.pair()
    reader, _ = await connect(port)
    assert await ended(reader) == b""
    assert sockets.statistics()["stream_over_source"] == 1
    kept[0][1].transport.abort()
    await heard.loss()
    _, writer = await connect(port)  # room again
    writer.write(request(7))
    assert (await heard.pair())[0] == request(7)


async def test_the_oldest_that_carried_no_call_makes_room(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(connections_max=2))
    port = sockets.addresses()[0][2]
    flows = []
    readers = []
    for number in range(2):
        reader, writer = await connect(port)
        writer.write(request(number, b"INVITE"))
        flows.append((await heard.pair())[1])
        readers.append(reader)
    sockets.send([flows[0], response(5060, status=100)])  # the first one carries a call
    _, writer = await connect(port)
    writer.write(request(9))
    assert (await heard.loss())[0] == flows[1]
    assert (await heard.pair())[0] == request(9)
    assert await ended(readers[1]) == b""
    sockets.send([flows[0], response(5060)])
    expected = response(5060, status=100) + response(5060)
    assert await asyncio.wait_for(readers[0].readexactly(len(expected)), WAIT_S) == expected


async def test_silence_ends_a_connection_unless_it_carries_a_call(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(idle_ns=SHORT_NS))
    port = sockets.addresses()[0][2]
    caller, writer = await connect(port)
    writer.write(request(1, b"INVITE"))
    _, flow = await heard.pair()
    sockets.send([flow, response(5060, status=180)])
    for _ in range(2):  # two limits pass, one after the other, while the call is silent
        silent, _ = await connect(port)
        assert await ended(silent) == b""
        assert (await heard.loss())[1] == "idle too long"
    sockets.send([flow, response(5060)])
    expected = response(5060, status=180) + response(5060)
    assert await asyncio.wait_for(caller.readexactly(len(expected)), WAIT_S) == expected
    assert sockets.statistics()["stream_timed_out"] == 2


async def test_refusals_and_pings_do_not_keep_a_stranger(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(idle_ns=SHORT_NS))
    reader, writer = await connect(sockets.addresses()[0][2])
    writer.write(request() + b"\r\n\r\n")
    _, flow = await heard.pair()
    sockets.send([flow, response(5060, status=403), flow, response(5060, b"OPTIONS", 200)])
    assert (await ended(reader)).endswith(response(5060, b"OPTIONS", 200))
    assert await heard.loss() == (flow, "idle too long")


async def test_an_unfinished_message_ends_its_connection(
    opened: Opened, connect: Connect
) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(message_ns=SHORT_NS))
    reader, writer = await connect(sockets.addresses()[0][2])
    writer.write(request(1) + request(2)[:-1])
    assert (await heard.pair())[0] == request(1)
    assert await ended(reader) == b""
    assert (await heard.loss())[1] == "unfinished message"


async def test_a_finished_message_stops_its_time_limit(opened: Opened, connect: Connect) -> None:
    heard = Heard()
    bounds = StreamLimits(message_ns=SHORT_NS)
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=bounds)
    port = sockets.addresses()[0][2]
    _, writer = await connect(port)
    writer.write(request(1)[:50])
    writer.write(request(1)[50:])
    _, flow = await heard.pair()
    slow, other = await connect(port)  # this one is due after the first would have been
    other.write(request(2)[:-1])
    assert await ended(slow) == b""
    assert (await heard.loss())[0].generation == flow.generation + 1


async def test_a_peer_that_does_not_read_is_cut_off(opened: Opened, connect: Connect) -> None:
    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1", bounds=StreamLimits(write_bytes_max=100_000))
    _, writer = await connect(sockets.addresses()[0][2])
    writer.write(request())
    _, flow = await heard.pair()
    for _ in range(500):  # 30 MB: more than any kernel buffer of loopback
        sockets.send([flow, b"x" * 60_000])
        await asyncio.sleep(0)  # one turn of the loop, no time
    assert await heard.loss() == (flow, "the peer does not read")
    assert sockets.statistics()["stream_write_bound"] >= 1


async def test_what_waits_for_a_dial_is_bounded(opened: Opened, listening: Listening) -> None:
    heard = Heard()
    size = len(request())
    sockets = await opened(
        heard, "tcp:127.0.0.1", bounds=StreamLimits(write_bytes_max=size * 2)
    )
    flow = sockets.flow_to("TCP", "127.0.0.1", listening.port)
    sockets.send([flow, request(1), flow, request(2), flow, request(3)])
    reader, writer = await listening.peer()
    await asyncio.wait_for(reader.readexactly(size * 2), WAIT_S)
    writer.write(request(4))
    await heard.pair()
    assert sockets.statistics()["stream_write_bound"] == 1


async def test_a_busy_port_is_a_wrong_setting(opened: Opened) -> None:
    from sip.edge.driver import ListenSpec, Sockets

    heard = Heard()
    sockets = await opened(heard, "tcp:127.0.0.1")
    spec = ListenSpec("TCP", "127.0.0.1", sockets.addresses()[0][2], "sip.listen[1]")
    loop = asyncio.get_running_loop()
    with pytest.raises(ConfigError, match=r"sip\.listen\[1\]: cannot listen on tcp:.*process"):
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
