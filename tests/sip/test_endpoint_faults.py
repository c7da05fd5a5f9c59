"""A fault in one call ends that call only; a command that a state does not allow is refused."""

from typing import Any

import pytest

from sip.endpoint import Endpoint
from sip.signals import (
    Answer,
    By,
    Cancel,
    Cause,
    Dial,
    Hangup,
    Join,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegReleased,
    Reject,
    Renegotiate,
    Ring,
    Trying,
)
from tests.sim.net import ALICE, BUYER, US, Net
from tests.sim.phones import SDP, Buyer, Caller
from tests.sim.script import invite
from tests.sim.wire import S, Wire
from vocabulary.errors import LocalProtocolError


class Bomb:
    """In the place of a value, it goes off when used."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("bomb")


def test_a_fault_without_a_leg_is_counted_and_nothing_else() -> None:
    endpoint = Endpoint(b"0" * 16)
    endpoint.receive(invite(ALICE, US), Bomb(), 1)  # type: ignore[arg-type]
    assert endpoint.drain() == ([], [])
    assert endpoint.statistics()["faults"] == 1
    assert endpoint.statistics()["server_transactions"] == 0


@pytest.mark.parametrize("victim", [1, 2])
def test_a_fault_ends_its_call_and_no_other(victim: int) -> None:
    net = Net(Wire(1), Caller(talk_ns=9 * S if victim == 1 else None), (
        Buyer(talk_ns=9 * S if victim == 2 else None),))  # fmt: skip
    net.call(1)
    net.call(3)
    net.world.run_until(lambda: len(net.exchange.seen(LegAcked)) == 2)
    core = net.exchange.endpoint.core
    core.legs[victim].flow = Bomb()  # type: ignore[assignment]
    net.world.run()
    assert net.exchange.endpoint.statistics()["faults"] >= 1
    ended = {n.leg: n.by for n in net.exchange.seen(LegEnded)}
    assert len(ended) == 4
    assert not any(net.exchange.leftovers().values())
    assert sorted(net.desk.released) == [1, 2, 3, 4]


@pytest.mark.parametrize("state", ["offered", "ringing", "talking"])
def test_a_fault_tells_both_sides(state: str) -> None:
    net = Net(Wire(2), buyers=(Buyer(ring_ns=2 * S),))
    net.call()
    goal = {"offered": 1.02, "ringing": 2.5, "talking": 5}[state]
    net.world.run(int((goal - 1) * S))
    endpoint = net.exchange.endpoint
    endpoint.core.current = endpoint.core.legs[2]
    endpoint.fault(net.world.now_ns)
    net.world.flush(net.exchange)
    net.world.run()
    assert not any(net.exchange.leftovers().values())
    assert not any(net.alice.leftovers().values())
    assert not any(net.buyer.leftovers().values())
    if state == "talking":
        assert net.alice.seen(LegEnded)[0].by == By.REMOTE
        assert [n.by for n in net.exchange.seen(LegEnded)] == [By.LOCAL, By.LOCAL]
    else:
        assert net.alice.seen(LegFailed)[0].status == 500


def test_a_fault_of_a_dialled_leg_is_a_failed_attempt() -> None:
    net = Net(Wire(3), Caller(talk_ns=S), (Buyer(None), Buyer()))
    net.call()
    net.world.run(S)
    endpoint = net.exchange.endpoint
    endpoint.core.current = endpoint.core.legs[1]
    endpoint.fault(net.world.now_ns)
    net.world.flush(net.exchange)
    net.world.run()
    assert net.exchange.seen(LegFailed)[0].cause == Cause.LOCAL
    assert net.world.lines("exchange", "buyer") == ["INVITE", "CANCEL", "ACK"]
    assert net.alice.seen(LegAnswered)
    assert not any(net.exchange.leftovers().values())


def talking() -> Net:
    """A call that stands: the caller is leg 2, the buyer leg 1."""
    net = Net(Wire(4))
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    return net


@pytest.mark.parametrize(
    "command",
    [
        Trying(2), Ring(2, 180), Answer(2), Reject(2, 486), Ring(1, 180), Cancel(2), Join(1, 2),
        Join(2, 2), Renegotiate(2), Answer(1),
        Hangup(2, b"a\r\nX: y"), Renegotiate(2, b"v=0"), Renegotiate(2, b"v=0", b"a/b\n"),
        Dial(leg=1, flow=None, uri=b"sip:a", from_user=b""),  # type: ignore[arg-type]
        Dial(leg=8, flow=None, uri=b"sip:a", from_user=b""),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_commands_that_the_state_does_not_allow(command: Any) -> None:
    net = talking()
    with pytest.raises(LocalProtocolError):
        net.exchange.perform(command, net.world.now_ns)
    assert net.exchange.endpoint.drain() == ([], [])
    net.world.perform(net.exchange, Hangup(1))
    net.finish()


@pytest.mark.parametrize("command", [Ring(2, 100), Ring(2, 200), Reject(2, 200), Hangup(2)])
def test_commands_that_an_unanswered_caller_does_not_allow(command: Any) -> None:
    net = Net(Wire(5), buyers=(Buyer(None),))
    net.call()
    net.world.run(S)
    with pytest.raises(LocalProtocolError):
        net.exchange.perform(command, net.world.now_ns)
    net.world.perform(net.exchange, Reject(2, 480))
    net.world.perform(net.exchange, Cancel(1))
    net.finish()


@pytest.mark.parametrize(
    "command",
    [Trying(2), Ring(2, 180), Answer(2), Reject(2, 480), Cancel(1), Hangup(1), Join(1, 2),
     Renegotiate(1, b"v=0", SDP)],
)  # fmt: skip
def test_commands_for_a_leg_that_is_gone_are_late(command: Any) -> None:
    net = talking()
    net.world.perform(net.exchange, Hangup(1))
    net.finish()
    net.world.perform(net.exchange, command)
    assert net.exchange.endpoint.statistics()["late_commands"] == 1
    assert net.exchange.endpoint.drain() == ([], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"uri": b"sip:a\r\nX: y"}, {"from_display": b"a\r\nX: y"}, {"from_uri": b"sip:a\n"},
        {"asserted": b"<sip:a>\r\nX: y"}, {"extra": ((b"X-A", b"1\r\nX: y"),)},
        {"extra": ((b"X-A: 1\r\nX", b"y"),)}, {"body": b"v=0"},
        {"body": b"v=0", "content_type": b"a/b\r\nX: y"}, {"to_uri": b"sip:a\0"},
        {"routes": (b"<sip:r;lr>",) * 17},
    ],
)  # fmt: skip
def test_no_value_of_a_dial_breaks_a_line(fields: dict[str, Any]) -> None:
    endpoint = Endpoint(b"0" * 16)
    fields = {"uri": b"sip:b", "from_user": b"a"} | fields
    flow = talking().world.flow(US, BUYER)
    with pytest.raises(LocalProtocolError):
        endpoint.perform(Dial(leg=1, flow=flow, **fields), 1)
    assert endpoint.drain() == ([], [])
    assert endpoint.statistics()["legs"] == 0


def test_user_part_and_display_name_are_escaped() -> None:
    endpoint = Endpoint(b"0" * 16)
    flow = talking().world.flow(US, BUYER)
    dial = Dial(leg=1, flow=flow, uri=b"sip:b", from_user=b'a@"\r\n', from_display=b'say "hi"')
    endpoint.perform(dial, 1)
    data = endpoint.drain()[0][1]
    assert isinstance(data, bytes)
    assert b'\r\nFrom: "say \\"hi\\"" <sip:a%40%22%0D%0A@192.0.2.1>;tag=' in data


def test_every_leg_of_a_busy_evening_is_released_once() -> None:
    net = Net(Wire(6, loss=0.1), Caller(talk_ns=3 * S), (Buyer(reject=486), Buyer(ring_ns=S)))
    for leg in range(1, 61, 2):
        net.call(leg)
    net.finish()
    assert len(net.exchange.seen(LegReleased)) == len(set(net.desk.released))
