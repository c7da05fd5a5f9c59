"""The clock jumps forward by an hour: what is due is done once, and nothing is sent twice."""

from collections.abc import Callable

import pytest

from sip.message import Message
from sip.signals import Cancel, Flow, Hangup, LegAcked, LegAnswered, LegFailed, Reject
from tests.sim.net import BUYER, Net
from tests.sim.phones import Buyer
from tests.sim.script import Script, answering, reply
from tests.sim.wire import MS, S, Wire

HOUR = 3_600 * S


def silent() -> Net:
    """Our INVITE is unanswered: A and B are armed."""
    net = Net(Wire(1), buyers=(Script("buyer", BUYER),))
    net.call()
    net.world.run_until(lambda: "INVITE" in net.world.lines("exchange", "buyer"))
    return net


def ringing() -> Net:
    """It rings: the 180 is repeated every minute."""
    net = Net(Wire(2), buyers=(Buyer(None),))
    net.call()
    net.world.run(S)
    return net


def canceled() -> Net:
    """Our CANCEL is unanswered, and so is the INVITE."""

    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE":
            script.send(flow, reply(message, 180, b"t1"))

    net = Net(Wire(3), buyers=(Script("buyer", BUYER, react),))
    net.call()
    net.world.run(300 * MS)
    net.world.perform(net.exchange, Cancel(1))
    return net


def unacknowledged() -> Net:
    """Our 200 waits for its ACK."""
    net = Net(Wire(4))
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAnswered))
    net.world.kill(net.alice)
    net.world.run(10 * MS)
    return net


def rejected() -> Net:
    """Our 486 waits for its ACK: G and H are armed."""
    net = Net(Wire(5), buyers=(Buyer(None),))
    net.call()
    net.world.run(S)
    net.world.kill(net.alice)
    net.world.perform(net.exchange, Reject(2, 486))
    return net


def parting() -> Net:
    """Our BYE is unanswered: E and F are armed."""
    buyer = Script("buyer", BUYER, answering())
    net = Net(Wire(6), buyers=(buyer,))
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    net.world.kill(buyer)
    net.world.perform(net.exchange, Hangup(1))
    return net


CASES = [silent, ringing, canceled, unacknowledged, rejected, parting]


@pytest.mark.parametrize("made", CASES)
def test_nothing_is_sent_twice(made: Callable[[], Net]) -> None:
    net = made()
    endpoint = net.exchange.endpoint
    now_ns = net.world.now_ns + HOUR
    endpoint.expire(now_ns)
    sends, notices = endpoint.drain()
    data = [bytes(each) for each in sends[1::2]]  # type: ignore[arg-type]
    assert len(data) == len(set(data)), data
    assert len(notices) == len(set(map(repr, notices)))
    due_ns = endpoint.deadline()
    assert due_ns is None or due_ns > now_ns  # no backlog is worked off
    endpoint.expire(now_ns)
    assert endpoint.drain() == ([], [])


def test_an_unanswered_invite_is_given_up_once() -> None:
    net = silent()
    net.world.now_ns += HOUR
    net.world.run()
    assert len(net.exchange.seen(LegFailed)) == 1
    assert net.world.lines("exchange", "buyer").count("INVITE") == 2
