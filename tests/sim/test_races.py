"""The race matrix: two things happen at once, in whatever order the seed lets them.

Each row runs SEEDS seeds (default 100) with jitter, over datagrams and streams, and ends with
zero transactions, dialogs and timers on every side (`Net.finish`).
"""

import random

import pytest

from sip.message import Message
from sip.signals import (
    By,
    CallCanceled,
    CallOffered,
    Cancel,
    Cause,
    Flow,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
    LegReleased,
    Renegotiate,
)
from tests.sim.net import BUYER, TRANSPORTS, US, Net
from tests.sim.phones import SDP, Buyer, Caller
from tests.sim.script import Script, answering, contact, invite, reply
from tests.sim.wire import MS, S, Wire, seeds

each_transport = pytest.mark.parametrize("transport", TRANSPORTS)


def jittery(seed: int) -> tuple[Wire, random.Random]:
    """A wire of 10 ± 5 ms, and chance for the instants of the race."""
    return Wire(seed, delay_ns=5 * MS, jitter_ns=10 * MS), random.Random(seed + 1_000_000)


@each_transport
def test_x1_cancel_before_any_invite_to_a_buyer(transport: str) -> None:
    for seed in seeds(100):
        wire, _chance = jittery(seed)
        net = Net(wire, transport=transport)
        net.desk.dial_next = lambda caller, now_ns, status: None  # type: ignore[method-assign]
        alice = Script("script", ("192.0.2.11", 5060))
        net.world.add(alice)
        flow = net.world.flow(alice.address, US)
        alice.send(flow, invite(alice.address, US))
        net.world.flush(alice)
        net.world.run(40 * MS)
        cancel = invite(alice.address, US, method=b"CANCEL")
        for _ in range(2):
            alice.send(flow, cancel)
        net.world.flush(alice)
        net.world.run(60 * MS)
        alice.send(flow, ack_of(alice, 487))
        net.world.flush(alice)
        net.finish()
        assert net.world.lines("exchange", "buyer") == []
        assert len(net.exchange.seen(CallCanceled)) == 1
        finals = [m.status for m in alice.messages if m.method_name == b"INVITE"]
        assert finals == [487]
        cached = [m.data for m in alice.messages if m.method_name == b"CANCEL"]
        assert len(set(cached)) == 1  # a copy of the CANCEL gets the cached 200


def ack_of(script: Script, status: int, cseq: bytes = b"1") -> bytes:
    """The ACK of a final response to `invite`: its branch for a failure, a new one for a 2xx."""
    final = next(m for m in script.messages if m.status == status and m.method_name == b"INVITE")
    branch = b"z9hG4bKa1" if status >= 300 else b"z9hG4bKack"
    return invite(
        script.address, US, branch, method=b"ACK", to_tag=final.to_tag, cseq=cseq
    )


@each_transport
@pytest.mark.parametrize("durable_ns", [0, 30 * MS])
def test_x2_cancel_crosses_the_buyers_answer(transport: str, durable_ns: int) -> None:
    crossed = 0
    for seed in seeds(100):
        wire, chance = jittery(seed)
        net = Net(wire, buyers=(Buyer(ring_ns=S),), transport=transport, durable_ns=durable_ns)
        net.call()
        net.world.run_until(lambda n=net: n.alice.seen(LegProgress))
        net.alice.desk.later(net.world.now_ns + S - 40 * MS + chance.randrange(70 * MS), Cancel(1))
        net.world.run(3 * S)
        if net.alice.seen(LegAnswered):
            net.world.perform(net.alice, Hangup(1))
        net.finish()
        to_buyer = [word for word in net.world.lines("exchange", "buyer") if word != "INVITE"]
        if net.exchange.seen(CallCanceled) and net.exchange.seen(LegAnswered):
            crossed += 1
            assert to_buyer == ["ACK", "BYE"]
            assert net.world.lines("exchange", "alice")[-2:] == ["200", "487"]
            assert not net.alice.seen(LegAnswered)
        assert to_buyer[-2:] in (["ACK", "BYE"], ["CANCEL", "ACK"], ["BYE"])
        assert len(net.exchange.seen(LegReleased)) == 2
    assert crossed or durable_ns == 0


@each_transport
def test_x3_cancel_crosses_our_answer(transport: str) -> None:
    for seed in seeds(100):
        wire, chance = jittery(seed)
        net = Net(wire, buyers=(Buyer(ring_ns=S),), transport=transport)
        alice = net.world.add(Script("script", ("192.0.2.11", 5060)))
        flow = net.world.flow(alice.address, US)
        alice.send(flow, invite(alice.address, US))
        net.world.flush(alice)
        net.world.run_until(lambda n=net: n.desk.answered)
        net.world.run(chance.randrange(10 * MS))
        alice.send(flow, invite(alice.address, US, method=b"CANCEL"))
        net.world.flush(alice)
        net.world.run(60 * MS)
        assert not net.exchange.seen(CallCanceled)  # the call stands
        alice.send(flow, ack_of(alice, 200))
        tag = alice.messages[-1].to_tag
        alice.send(flow, invite(alice.address, US, b"z9hG4bKbye", method=b"BYE", to_tag=tag,
                                cseq=b"2"))  # fmt: skip
        net.world.flush(alice)
        net.finish()
        assert alice.statuses().count(200) >= 3  # CANCEL, INVITE, BYE
        assert 487 not in alice.statuses()
        assert (2, By.REMOTE) in net.desk.ends or not net.exchange.seen(LegAcked)


@each_transport
@pytest.mark.parametrize("tags", [(b"t1", b"t2"), (b"t1", b"t2", b"t3")])
def test_x4_several_answers_of_one_invite(transport: str, tags: tuple[bytes, ...]) -> None:
    for seed in seeds(100):
        wire, _chance = jittery(seed)
        buyer = Script("buyer", BUYER, answering(tags))
        net = Net(wire, Caller(talk_ns=S), (buyer,), transport)
        net.call()
        net.finish()
        assert len(net.exchange.seen(LegAnswered)) == 1  # billed once
        acks = [m.to_tag for m in buyer.got(b"ACK")]
        byes = [m.to_tag for m in buyer.got(b"BYE")]
        assert sorted(acks) == sorted(byes) == sorted(tags)
        for tag in tags:  # each ACK before its BYE, each to its own Contact
            order = [m for m in buyer.messages if m.is_request and m.to_tag == tag]
            assert [m.method_name for m in order] in ([b"ACK", b"BYE"], [b"BYE", b"ACK"])
            assert {m.uri for m in order} == {b"sip:%b@192.0.2.20:5060" % tag}


def test_a_copy_of_the_2xx_gets_the_same_ack() -> None:
    net = Net(Wire(41), Caller(talk_ns=9 * S), (Script("buyer", BUYER, answering((b"t1", b"t1"))),))
    net.call()
    net.finish()
    acks = [m.data for m in net.buyer.got(b"ACK")]
    assert len(acks) == 2
    assert len(set(acks)) == 1


@each_transport
def test_x5_loser_answers_into_our_cancel(transport: str) -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE":
            script.send(flow, reply(message, 180, b"t1"))
            script.messages[0] = message
        elif message.method_name == b"CANCEL":  # it answers instead, and never sends 487
            script.send(flow, reply(message, 200))
            script.send(flow, reply(script.messages[0], 200, b"t1", b"v=0", contact(BUYER)))
        elif message.method_name == b"BYE":
            script.send(flow, reply(message, 200))

    for seed in seeds(100):
        wire, _chance = jittery(seed)
        buyer = Script("buyer", BUYER, react)
        net = Net(wire, Caller(talk_ns=S), (buyer, Buyer()), transport, ring_ns=2 * S)
        net.call()
        net.finish()
        assert [m.method_name for m in buyer.messages][-2:] in ([b"ACK", b"BYE"], [b"BYE", b"ACK"])
        failed = net.exchange.seen(LegFailed)
        assert [(n.status, n.cause) for n in failed] == [(200, Cause.CANCELED)]
        assert len(net.exchange.seen(LegAnswered)) == 1  # the second buyer's


@each_transport
@pytest.mark.parametrize("first", [100, 180, 200, 0])
def test_x6_cancel_before_any_1xx(transport: str, first: int) -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE":
            script.messages[0] = message
        elif message.method_name == b"CANCEL":
            script.send(flow, reply(message, 200))
            script.send(flow, reply(script.messages[0], 487, b"t1"))
        elif message.method_name == b"BYE":
            script.send(flow, reply(message, 200))

    for seed in seeds(20):
        wire, chance = jittery(seed)
        buyer = Script("buyer", BUYER, react)
        net = Net(wire, buyers=(buyer,), transport=transport)
        net.call()
        net.world.run_until(lambda b=buyer: b.messages)
        net.world.perform(net.alice, Cancel(1))
        net.world.run(chance.randrange(45 * MS, 100 * MS))
        assert "CANCEL" not in net.world.lines("exchange", "buyer")  # held until a 1xx
        if first:
            body = (b"v=0", contact(BUYER)) if first == 200 else ()
            buyer.send(net.world.flow(BUYER, US), reply(buyer.messages[0], first, b"t1", *body))
            net.world.flush(buyer)
        net.finish()
        words = [word for word in net.world.lines("exchange", "buyer") if word != "INVITE"]
        expected = {0: [], 200: ["ACK", "BYE"]}.get(first, ["CANCEL", "ACK"])
        assert words == expected
        cause = Cause.CANCELED if first else Cause.TIMEOUT
        assert [n.cause for n in net.exchange.seen(LegFailed)] == [cause]


@each_transport
def test_x7_bye_from_both_sides(transport: str) -> None:
    for seed in seeds(100):
        wire, chance = jittery(seed)
        net = Net(wire, transport=transport)
        net.call()
        net.world.run_until(lambda n=net: n.buyer.seen(LegAcked))
        net.world.run(S)
        start_ns = net.world.now_ns
        net.alice.desk.later(start_ns + chance.randrange(15 * MS), Hangup(1))
        net.buyer.desk.later(start_ns + chance.randrange(15 * MS), Hangup(2))
        net.finish()
        for name in ("alice", "buyer"):
            assert "481" not in net.world.lines("exchange", name)
            assert net.world.lines(name, "exchange").count("BYE") <= 1
        assert len(net.exchange.seen(LegEnded)) == 2
        assert len(net.exchange.seen(LegReleased)) == 2


@each_transport
def test_x8_bye_before_the_ack(transport: str) -> None:
    for seed in seeds(100):
        wire, chance = jittery(seed)
        net = Net(wire, transport=transport)
        alice = net.world.add(Script("script", ("192.0.2.11", 5060)))
        flow = net.world.flow(alice.address, US)
        alice.send(flow, invite(alice.address, US))
        net.world.flush(alice)
        net.world.run_until(lambda a=alice: 200 in a.statuses())
        net.world.run(chance.randrange(3 * S))  # some copies of the 200
        alice.send(flow, invite(alice.address, US, b"z9hG4bKbye", method=b"BYE", cseq=b"2",
                                to_tag=alice.messages[-1].to_tag))  # fmt: skip
        net.world.flush(alice)
        net.world.run(50 * MS)
        copies = alice.statuses().count(200)
        net.finish()
        assert alice.statuses().count(200) == copies  # they stopped
        assert net.desk.ends == [(2, By.REMOTE), (1, By.LOCAL)]


@each_transport
def test_x10_reinvite_crosses_bye(transport: str) -> None:
    for seed in seeds(100):
        wire, chance = jittery(seed)
        net = Net(wire, transport=transport)
        net.call()
        net.world.run_until(lambda n=net: n.buyer.seen(LegAcked))
        net.world.run(S)
        start_ns = net.world.now_ns
        hold = Renegotiate(1, b"v=hold", SDP)
        net.alice.desk.later(start_ns + chance.randrange(25 * MS), hold)
        net.buyer.desk.later(start_ns + chance.randrange(25 * MS), Hangup(2))
        net.finish()
        assert len(net.alice.seen(LegEnded)) == 1
        assert len(net.buyer.seen(LegEnded)) == 1
        assert len(net.exchange.seen(LegReleased)) == 2


def test_x11_everything_is_lost_sometimes() -> None:
    connected = 0
    for seed in seeds(100):
        wire = Wire(seed, loss=0.2, duplicate=0.05, reorder=0.1, jitter_ns=5 * MS)
        net = Net(wire, Caller(talk_ns=40 * S))
        net.call()
        net.finish()
        connected += len(net.exchange.seen(LegAcked))
        answered = len(net.exchange.seen(LegAnswered))
        assert answered <= 1
        assert len(net.exchange.seen(LegEnded)) in (0, 2)
    assert connected >= len(seeds(100)) * 0.9


@pytest.mark.parametrize(
    ("lost", "count"), [("200", 6), ("ACK", 6), ("487", 5), ("BYE", 6), ("CANCEL", 3), ("180", 1)]
)
def test_x11_one_kind_is_lost_many_times(lost: str, count: int) -> None:
    for pair in (("alice", "exchange"), ("exchange", "alice"), ("exchange", "buyer"),
                 ("buyer", "exchange")):  # fmt: skip
        net = Net(Wire(11), Caller(S, 180 if lost in ("487", "CANCEL") else 0))
        drop(net, pair, lost, count)
        net.call()
        net.finish()


def drop(net: Net, pair: tuple[str, str], word: str, count: int) -> None:
    """Lose the first `count` messages of one kind between two parties."""
    world, left, post = net.world, [count], net.world.post

    def lossy(flow: Flow, data: bytes) -> None:
        post(flow, data)
        source, target, line = world.ladder[-1][1], world.ladder[-1][2], data.split(b" ", 2)
        kind = line[1] if line[0] == b"SIP/2.0" else line[0]
        if (source, target) == pair and kind.decode() == word and left[0]:
            left[0] -= 1
            last = max(event[1] for event in world.queue)
            world.queue = [event for event in world.queue if event[1] != last]
            world.queue.sort()

    world.post = lossy  # type: ignore[method-assign]


def test_x11_ack_never_comes() -> None:
    net = Net(Wire(12))
    drop(net, ("alice", "exchange"), "ACK", 100)
    net.call()
    net.finish()
    assert net.desk.ends == [(2, By.NO_ACK), (1, By.LOCAL)]
    # §13.3.1.4: T1, doubling up to T2, for 64·T1, then BYE.
    assert net.world.lines("exchange", "alice").count("200") == 11
    assert net.world.lines("exchange", "alice")[-1] == "BYE"


def test_x11_2xx_is_sent_again_on_a_stream_too() -> None:
    net = Net(Wire(12), transport="TCP")
    drop(net, ("alice", "exchange"), "ACK", 3)
    net.call()
    net.world.run(60 * S)
    assert net.world.lines("exchange", "alice").count("200") >= 4
    net.world.perform(net.alice, Hangup(1))
    net.finish()


def test_x13_copies_of_the_invite_make_one_call() -> None:
    for seed in seeds(100):
        wire = Wire(seed, duplicate=0.9, jitter_ns=10 * MS)
        net = Net(wire, Caller(talk_ns=S))
        net.call()
        net.finish()
        assert len(net.exchange.seen(CallOffered)) == 1
        assert len(net.buyer.seen(CallOffered)) == 1


def test_x13_the_same_invite_over_two_paths() -> None:
    net = Net(Wire(13))
    alice = net.world.add(Script("script", ("192.0.2.11", 5060)))
    flow = net.world.flow(alice.address, US)
    for branch in (b"z9hG4bKa1", b"z9hG4bKa2"):
        alice.send(flow, invite(alice.address, US, branch))
    net.world.flush(alice)
    net.world.run(50 * MS)
    assert 482 in alice.statuses()
    assert len(net.exchange.seen(CallOffered)) == 1
    alice.send(flow, invite(alice.address, US, b"z9hG4bKa1"))  # a copy of the first is absorbed
    net.world.flush(alice)
    net.world.run(50 * MS)
    assert len(net.exchange.seen(CallOffered)) == 1
    net.finish()


@each_transport
@pytest.mark.parametrize("status", [200, 481, 0])
def test_x15_no_final_after_our_cancel(transport: str, status: int) -> None:
    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE" and len(script.got(b"INVITE")) == 1:
            script.send(flow, reply(message, 180, b"t1"))
        elif message.method_name == b"CANCEL" and status:
            script.send(flow, reply(message, status))

    net = Net(Wire(15), Caller(talk_ns=S), (Script("buyer", BUYER, react), Buyer()), transport,
              ring_ns=2 * S)  # fmt: skip
    net.call()
    net.world.run_until(lambda: net.exchange.seen(LegReleased), 60 * S)
    failed = net.exchange.seen(LegFailed)[0]
    assert (failed.status, failed.cause) == (408, Cause.TIMEOUT)
    canceled_ns = next(at for at, _s, _t, line in net.world.ladder if line.startswith(b"CANCEL"))
    assert net.world.now_ns - canceled_ns == 32 * S
    net.finish()
    assert net.alice.seen(LegAnswered)  # by the second buyer
