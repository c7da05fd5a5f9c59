"""UDP in and out, on every implementation that is built."""

import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest

from sip.edge import udp as udp_module
from sip.edge.udp import PlainUdp, Udp, bind, chosen
from sip.signals import Flow
from vocabulary.errors import CommandRefused
from vocabulary.limits import udp_batch_max, udp_tries_max

from .wires import TWINS, Heard, Opened, free_udp_port, has_ipv6, udp_peer

each_twin = pytest.mark.parametrize("make", TWINS, ids=lambda make: make.__name__)
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="::1 cannot be bound on this machine")


def test_compiled_twin_is_tested_when_built() -> None:
    if chosen() is PlainUdp:
        pytest.skip("sip.edge.udp_batch is not built: only the plain twin is tested")
    assert [make.__name__ for make in TWINS] == ["PlainUdp", "BatchUdp"]


@each_twin
async def test_a_datagram_arrives_with_its_flow_and_the_answer_goes_back(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    port = sockets.addresses()[0][2]
    with udp_peer("127.0.0.2") as peer:
        peer.sendto(b"OPTIONS one", ("127.0.0.1", port))
        data, flow = await heard.pair()
        assert data == b"OPTIONS one"
        assert flow == Flow("UDP", "127.0.0.2", peer.getsockname()[1], "127.0.0.1", port, 0, 0)
        sockets.send([flow, b"answer"])
        assert peer.recvfrom(100) == (b"answer", ("127.0.0.1", port))
        assert sockets.statistics()["datagrams_in"] == 1
        assert sockets.statistics()["datagrams_out"] == 1
        assert sockets.statistics()["datagram_bytes_in"] == 11
        assert sockets.statistics()["datagram_bytes_out"] == 6


@each_twin
async def test_a_new_advertised_address_is_told_on_the_next_datagram(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    port = sockets.addresses()[0][2]
    with udp_peer("127.0.0.2") as peer:
        peer.sendto(b"1", ("127.0.0.1", port))
        _, before = await heard.pair()
        sockets.advertise_by({"127.0.0.2": ("203.0.113.5", 5070)}.get)
        peer.sendto(b"2", ("127.0.0.1", port))
        _, after = await heard.pair()
        assert (before.local_host, before.local_port) == ("127.0.0.1", port)
        assert (after.local_host, after.local_port) == ("203.0.113.5", 5070)
        sockets.send([before, b"old", after, b"new"])  # both still reach the peer
        assert [peer.recvfrom(100)[0] for _ in range(2)] == [b"old", b"new"]


@each_twin
async def test_one_peer_costs_one_flow_object(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    port = sockets.addresses()[0][2]
    with udp_peer() as peer:
        peer.sendto(b"1", ("127.0.0.1", port))
        peer.sendto(b"2", ("127.0.0.1", port))
        first, second = await heard.pair(), await heard.pair()
        dialled = sockets.flow_to("UDP", "127.0.0.1", peer.getsockname()[1])
        assert first[1] is second[1] is dialled


@each_twin
async def test_a_wake_up_takes_many_datagrams_and_a_bounded_number(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    port = sockets.addresses()[0][2]
    count = udp_batch_max * 2 + 5
    with udp_peer() as peer:
        for number in range(count):
            peer.sendto(b"%d" % number, ("127.0.0.1", port))
        got = [(await heard.pair())[0] for _ in range(count)]
    assert got == [b"%d" % number for number in range(count)]
    assert heard.batches == [udp_batch_max, udp_batch_max, 5]


@each_twin
async def test_many_sends_keep_the_order_of_each_flow(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    sockets = await opened(Heard(), "udp:127.0.0.1", make=make)
    with udp_peer() as one, udp_peer("127.0.0.3") as two:
        flows = [sockets.flow_to("UDP", *peer.getsockname()) for peer in (one, two)]
        sends: list[object] = []
        for number in range(udp_batch_max + 3):
            sends += [flows[0], b"a%d" % number, flows[1], b"b%d" % number]
        sockets.send(sends)
        for number in range(udp_batch_max + 3):
            assert one.recv(10) == b"a%d" % number
            assert two.recv(10) == b"b%d" % number


@each_twin
async def test_each_flow_leaves_from_its_own_listener(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", "udp:127.0.0.2", make=make)
    ports = [port for _, _, port in sockets.addresses()]
    with udp_peer() as peer:
        peer.sendto(b"x", ("127.0.0.2", ports[1]))
        _, flow = await heard.pair()
        assert flow.listener == 1
        first = sockets.flow_to("UDP", *peer.getsockname())
        assert first.listener == 0
        sockets.send([flow, b"second", first, b"first"])
        got = {peer.recvfrom(10) for _ in range(2)}
    assert got == {(b"second", ("127.0.0.2", ports[1])), (b"first", ("127.0.0.1", ports[0]))}


@each_twin
async def test_the_largest_datagram_and_the_empty_one(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    with udp_peer() as peer:
        largest = b"x" * 65_507
        peer.sendto(largest, ("127.0.0.1", sockets.addresses()[0][2]))
        peer.sendto(b"", ("127.0.0.1", sockets.addresses()[0][2]))
        assert (await heard.pair())[0] == largest
        assert (await heard.pair())[0] == b""
        flow = sockets.flow_to("UDP", *peer.getsockname())
        sockets.send([flow, largest, flow, largest + b"y", flow, b"after"])
        assert peer.recv(70_000) == largest
        assert peer.recv(70_000) == b"after"
        assert (await heard.loss())[0] == flow
        assert sockets.statistics()["send_failed"] == 1


@each_twin
async def test_a_refused_address_is_a_lost_flow_and_the_socket_lives(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    dead = sockets.flow_to("UDP", "127.0.0.1", free_udp_port())
    with udp_peer() as peer:
        live = sockets.flow_to("UDP", *peer.getsockname())
        for number in range(3):  # reading must survive the error, again and again
            sockets.send([dead, b"lost", live, b"kept%d" % number])
            assert peer.recv(10) == b"kept%d" % number
            flow, reason = await heard.loss()
            assert flow == dead
            assert reason == "Connection refused"
            peer.sendto(b"in", ("127.0.0.1", sockets.addresses()[0][2]))
            assert (await heard.pair())[0] == b"in"
    assert sockets.statistics()["send_refused"] == 3
    assert heard.lost.empty()


@each_twin
def test_forged_sources_do_not_grow_the_memory(make: Callable[..., Udp]) -> None:
    def failure(flow: Flow | None, why: int) -> bool:
        raise AssertionError((flow, why))

    sock = bind("127.0.0.1", 0)
    with sock:
        udp = make(sock, 0, lambda host: ("127.0.0.1", 5060), failure, flows_max=64)
        for number in range(10_000):
            flow = udp.flow_of(f"10.{number >> 8 & 255}.{number & 255}.1", 1024 + number % 999)
            assert flow.port == 1024 + number % 999
            assert udp.flows_cached() <= 64
        with udp_peer() as peer:  # a forgotten peer is found again, and can be answered
            flow = udp.flow_of(*peer.getsockname())
            for number in range(1_000):
                udp.flow_of(f"10.0.{number >> 8}.{number & 255}", 5060)
            assert udp.send([flow, b"still"]) == []
            assert peer.recv(10) == b"still"
            assert udp.flow_of(*peer.getsockname()) == flow


@each_twin
@needs_ipv6
async def test_ipv6_flows(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:::", make=make)
    port = sockets.addresses()[0][2]
    with udp_peer("::1") as peer:
        peer.sendto(b"six", ("::1", port))
        data, flow = await heard.pair()
        assert (data, flow.host) == (b"six", "::1")
        assert (flow.local_host, flow.local_port) == ("[::1]", port)
        assert sockets.flow_to("UDP", "[0:0::1]", flow.port) is flow
        sockets.send([flow, b"back"])
        assert peer.recv(10) == b"back"
        dead = sockets.flow_to("UDP", "::1", free_udp_port("::1"))
        sockets.send([dead, b"x"])
        assert (await heard.loss())[0] == dead
        with pytest.raises(CommandRefused, match="listener_missing"):
            sockets.flow_to("UDP", "127.0.0.1", 5060)


@each_twin
async def test_a_flow_that_no_socket_can_serve(
    opened: Opened, make: Callable[..., Udp]
) -> None:
    heard = Heard()
    sockets = await opened(heard, "udp:127.0.0.1", make=make)
    wrong = Flow("UDP", "buyer.example", 5060, "127.0.0.1", 5060)
    absent = Flow("UDP", "127.0.0.1", 5060, "127.0.0.1", 5060, listener=7)
    zero = Flow("UDP", "127.0.0.1", 0, "127.0.0.1", 5060)
    sockets.send([wrong, b"x", absent, b"x", zero, b"x"])
    lost = {(await heard.loss())[0] for _ in range(3)}
    assert lost == {wrong, absent, zero}


def test_counters_start_at_zero_and_a_full_send_buffer_is_counted() -> None:
    """EAGAIN cannot be had from loopback UDP: a stream pair fills where a datagram would not."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        left.setblocking(False)
        udp = PlainUdp(left, 0, lambda host: ("x", 1), lambda flow, why: False)
        assert (udp.sent, udp.again, udp.failed) == (0, 0, 0)
        assert udp.receive([]) == 0
    with bind("127.0.0.1", 0) as sock:
        assert udp_module.granted_bytes(sock) > 0


class Answered:
    """A socket on which ICMP answers to earlier datagrams come out, one at a try."""

    family = socket.AF_INET

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.sent: list[bytes] = []

    def sendto(self, data: bytes, address: tuple[str, int]) -> int:
        if self.answers:
            self.answers -= 1
            raise ConnectionRefusedError(errno.ECONNREFUSED, "to somebody else")
        self.sent.append(data)
        return len(data)


@pytest.mark.parametrize(("answers", "sent"), [(1, 1), (5, 1), (udp_tries_max, 0)])
def test_a_datagram_outlives_the_errors_of_others_but_not_without_end(
    answers: int, sent: int
) -> None:
    sock: Any = Answered(answers)
    udp = PlainUdp(sock, 0, lambda host: ("x", 1), lambda flow, why: True)
    udp.send([Flow("UDP", "127.0.0.9", 5060, "127.0.0.1", 5060), b"x"])
    assert (len(sock.sent), udp.failed) == (sent, 1 - sent)
