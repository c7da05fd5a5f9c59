"""The link: answers in any order, bounded, and a bad peer costs its own connection only."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from dce.link import HEAD_BYTES, LinkClient, LinkDown, LinkServer, encode_frame, read_frame
from vocabulary import limits
from vocabulary.commands import (
    Balances,
    Drain,
    Draining,
    Health,
    ListBalances,
    ReadHealth,
    Refusal,
    Request,
    Response,
    TopUp,
    TopUpDone,
)
from vocabulary.errors import CommandRefused

HEALTH = Health(ready=True, reasons=(), plan_version=1, calls_live=0, durable_seq=9)


class Peer:
    """The worker's side in a test: answers by type, and waits where it is told to."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()  # set once as many wait as are expected
        self.expected = 1
        self.waiting = 0

    async def handle(self, request: Request) -> Response:
        self.seen.append(request)
        match request:
            case ReadHealth():
                return HEALTH
            case ListBalances():
                self.waiting += 1
                if self.waiting == self.expected:
                    self.entered.set()
                await self.gate.wait()
                return Balances(())
            case TopUp(account="nobody"):
                raise CommandRefused("account_unknown", "no such account")
            case TopUp():
                return TopUpDone(b"i" * 16, request.account, request.amount_micros, 0, False)
        raise ValueError("a bug of the handler")


@pytest.fixture
async def linked(tmp_path: Path) -> AsyncIterator[tuple[Peer, LinkServer, Path]]:
    peer = Peer()
    path = tmp_path / "link.sock"
    server = LinkServer(path, peer.handle)
    await server.start()
    yield peer, server, path
    await server.stop()


Linked = tuple[Peer, LinkServer, Path]


async def test_answers_come_in_any_order(linked: Linked) -> None:
    peer, _, path = linked
    client = LinkClient(path)
    slow = asyncio.create_task(client.ask(ListBalances()))
    await peer.entered.wait()
    assert await client.ask(ReadHealth()) == HEALTH
    assert not slow.done()
    peer.gate.set()
    assert await slow == Balances(())
    await client.close()


async def test_refusals_are_answers(linked: Linked) -> None:
    _, _, path = linked
    client = LinkClient(path)
    assert await client.ask(TopUp("nobody", 1, "USD", "k")) == Refusal(
        "account_unknown", "no such account"
    )
    done = await client.ask(TopUp("b1", 5, "USD", "k"))
    assert isinstance(done, TopUpDone)
    assert done.amount_micros == 5
    await client.close()


async def test_a_fault_of_the_handler_is_an_answer_and_logged(
    linked: Linked, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, path = linked
    client = LinkClient(path)
    answer = await client.ask(Drain())
    assert isinstance(answer, Refusal)
    assert answer.code == "fault"
    assert "a bug of the handler" in caplog.text
    assert await client.ask(ReadHealth()) == HEALTH
    await client.close()


async def test_an_unreadable_request_is_refused_under_its_id(linked: Linked) -> None:
    _, _, path = linked
    reader, writer = await asyncio.open_unix_connection(path)
    for body in (
        {"type": "no_such_command"},
        {"type": "top_up", "account": "a", "amount_micros": -1, "currency": "USD",
         "idempotency_key": "k"},
        {"type": "top_up"}, 5, None,
    ):
        raw = msgspec.msgpack.encode((7, body))
        writer.write(len(raw).to_bytes(HEAD_BYTES, "big") + raw)
        frame = await read_frame(reader)
        assert frame is not None
        number, value = frame
        answer = msgspec.msgpack.decode(value, type=Response)
        assert number == 7
        assert isinstance(answer, Refusal)
        assert answer.code == "request_invalid"
    writer.close()


async def test_a_frame_above_the_bound_ends_the_connection(linked: Linked) -> None:
    _, _, path = linked
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write((limits.frame_bytes_max + 1).to_bytes(HEAD_BYTES, "big"))
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("seed", range(4))
async def test_garbage_ends_its_own_connection_only(linked: Linked, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    _, _, path = linked
    healthy = LinkClient(path)
    good = encode_frame(1, ReadHealth())
    for _ in range(50):
        reader, writer = await asyncio.open_unix_connection(path)
        data = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        writer.write(bytes(data[: chance.randrange(len(data) + 1)]))
        writer.write_eof()
        await reader.read()  # an answer, or the end: never a hang
        writer.close()
        assert await healthy.ask(ReadHealth()) == HEALTH
    await healthy.close()


async def test_no_server_is_link_down_and_was_not_sent(tmp_path: Path) -> None:
    client = LinkClient(tmp_path / "nobody.sock")
    with pytest.raises(LinkDown, match="no connection to") as caught:
        await client.ask(ReadHealth())
    assert not caught.value.sent


async def test_a_slow_answer_is_link_down_and_may_have_been_carried_out(linked: Linked) -> None:
    _, _, path = linked
    client = LinkClient(path)
    with pytest.raises(LinkDown, match=r"no answer on .* in 0\.05 s") as caught:
        await client.ask(ListBalances(), timeout_s=0.05)
    assert caught.value.sent
    assert await client.ask(ReadHealth()) == HEALTH
    await client.close()


async def test_the_client_connects_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "link.sock"
    peer = Peer()
    client = LinkClient(path)
    server = LinkServer(path, peer.handle)
    await server.start()
    waiting = asyncio.create_task(client.ask(ListBalances()))
    await peer.entered.wait()
    await server.stop()
    with pytest.raises(LinkDown) as caught:
        await waiting
    assert caught.value.sent
    assert not client.connected
    again = LinkServer(path, peer.handle)
    await again.start()
    assert await client.ask(ReadHealth()) == HEALTH
    await client.close()
    await again.stop()


async def test_waiting_requests_are_bounded(linked: Linked) -> None:
    peer, _, path = linked
    peer.expected = limits.link_requests_max
    client = LinkClient(path)
    asked = [
        asyncio.create_task(client.ask(ListBalances())) for _ in range(limits.link_requests_max)
    ]
    await peer.entered.wait()
    with pytest.raises(LinkDown, match="256 requests are waiting"):
        await client.ask(ReadHealth())
    peer.gate.set()
    assert await asyncio.gather(*asked) == [Balances(())] * limits.link_requests_max
    await client.close()


async def test_the_socket_is_private_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "link.sock"
    first = LinkServer(path, Peer().handle)
    await first.start()
    assert path.stat().st_mode & 0o777 == 0o600
    second = LinkServer(path, Peer().handle)
    with pytest.raises(FileExistsError, match="is served by a running process"):
        await second.start()
    await first.stop()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    await second.start()
    await second.stop()
    assert not path.exists()
    path.write_text("")
    with pytest.raises(FileExistsError, match="is no socket"):
        await second.start()


async def test_an_answer_above_the_bound_is_a_refusal(tmp_path: Path) -> None:
    async def handle(_request: Request) -> Response:
        return Refusal("x", "y" * (limits.frame_bytes_max + 1))

    server = LinkServer(tmp_path / "s", handle)
    await server.start()
    client = LinkClient(tmp_path / "s")
    answer = await client.ask(ReadHealth())
    assert isinstance(answer, Refusal)
    assert answer.code == "answer_too_large"
    await client.close()
    await server.stop()


def test_every_request_and_response_survives_the_wire() -> None:
    decode = msgspec.msgpack.Decoder(tuple[int, Response]).decode
    assert decode(encode_frame(3, Draining(4))[HEAD_BYTES:]) == (3, Draining(4))
