"""Bounds of TCP connections: how many, how long silent, how much unread."""

import asyncio

from sip.edge.stream import StreamLimits

from .wires import (
    SHORT_NS,
    WAIT_S,
    Connect,
    Heard,
    Listening,
    Opened,
    ended,
    request,
    response,
)


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
