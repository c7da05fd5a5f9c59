"""Within a bridged call: hold by re-INVITE both ways, glare, overlap, INFO, OPTIONS, refusals."""

import random

import pytest

from sip.message import Message
from sip.signals import (
    By,
    Flow,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegReleased,
    Renegotiate,
    Renegotiated,
)
from tests.sim.net import BUYER, TRANSPORTS, US, Net
from tests.sim.phones import ANSWER, SDP, Caller
from tests.sim.script import Script, answering, contact, invite, reply
from tests.sim.wire import MS, S, Wire, seeds

HOLD, RESUME = b"v=hold", b"v=resume"


def connected(net: Net) -> None:
    """Alice calls; run until the call stands on all sides."""
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegAcked))
    net.world.run(S)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("who", "leg"), [("alice", 1), ("buyer", 2)])
def test_hold_and_resume(transport: str, who: str, leg: int) -> None:
    net = Net(Wire(1), transport=transport)
    connected(net)
    party = getattr(net, who)
    other = "buyer" if who == "alice" else "alice"
    for body in (HOLD, RESUME):
        net.world.perform(party, Renegotiate(leg, body, SDP))
        net.world.run(S)
    statuses = [n.status for n in party.seen(Renegotiated)]
    assert statuses == [200, 200]
    assert net.world.lines("exchange", other)[-4:] == ["INVITE", "ACK", "INVITE", "ACK"]
    net.world.perform(party, Hangup(leg))
    net.finish()


def test_bodies_pass_both_ways() -> None:
    buyer = Script("buyer", BUYER, answering())
    net = Net(Wire(2), buyers=(buyer,))
    connected(net)
    net.world.perform(net.alice, Renegotiate(1, HOLD, SDP))
    net.world.run(S)
    assert buyer.got(b"INVITE")[-1].body == HOLD
    assert net.alice.seen(Renegotiated)[0].body == ANSWER
    assert buyer.got(b"ACK")[-1].cseq == 2
    net.world.perform(net.alice, Hangup(1))
    net.finish()


def test_offerless_reinvite_carries_the_answer_in_the_ack() -> None:
    buyer = Script("buyer", BUYER, answering(body=b"v=offer"))
    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, buyer)
    request(alice, flow, net, b"INVITE", b"2", b"z9hG4bKre")
    assert buyer.got(b"INVITE")[-1].body == b""
    assert len(buyer.got(b"ACK")) == 1  # the one of the call; the new one is held
    assert alice.messages[-1].body == b"v=offer"
    request(alice, flow, net, b"ACK", b"2", b"z9hG4bKre2", b"v=answer")
    assert buyer.got(b"ACK")[-1].body == b"v=answer"
    hang_up(net)


def scripted(alice: Script, buyer: Script) -> tuple[Net, Flow]:
    """A call between two scripts; the script of the caller has the INVITE's 200 in messages."""
    net = Net(Wire(3), buyers=(buyer,))
    net.world.add(alice)
    flow = net.world.flow(alice.address, US)
    alice.send(flow, invite(alice.address, US, body=b"v=0"))
    net.world.flush(alice)
    net.world.run_until(lambda: 200 in alice.statuses())
    request(alice, flow, net, b"ACK", b"1", b"z9hG4bKack")
    return net, flow


def request(
    alice: Script, flow: Flow, net: Net, method: bytes, cseq: bytes, branch: bytes,
    body: bytes = b"", extra: bytes = b"", run_ns: int = S,
) -> None:  # fmt: skip
    """Send a request within the dialog and let it be answered."""
    tag = next(m.to_tag for m in alice.messages if m.status == 200)
    data = invite(alice.address, US, branch, method=method, cseq=cseq, to_tag=tag, body=body,
                  extra=extra)  # fmt: skip
    alice.send(flow, data)
    net.world.flush(alice)
    net.world.run(run_ns)


def hang_up(net: Net) -> None:
    """End the call from our side; the scripts answer nothing, so it takes 64·T1."""
    net.world.perform(net.exchange, Hangup(2))
    net.finish()


def test_refusals_within_a_dialog() -> None:
    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, Script("buyer", BUYER, answering()))
    cseq = 2
    for method, status in (
        (b"UPDATE", 405), (b"PRACK", 405), (b"REFER", 405), (b"NOTIFY", 405),
        (b"SUBSCRIBE", 405), (b"MESSAGE", 405), (b"PUBLISH", 405), (b"REGISTER", 405),
        (b"FETCH", 501), (b"INFO", 200), (b"OPTIONS", 200),
    ):  # fmt: skip
        request(alice, flow, net, method, b"%d" % cseq, b"z9hG4bK%d" % cseq)
        assert alice.statuses()[-1] == status, method
        assert (b"\r\nAllow: INVITE, " in alice.messages[-1].data) == (method != b"INFO")
        cseq += 1
    request(alice, flow, net, b"INFO", b"3", b"z9hG4bKlow")
    assert alice.statuses()[-1] == 500  # CSeq went back
    request(alice, flow, net, b"INFO", b"90", b"z9hG4bKreq", extra=b"Require: timer, 100rel\r\n")
    assert alice.statuses()[-1] == 420
    assert alice.messages[-1].value(26) == b"timer, 100rel"
    hang_up(net)


def test_info_and_options_are_passed_on() -> None:
    buyer = Script("buyer", BUYER, answering())
    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, buyer)
    request(alice, flow, net, b"INFO", b"2", b"z9hG4bK2", b"Signal=5")
    request(alice, flow, net, b"OPTIONS", b"3", b"z9hG4bK3")
    assert buyer.got(b"INFO")[0].body == b"Signal=5"
    assert len(buyer.got(b"OPTIONS")) == 1
    request(alice, flow, net, b"INFO", b"2", b"z9hG4bK2", b"Signal=5")  # a copy: absorbed
    assert len(buyer.got(b"INFO")) == 1
    assert alice.statuses()[-3:] == [200, 200, 200]
    hang_up(net)


def test_unanswered_info_ends_the_call_and_is_never_408() -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name != b"INFO":
            answering()(script, message, flow)

    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, Script("buyer", BUYER, react))
    request(alice, flow, net, b"INFO", b"2", b"z9hG4bK2", b"Signal=5")
    net.finish()
    assert net.world.lines("exchange", "buyer").count("INFO") == 11
    assert 408 not in alice.statuses()
    assert net.desk.ends == [(1, By.TIMEOUT), (2, By.LOCAL)]


@pytest.mark.parametrize("status", [401, 408, 481, 488, 491, 503])
def test_a_refused_reinvite_leaves_the_session_or_ends_a_dead_dialog(status: int) -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.is_request and message.cseq == 2 and message.method_name == b"INVITE":
            script.send(flow, reply(message, status, extra=b"Retry-After: 7\r\n"))
        else:
            answering()(script, message, flow)

    net = Net(Wire(5), buyers=(Script("buyer", BUYER, react),))
    connected(net)
    net.world.perform(net.alice, Renegotiate(1, HOLD, SDP))
    net.world.run(S)
    assert [n.status for n in net.alice.seen(Renegotiated)] == [488 if status == 401 else status]
    if status in (408, 481):
        assert net.alice.seen(LegEnded)
    else:
        assert not net.alice.seen(LegEnded)
        net.world.perform(net.alice, Hangup(1))
    net.finish()


def test_overlap_is_500_with_retry_after_and_glare_491() -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE" and message.cseq == 2:
            script.send(flow, reply(message, 180))  # and nothing more
        else:
            answering()(script, message, flow)

    buyer = Script("buyer", BUYER, react)
    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, buyer)
    request(alice, flow, net, b"INVITE", b"2", b"z9hG4bK2", HOLD)
    assert alice.statuses()[-1] == 180
    request(alice, flow, net, b"INVITE", b"3", b"z9hG4bK3", HOLD)
    assert alice.statuses()[-1] == 500
    assert alice.messages[-1].value(17) == b"5"
    back = net.world.flow(BUYER, US)
    first = buyer.got(b"INVITE")[0]
    buyer.send(back, invite(BUYER, US, b"z9hG4bKb", call_id=first.call_id, cseq=b"7",
                            tag=b"t1", to_tag=first.from_tag))  # fmt: skip
    net.world.flush(buyer)
    net.world.run(S)
    assert buyer.statuses() == [491]
    hang_up(net)


def test_canceled_reinvite_is_canceled_on_the_other_leg() -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE" and message.cseq == 2:
            script.send(flow, reply(message, 180))
        elif message.method_name == b"CANCEL":
            script.send(flow, reply(message, 200))
            script.send(flow, reply(script.got(b"INVITE")[-1], 487))
        else:
            answering()(script, message, flow)

    buyer = Script("buyer", BUYER, react)
    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, buyer)
    request(alice, flow, net, b"INVITE", b"2", b"z9hG4bK2", HOLD)
    request(alice, flow, net, b"CANCEL", b"2", b"z9hG4bK2", run_ns=300 * MS)
    assert alice.statuses()[-2:] == [200, 487]
    request(alice, flow, net, b"ACK", b"2", b"z9hG4bK2", run_ns=300 * MS)
    assert not net.exchange.seen(LegEnded)  # the session before it stands
    hang_up(net)


def test_a_leg_alone_answers_for_itself() -> None:
    net = Net(Wire(8))
    alice = net.world.add(Script("script", ("192.0.2.11", 5060)))
    flow = net.world.flow(alice.address, BUYER)
    alice.send(flow, invite(alice.address, BUYER, body=b"v=0"))
    net.world.flush(alice)
    net.world.run_until(lambda: 200 in alice.statuses())
    request(alice, flow, net, b"ACK", b"1", b"z9hG4bKack")
    request(alice, flow, net, b"INVITE", b"2", b"z9hG4bK2", HOLD, run_ns=300 * MS)
    assert alice.messages[-1].body == ANSWER
    request(alice, flow, net, b"ACK", b"2", b"z9hG4bKack2")
    request(alice, flow, net, b"INFO", b"3", b"z9hG4bK3", b"Signal=5")
    request(alice, flow, net, b"OPTIONS", b"4", b"z9hG4bK4")
    assert alice.statuses()[-3:] == [200, 200, 200]
    request(alice, flow, net, b"BYE", b"5", b"z9hG4bK5")
    net.finish()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_glare_and_loss_end_in_agreement(transport: str) -> None:
    """Both sides hold at about the same time on a bad wire: at most one succeeds at a time, the
    rest is 491 or 500, and the call can still be ended."""
    for seed in seeds(100):
        chance = random.Random(seed + 7)
        wire = Wire(seed, loss=0.05, duplicate=0.05, jitter_ns=10 * MS)
        net = Net(wire, Caller(), transport=transport)
        net.call()
        net.world.run(5 * S)
        if not net.exchange.seen(LegAcked):
            net.world.kill(net.alice)
            continue
        for _ in range(3):
            for party, leg in ((net.alice, 1), (net.buyer, 2)):
                if party.seen(LegAnswered) or party.seen(LegAcked):
                    at_ns = net.world.now_ns + chance.randrange(40 * MS)
                    party.desk.later(at_ns, Renegotiate(leg, HOLD, SDP))
            net.world.run(chance.randrange(20 * S, 50 * S))
            if net.alice.seen(LegEnded) or net.buyer.seen(LegEnded):
                break
        outcomes = {n.status for p in (net.alice, net.buyer) for n in p.seen(Renegotiated)}
        assert outcomes <= {200, 408, 481, 487, 491, 500}, outcomes
        if not net.alice.seen(LegReleased):
            net.world.perform(net.alice, Hangup(1))
        net.finish()


def test_target_refresh_moves_the_remote_target() -> None:
    buyer = Script("buyer", BUYER, answering())
    alice = Script("script", ("192.0.2.11", 5060))
    net, flow = scripted(alice, buyer)
    first = buyer.got(b"INVITE")[0]
    back = net.world.flow(BUYER, US)
    again = invite(BUYER, US, b"z9hG4bKb", call_id=first.call_id, cseq=b"7", tag=b"t1",
                   to_tag=first.from_tag, body=HOLD)  # fmt: skip
    buyer.send(back, again.replace(b"Contact: <sip:alice@", b"Contact: <sip:moved@"))
    net.world.flush(buyer)
    net.world.run(50 * MS)
    relayed = alice.got(b"INVITE")[-1]
    alice.send(flow, reply(relayed, 200, body=b"v=0", extra=contact(alice.address)))
    net.world.flush(alice)
    net.world.run(50 * MS)
    hang_up(net)
    assert buyer.got(b"BYE")[0].uri.startswith(b"sip:moved@")
