"""A buyer changes its session before the caller's ACK: held behind a 100, then passed on whole."""

import pytest

from sip.signals import (
    Answer,
    By,
    CallCanceled,
    Flow,
    Hangup,
    Join,
    LegAnswered,
    LegReleased,
    Notice,
)
from tests.sim.net import BUYER, TRANSPORTS, US, Net
from tests.sim.phones import Exchange
from tests.sim.script import Script, answering, contact, invite, reply
from tests.sim.wire import MS, S, Wire

ALICE = ("192.0.2.11", 5060)
MOVED = b"v=moved"


class LateJoin(Exchange):
    """A desk that joins only once the call's record is durable; never: not even then."""

    def LegAnswered(self, notice: LegAnswered, now_ns: int) -> None:
        caller = self.caller_of[notice.leg]
        self.answered.add(caller)
        if self.durable_ns:
            self.later(now_ns + self.durable_ns, Join(caller, notice.leg))
            answer = Answer(caller, 0, notice.body, notice.content_type)
            self.later(now_ns + self.durable_ns, answer)

    def CallCanceled(self, notice: Notice, _now_ns: int) -> None:
        self.say(Hangup(self.buyer_of[notice.leg]))


class Early:
    """A call whose buyer has answered and whose caller has not acknowledged.

    durable_ns: how long the desk waits with Join and Answer; 0: Join and Answer come at once.
    """

    def __init__(self, transport: str = "UDP", durable_ns: int = 0, joins: bool = True) -> None:
        self.alice = Script("script", ALICE)
        self.buyer = Script("buyer", BUYER, answering())
        self.net = net = Net(Wire(1), buyers=(self.buyer,), transport=transport)
        if durable_ns or not joins:
            net.desk = net.exchange.desk = LateJoin(net.desk.buyers, durable_ns)
        net.world.add(self.alice)
        self.to_us = net.world.flow(ALICE, US)
        self.back = net.world.flow(BUYER, US)
        self.tell(self.alice, self.to_us, invite(ALICE, US, body=b"v=0"))
        net.world.run_until(lambda: self.buyer.got(b"ACK"))

    def tell(self, script: Script, flow: Flow, data: bytes, run_ns: int = 0) -> None:
        """Let a script send, and the clock run on."""
        script.send(flow, data)
        self.net.world.flush(script)
        self.net.world.run(run_ns)

    def from_buyer(self, method: bytes, cseq: bytes, branch: bytes, run_ns: int = 50 * MS) -> None:
        """A request of the buyer within the dialog; a re-INVITE moves it to another contact."""
        first = self.buyer.got(b"INVITE")[0]
        data = invite(BUYER, US, branch, method=method, call_id=first.call_id, cseq=cseq,
                      tag=b"t1", to_tag=first.from_tag,
                      body=MOVED if method == b"INVITE" else b"")  # fmt: skip
        data = data.replace(b"Contact: <sip:alice@", b"Contact: <sip:moved@")
        self.tell(self.buyer, self.back, data, run_ns)

    def acknowledge(self) -> None:
        """The caller's ACK of our 200."""
        self.net.world.run_until(lambda: 200 in self.alice.statuses())
        tag = next(m.to_tag for m in self.alice.messages if m.status == 200)
        ack = invite(ALICE, US, b"z9hG4bKack", method=b"ACK", to_tag=tag)
        self.tell(self.alice, self.to_us, ack, 50 * MS)

    def statuses(self) -> list[int]:
        """What the buyer's re-INVITE drew."""
        return [m.status for m in self.buyer.messages if not m.is_request]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("durable_ns", [0, 300 * MS])
def test_held_until_the_callers_ack_and_passed_on_whole(transport: str, durable_ns: int) -> None:
    call = Early(transport, durable_ns)
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    assert call.statuses() == [100]
    assert not call.alice.got(b"INVITE")
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")  # a copy draws the 100 again, nothing more
    assert set(call.statuses()) == {100}
    call.acknowledge()
    relayed = call.alice.got(b"INVITE")
    assert [m.body for m in relayed] == [MOVED]
    ok = reply(relayed[0], 200, body=b"v=new", extra=contact(ALICE))
    call.tell(call.alice, call.to_us, ok, 50 * MS)
    assert call.statuses()[-1] == 200
    assert call.buyer.messages[-1].body == b"v=new"
    assert len(call.alice.got(b"ACK")) == 1
    call.from_buyer(b"ACK", b"7", b"z9hG4bKb2")
    call.net.world.perform(call.net.exchange, Hangup(2))
    call.net.finish()
    assert call.buyer.got(b"BYE")[0].uri.startswith(b"sip:moved@")


def test_join_after_the_ack_passes_it_on_too() -> None:
    call = Early(joins=False)
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    call.net.world.perform(call.net.exchange, Answer(2, 0, b"v=0", b"application/sdp"))
    call.acknowledge()
    assert not call.alice.got(b"INVITE")
    call.net.world.perform(call.net.exchange, Join(2, 1))
    call.net.world.run(50 * MS)
    assert call.alice.got(b"INVITE")[0].body == MOVED
    call.net.world.perform(call.net.exchange, Hangup(2))
    call.net.finish()


@pytest.mark.parametrize("durable_ns", [0, 300 * MS])
def test_canceled_while_it_is_held(durable_ns: int) -> None:
    call = Early(durable_ns=durable_ns)
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    call.from_buyer(b"CANCEL", b"7", b"z9hG4bKb")
    assert call.statuses() == [100, 200, 487]
    call.from_buyer(b"ACK", b"7", b"z9hG4bKb")
    call.acknowledge()
    assert not call.alice.got(b"INVITE")
    call.net.world.perform(call.net.exchange, Hangup(2))
    call.net.finish()


def test_a_second_one_while_it_is_held_is_500() -> None:
    call = Early()
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    call.from_buyer(b"INVITE", b"8", b"z9hG4bKc")
    assert call.statuses() == [100, 500]
    call.net.world.perform(call.net.exchange, Hangup(2))
    call.net.finish()


def test_bye_while_it_is_held_refuses_it_and_ends_the_call() -> None:
    call = Early()
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    call.from_buyer(b"BYE", b"8", b"z9hG4bKc")
    assert sorted(call.statuses()) == [100, 200, 487]
    call.from_buyer(b"ACK", b"7", b"z9hG4bKb")
    call.acknowledge()
    call.net.finish()
    assert not call.alice.got(b"INVITE")
    assert len(call.alice.got(b"BYE")) > 0
    assert call.net.desk.ends[0] == (1, By.REMOTE)


def test_a_caller_that_never_acknowledges_takes_it_along() -> None:
    call = Early()
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    call.net.finish()
    assert call.net.desk.ends == [(2, By.NO_ACK), (1, By.LOCAL)]
    assert 487 in call.statuses()


def test_a_caller_that_cancels_takes_it_along() -> None:
    call = Early(durable_ns=300 * MS)
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb")
    cancel = invite(ALICE, US, method=b"CANCEL")
    call.tell(call.alice, call.to_us, cancel, 50 * MS)
    assert call.net.exchange.seen(CallCanceled)
    assert 487 in call.statuses()
    call.net.desk.agenda.clear()
    call.net.finish()


def test_a_call_that_is_never_joined_gets_491_after_a_while() -> None:
    call = Early(joins=False)
    call.from_buyer(b"INVITE", b"7", b"z9hG4bKb", run_ns=31 * S)
    assert call.statuses() == [100]
    call.net.world.run(2 * S)
    assert call.statuses()[1] == 491
    assert not call.net.exchange.seen(LegReleased)
    call.from_buyer(b"ACK", b"7", b"z9hG4bKb")
    call.net.world.perform(call.net.exchange, Hangup(1))
    call.tell(call.alice, call.to_us, invite(ALICE, US, method=b"CANCEL"))
    call.net.desk.buyer_of.clear()
    call.net.desk.CallCanceled = lambda *_: None  # type: ignore[method-assign]
    call.net.finish()
