"""X12: the stream dies before 1xx, after 18x, after the answer, after a BYE; datagrams refused."""

import pytest

from sip.signals import (
    By,
    CallCanceled,
    Cause,
    Flow,
    FlowLost,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
)
from tests.sim.net import ALICE, BUYER, US, Net
from tests.sim.phones import Buyer, Caller
from tests.sim.script import Script
from tests.sim.wire import S, Wire


def test_buyers_stream_dies_before_a_1xx() -> None:
    net = Net(Wire(1), Caller(talk_ns=S), (Script("buyer", BUYER), Buyer()), "TCP")
    net.call()
    net.world.run(S)
    net.world.perform(net.exchange, FlowLost(net.world.flow(US, BUYER)))
    net.finish()
    failed = net.exchange.seen(LegFailed)[0]
    assert (failed.status, failed.cause) == (503, Cause.TRANSPORT)
    assert net.alice.seen(LegAnswered)  # by the second buyer


def test_buyers_stream_dies_after_18x() -> None:
    net = Net(Wire(2), Caller(talk_ns=S), (Buyer(None), Buyer()), "TCP")
    net.call()
    net.world.run_until(lambda: net.alice.seen(LegProgress))
    net.world.run(S)
    net.world.kill(net.buyer)
    net.world.perform(net.exchange, FlowLost(net.world.flow(US, BUYER)))
    net.finish()
    assert net.exchange.seen(LegFailed)[0].cause == Cause.TRANSPORT
    assert net.alice.seen(LegAnswered)


@pytest.mark.parametrize("dies", ["alice", "buyer"])
def test_stream_dies_in_the_call(dies: str) -> None:
    net = Net(Wire(3), transport="TCP")
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    net.world.run(S)
    party = getattr(net, dies)
    net.world.cut(party, net.exchange)
    net.finish()
    leg, other = (2, 1) if dies == "alice" else (1, 2)
    assert net.desk.ends == [(leg, By.TRANSPORT), (other, By.LOCAL)]
    assert party.seen(LegEnded)[0].by == By.TRANSPORT


def test_stream_dies_between_bye_and_its_answer() -> None:
    net = Net(Wire(4), transport="TCP")
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    net.world.run(S)
    net.world.kill(net.buyer)
    net.world.perform(net.alice, Hangup(1))
    net.world.run_until(lambda: "BYE" in net.world.lines("exchange", "buyer"))
    net.world.perform(net.exchange, FlowLost(net.world.flow(US, BUYER)))
    net.finish()
    assert len(net.desk.ends) == 2


def test_callers_stream_dies_before_the_answer() -> None:
    net = Net(Wire(5), buyers=(Buyer(ring_ns=9 * S),), transport="TCP")
    net.call()
    net.world.run_until(lambda: net.alice.seen(LegProgress))
    net.world.kill(net.alice)
    lost = net.world.flow(US, ALICE)
    net.world.perform(net.exchange, FlowLost(lost))
    assert not net.exchange.seen(CallCanceled)  # a new connection may still reach it
    again = Flow("TCP", *ALICE, *US)
    net.world.perform(net.exchange, FlowLost(again))
    net.finish()
    assert len(net.exchange.seen(CallCanceled)) == 1


def test_refused_datagram_fails_over_at_once() -> None:
    net = Net(Wire(6), Caller(talk_ns=S), (Script("buyer", BUYER), Buyer()))
    net.call()
    net.world.run_until(lambda: "INVITE" in net.world.lines("exchange", "buyer"))
    net.world.perform(net.exchange, FlowLost(net.world.flow(US, BUYER)))
    net.finish()
    assert net.world.lines("exchange", "buyer") == ["INVITE"]
    assert net.exchange.seen(LegFailed)[0].status == 503
    assert net.alice.seen(LegAnswered)


def test_refused_datagram_leaves_calls_alone() -> None:
    net = Net(Wire(7))
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    net.world.perform(net.exchange, FlowLost(net.world.flow(US, BUYER)))
    net.world.run(S)
    assert not net.desk.ends
    net.world.perform(net.alice, Hangup(1))
    net.finish()


