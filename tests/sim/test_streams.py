"""X12: the stream dies before 1xx, after 18x, after the answer, after a BYE; datagrams refused."""

import pytest
from msgspec.structs import replace

from sip.signals import (
    By,
    CallCanceled,
    Cause,
    Dial,
    Flow,
    FlowLost,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
)
from tests.sim.net import ALICE, BUYER, TRANSPORTS, US, Net
from tests.sim.phones import Buyer, Caller
from tests.sim.script import Script, answering, invite
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


def reinvite(alice: Script, net: Net, flow: Flow, tag: bytes) -> None:
    """A re-INVITE of the caller on a flow, answered by the buyer."""
    alice.send(flow, invite(alice.address, US, b"z9hG4bKre", cseq=b"2", to_tag=tag, body=b"v=2"))
    net.world.flush(alice)
    net.world.run(S // 20)


def test_reinvite_on_a_new_connection_moves_the_leg() -> None:
    net = Net(Wire(8), buyers=(Script("buyer", BUYER, answering()),), transport="TCP")
    alice = net.world.add(Script("script", ("192.0.2.11", 5060)))
    old = net.world.flow(alice.address, US)
    alice.send(old, invite(alice.address, US, body=b"v=0"))
    net.world.flush(alice)
    net.world.run_until(lambda: 200 in alice.statuses())
    tag = alice.messages[-1].to_tag
    alice.send(old, invite(alice.address, US, b"z9hG4bKack", method=b"ACK", to_tag=tag))
    net.world.flush(alice)
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    reinvite(alice, net, replace(old, generation=9), tag)
    core = net.exchange.endpoint.core
    assert core.legs[2].flow.generation == 9
    lost = net.world.flow(US, alice.address)
    net.world.perform(net.exchange, FlowLost(lost))  # the old connection: nobody is on it
    assert not net.desk.ends
    net.world.perform(net.exchange, FlowLost(replace(lost, generation=9)))
    assert net.desk.ends == [(2, By.TRANSPORT), (1, By.LOCAL)]
    net.finish()


def test_a_reinvite_over_another_transport_takes_via_and_contact_along() -> None:
    net = Net(Wire(9))
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    leg = net.exchange.endpoint.core.legs[2]
    net.exchange.endpoint.core.place(leg, Flow("TCP", *ALICE, *US, 1, 3))
    assert b"SIP/2.0/TCP" in leg.local.via_head
    assert b";transport=tcp" in leg.local.contact_line
    assert list(net.exchange.endpoint.core.streams) == [ALICE]
    net.exchange.endpoint.core.place(leg, net.world.flow(US, ALICE))
    net.world.perform(net.alice, Hangup(1))
    net.finish()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_lost_address_concerns_only_what_waits_for_it(transport: str) -> None:
    net = Net(Wire(10), buyers=(Script("buyer", BUYER),), transport=transport)
    core = net.exchange.endpoint.core
    for leg in range(101, 301, 2):
        flow = net.world.flow(US, ("192.0.2.99", leg))
        net.exchange.perform(Dial(leg=leg, flow=flow, uri=b"sip:b@b", from_user=b"a"), 1)
    assert len(core.waiting) == 100
    assert len(core.streams) == (100 if transport == "TCP" else 0)
    for lost in ([133], []):  # the second time nothing is left there
        net.exchange.perform(FlowLost(net.world.flow(US, ("192.0.2.99", 133))), 2)
        failed = [n for n in net.exchange.endpoint.drain()[1] if isinstance(n, LegFailed)]
        assert [n.leg for n in failed] == lost
        assert (len(core.waiting), len(core.legs)) == (99, 99)
