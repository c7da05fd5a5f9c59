"""A caller that never acknowledges, hangs up before it does, or loses its connection (rule 28)."""

from typing import Any

import pytest

from exchange.states import CONFIRMING, ENDING
from sip.message import Message
from sip.signals import Flow
from tests.exchange.trading import CALLER, MICROS, NUMBER, PATH_SEEDS, US, Floor, document, rough
from tests.sim.phones import OFFER, Buyer
from tests.sim.script import Script, invite
from tests.sim.wire import S, Wire, seeds
from vocabulary.facts import AnswerSent, CallClosed, Disposition, Party

DEAF = ("192.0.2.11", 5060)
NETWORKS = ("192.0.2.10/31",)


class Raw:
    """A floor whose caller is a script; `react` sees every message that comes to it."""

    def __init__(
        self, wire: Wire, react: Any = None, body: bytes = OFFER, **changes: Any
    ) -> None:
        self.body = body
        plan = document(1, networks=NETWORKS, **changes)
        self.floor = Floor([Buyer(talk_ns=None)], plan=plan, wire=wire)
        self.script = Script("raw", DEAF, react)
        self.floor.world.add(self.script)
        self.flow = self.floor.world.flow(DEAF, US)

    def call(self) -> None:
        """One INVITE to the plan's number."""
        uri = b"sip:%b@192.0.2.1" % NUMBER
        self.script.send(self.flow, invite(DEAF, US, uri=uri, body=self.body))
        self.floor.world.flush(self.script)

    def answered(self) -> bool:
        """Whether our 200 arrived, or the call ended without."""
        return 200 in self.script.statuses() or bool(self.floor.exchange.of(CallClosed))

    def run(self) -> CallClosed:
        """To the end; the script answers no BYE, so 64·T1 may pass twice."""
        return self.floor.run()


def test_a_200_that_nobody_acknowledges_is_never_charged() -> None:
    met = 0
    for seed in seeds(PATH_SEEDS):
        raw = Raw(rough(seed), campaign={"terms": {"qualify_s": 0}})
        raw.call()
        raw.floor.settle()
        if not raw.floor.exchange.of(AnswerSent):
            continue  # the INVITE was lost, and a script does not send it again
        met += 1
        closed = raw.floor.exchange.closed()
        assert closed.disposition == Disposition.NO_ACK
        assert (closed.connected_ns, closed.revenue_micros, closed.postings) == (0, 0, ())
        assert closed.hangup == Party.EXCHANGE
        assert closed.ended_us - closed.answered_us >= 32_000_000
        assert raw.floor.world.lines("exchange", "raw").count("200") >= 10
        assert "BYE" in raw.floor.world.lines("exchange", "buyer0")
    assert met >= 0.7 * len(seeds(PATH_SEEDS))


def test_an_offerless_200_that_nobody_acknowledges() -> None:
    raw = Raw(Wire(4), body=b"")
    raw.call()
    closed = raw.run()
    assert (closed.disposition, closed.revenue_micros) == (Disposition.NO_ACK, 0)


def test_buyer_gone_and_never_acknowledged() -> None:
    raw = Raw(Wire(1))
    raw.floor.buyers[0].desk.talk_ns = 12 * S
    raw.call()
    raw.floor.world.run_until(lambda: states(raw.floor) == [CONFIRMING])
    raw.floor.world.run_until(lambda: states(raw.floor) == [ENDING])
    closed = raw.run()
    assert (closed.disposition, closed.revenue_micros) == (Disposition.NO_ACK, 0)
    assert closed.hangup == Party.BUYER


def states(floor: Floor) -> list[int]:
    """States of the live calls."""
    return [call.state for call in floor.exchange.desk.calls.values()]


@pytest.mark.parametrize("buyer_first", [False, True])
def test_bye_before_the_ack_is_charged_like_any_other(buyer_first: bool) -> None:
    raw = Raw(Wire(2))
    if buyer_first:
        raw.floor.buyers[0].desk.talk_ns = 15 * S
    raw.call()
    raw.floor.world.run_until(raw.answered)
    raw.floor.world.run(20 * S)
    tag = next(m.to_tag for m in raw.script.messages if m.status == 200)
    bye = invite(DEAF, US, b"z9hG4bKbye", method=b"BYE", cseq=b"2", to_tag=tag)
    raw.script.send(raw.flow, bye)
    raw.floor.world.flush(raw.script)
    closed = raw.run()
    assert closed.disposition == Disposition.COMPLETED
    assert closed.revenue_micros == 10 * MICROS
    assert closed.hangup == (Party.BUYER if buyer_first else Party.CALLER)
    assert closed.connected_ns // S in ((14, 15) if buyer_first else (19, 20))


def test_the_ack_after_the_buyers_bye_settles() -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"BYE":
            raise AssertionError("no BYE is due before the ACK")

    raw = Raw(Wire(3), react)
    raw.floor.buyers[0].desk.talk_ns = 12 * S
    raw.call()
    raw.floor.world.run_until(lambda: states(raw.floor) == [CONFIRMING])
    raw.floor.world.run_until(lambda: states(raw.floor) == [ENDING])
    raw.floor.world.run(10 * S)
    raw.script.react = None
    tag = next(m.to_tag for m in raw.script.messages if m.status == 200)
    ack = invite(DEAF, US, b"z9hG4bKack", method=b"ACK", cseq=b"1", to_tag=tag)
    raw.script.send(raw.flow, ack)
    raw.floor.world.flush(raw.script)
    closed = raw.run()
    assert (closed.disposition, closed.hangup) == (Disposition.COMPLETED, Party.BUYER)
    assert closed.connected_ns // S in (11, 12)
    assert closed.revenue_micros == 10 * MICROS


@pytest.mark.parametrize("buyer_first", [False, True])
def test_a_connection_lost_before_the_ack_charges_nobody(buyer_first: bool) -> None:
    plan = document(1, "TCP", campaign={"terms": {"qualify_s": 0}})
    floor = Floor([Buyer(talk_ns=5 * S if buyer_first else None)], plan=plan, transport="TCP")
    floor.call()
    floor.world.run_until(lambda: states(floor) == [CONFIRMING])
    floor.world.kill(floor.caller)  # its ACK never leaves
    if buyer_first:
        floor.world.run_until(lambda: states(floor) == [ENDING])
    floor.world.cut(floor.caller, floor.party)
    closed = floor.run()
    assert (closed.disposition, closed.revenue_micros) == (Disposition.NO_ACK, 0)
    assert closed.connected_ns == 0


def test_a_connection_lost_in_the_call_is_charged_up_to_then() -> None:
    floor = Floor([Buyer()], transport="TCP")
    floor.call()
    floor.world.run(20 * S)
    floor.world.kill(floor.buyers[0])
    floor.world.cut(floor.buyers[0], floor.party)
    closed = floor.run()
    assert (closed.disposition, closed.hangup) == (Disposition.COMPLETED, Party.BUYER)
    assert closed.revenue_micros == 10 * MICROS


def test_an_unknown_source_gets_one_datagram() -> None:
    floor = Floor([Buyer()], plan=document(1, networks=("192.0.2.99/32",)))
    stranger = Script("stranger", CALLER)
    floor.world.parties[CALLER] = stranger
    flow = floor.world.flow(CALLER, US)
    for _ in range(3):
        stranger.send(flow, invite(CALLER, US, uri=b"sip:%b@192.0.2.1" % NUMBER))
        floor.world.flush(stranger)
        floor.world.run(40 * S)
    assert stranger.statuses() == [403, 403, 403]
    floor.settle()
    assert floor.exchange.desk.counters["calls_unknown_source"] == 3
    assert not floor.exchange.of(CallClosed)


def test_a_crash_before_the_ack_charges_to_the_buyers_bye() -> None:
    raw = Raw(Wire(5))
    raw.floor.buyers[0].desk.talk_ns = 5 * S
    raw.call()
    raw.floor.world.run_until(lambda: states(raw.floor) == [CONFIRMING])
    raw.floor.world.run_until(lambda: states(raw.floor) == [ENDING])
    raw.floor.world.run(15 * S)
    raw.floor.exchange.beat(raw.floor.world.now_ns)
    (closed,) = raw.floor.exchange.replayed().close_open(raw.floor.world.now_ns)
    assert closed.connected_ns <= 6 * S
    assert closed.revenue_micros == 0
