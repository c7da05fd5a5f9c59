"""The ladder over the wire: status classes, gateways, limits, and what each attempt asks again."""

import heapq
from typing import Any

import pytest

from exchange.ladder import NEXT_BID, NEXT_GATEWAY, better_status, failure_class
from sip.message import Message
from sip.signals import Cause, Flow, LegFailed
from tests.exchange.trading import (
    MICROS,
    NOW_S,
    OFFSET_NS,
    PATH_SEEDS,
    Floor,
    buyer_address,
    document,
    gateway_document,
    rough,
)
from tests.sim.phones import Buyer, Caller
from tests.sim.script import Script, reply
from tests.sim.wire import MS, S, Wire, seeds
from vocabulary import limits
from vocabulary.facts import CallClosed, CallRouted, Disposition
from vocabulary.instants import format_wall
from vocabulary.reasons import REASON_BASE, Reason, Refused

BID_STATUSES = (404, 410, 480, 484, 486, 487, 488, 600, 603, 604, 606, 607, 608, 400, 415, 420,
                422, 300, 302, 380)
GATEWAY_STATUSES = (401, 403, 407, 408, 500, 502, 503, 504, 505, 513, 580)


def test_the_class_of_every_status() -> None:
    for status in BID_STATUSES:
        assert failure_class(status, Cause.RESPONSE) == NEXT_BID, status
    for status in GATEWAY_STATUSES:
        assert failure_class(status, Cause.RESPONSE) == NEXT_GATEWAY, status
    assert failure_class(408, Cause.TIMEOUT) == failure_class(503, Cause.TRANSPORT) == NEXT_GATEWAY


@pytest.mark.parametrize(
    ("answers", "best"),
    [
        ((486, 404), 486), ((404, 486), 404), ((486, 603), 603), ((500, 486), 486), ((500,), 500),
        ((503, 408, 401, 407, 422, 302), 0), ((480, 484), 484), ((503, 480), 480),
    ],
)
def test_the_best_answer_for_the_caller(answers: tuple[int, ...], best: int) -> None:
    found = 0
    for status in answers:
        found = better_status(found, status)
    assert found == best


def answering(status: int, extra: bytes = b"") -> Any:
    """A peer that gives every INVITE one final response."""

    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE":
            script.send(flow, reply(message, status, b"t", extra=extra))

    return react


def with_script(floor: Floor, index: int, react: Any) -> Script:
    """Put a scripted peer where buyer `index` stood."""
    script = Script(f"buyer{index}", buyer_address(index), react)
    floor.world.add(script)
    floor.buyers[index] = script
    return script


def causes(closed: CallClosed) -> list[tuple[str, str]]:
    """(gateway, cause or status) of each attempt."""
    return [(a.gateway, str(a.status) if a.cause == "response" else a.cause)
            for a in closed.attempts]


@pytest.mark.parametrize("status", [403, 408, 500, 503, 401])
def test_a_broken_gateway_gives_way_to_the_next_of_the_same_target(status: int) -> None:
    floor = Floor([Buyer(), Buyer()], plan=gateway_document(), caller=Caller(talk_ns=15 * S))
    with_script(floor, 0, answering(status))
    floor.call()
    closed = floor.run()
    assert causes(closed) == [("gw-0", str(status)), ("gw-1", "answered")]
    assert [a.entry for a in closed.attempts] == [0, 0]
    assert closed.revenue_micros == 10 * MICROS  # one reservation, one charge


@pytest.mark.parametrize("status", [404, 486, 603, 302, 422])
def test_the_buyers_own_no_goes_to_the_next_bid(status: int) -> None:
    floor = Floor([Buyer(), Buyer()], plan=gateway_document(2), caller=Caller(talk_ns=15 * S))
    with_script(floor, 0, answering(status))
    floor.call()
    closed = floor.run()
    assert causes(closed)[0] == ("gw-0", str(status))
    assert closed.attempts[1].entry == 1


def test_gateways_over_a_rough_wire_are_billed_once() -> None:
    for seed in seeds(PATH_SEEDS):
        floor = Floor([Buyer(reject=503), Buyer()], plan=gateway_document(), wire=rough(seed),
                      caller=Caller(talk_ns=15 * S))
        floor.call()
        closed = floor.run()
        if closed.disposition == Disposition.COMPLETED:
            assert closed.revenue_micros in (0, 10 * MICROS)
            assert closed.attempts[-1].gateway == "gw-1"


def test_a_silent_gateway_gives_way_after_four_seconds() -> None:
    floor = Floor([Buyer(), Buyer()], plan=gateway_document(), caller=Caller(talk_ns=15 * S))
    floor.world.kill(floor.buyers[0])
    floor.call()
    closed = floor.run()
    assert causes(closed) == [("gw-0", "no_response"), ("gw-1", "answered")]
    assert closed.attempts[1].invited_us == 4_000_000


def test_retry_after_rests_the_gateway_for_everybody() -> None:
    floor = Floor([Buyer(), Buyer()], plan=gateway_document(), caller=Caller(talk_ns=12 * S))
    script = with_script(floor, 0, answering(503, b"Retry-After: 60\r\n"))
    for leg in (1, 3):
        floor.call(leg=leg)
        floor.world.run(20 * S)
    assert len(script.got(b"INVITE")) == 1
    floor.world.run(30 * S)
    floor.call(leg=5)
    floor.settle()
    assert len(script.got(b"INVITE")) == 2
    assert [len(fact.attempts) for fact in floor.exchange.of(CallClosed)] == [2, 1, 2]


def test_no_gateway_rests_for_ever() -> None:
    floor = Floor([Buyer(), Buyer()], plan=gateway_document(), caller=Caller(talk_ns=12 * S))
    script = with_script(floor, 0, answering(503, b"Retry-After: 4294967295\r\n"))
    floor.call()
    floor.settle()
    floor.world.now_ns += limits.gateway_rest_s_max * S
    floor.call(leg=3)
    floor.settle()
    assert len(script.got(b"INVITE")) == 2


def test_the_ladder_ends_at_its_own_deadline() -> None:
    plan = document(3, campaign={"ring_s": 20, "ladder_s": 45})
    floor = Floor([Buyer(None), Buyer(None), Buyer(None)], plan=plan)
    floor.call()
    closed = floor.run()
    assert (closed.refused, closed.sip_status) == (Refused.LADDER_TIMEOUT, 480)
    assert closed.disposition == Disposition.NO_ANSWER
    assert [a.invited_us for a in closed.attempts] == [0, 20_000_000, 40_000_000]
    assert closed.ended_us == 45_000_000
    assert floor.caller.seen(LegFailed)[0].status == 480


def test_ringing_does_not_reset_the_ring_limit() -> None:
    floor = Floor([Buyer(None), Buyer()], plan=document(2, target={"ring_s": 7}))
    floor.caller.desk.talk_ns = 15 * S
    script = with_script(floor, 0, None)
    back = floor.world.flow(floor.party.address, script.address)

    def ring(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE":
            script.send(flow, reply(message, 180, b"t"))
            for after_ns in range(S, 10 * S, S):  # rings for ever
                event = (floor.world.now_ns + after_ns, after_ns, floor.party.address,
                         reply(message, 180, b"t"), back)
                heapq.heappush(floor.world.queue, event)
        elif message.method_name == b"CANCEL":
            script.send(flow, reply(message, 200))
            script.send(flow, reply(script.got(b"INVITE")[0], 487, b"t"))

    script.react = ring
    floor.call()
    closed = floor.run()
    assert causes(closed)[0][1] == "ring_timeout"
    assert closed.attempts[1].invited_us == 7_000_000


def expiring(*after_s: int) -> Any:
    """A plan of buyers whose bids end so many seconds after now; 0 never."""
    plan = document(len(after_s))
    for bid, seconds in zip(plan["bids"], after_s, strict=True):
        if seconds:
            bid["expires"] = stamp(NOW_S + 1 + seconds)
    return plan


def stamp(wall_s: int) -> str:
    """The instant as a plan writes it."""
    return format_wall(wall_s * S)[:19] + "Z"


def test_a_bid_that_would_end_while_it_is_dialled_is_not_in_the_auction() -> None:
    floor = Floor([Buyer(), Buyer()], plan=expiring(limits.connect_expected_s - 1, 0),
                  caller=Caller(talk_ns=12 * S))
    floor.call()
    closed = floor.run()
    assert closed.buyer == "buyer-001"
    (routed,) = floor.exchange.of(CallRouted)
    assert Reason.EXPIRED - REASON_BASE in routed.reasons


def test_a_bid_that_ends_while_another_rings_is_not_dialled() -> None:
    floor = Floor([Buyer(None), Buyer(), Buyer()], plan=expiring(0, 20, 0),
                  caller=Caller(talk_ns=12 * S))
    floor.call()
    closed = floor.run()
    assert [a.target for a in closed.attempts] == ["target-000-0", "target-002-0"]
    assert floor.exchange.desk.counters["reserve_lost"] == 1


@pytest.mark.parametrize(
    ("what", "row", "tried"),
    [
        ("buyers", 1, ["target-000-0", "target-002-0"]),
        ("targets", 1, ["target-000-0", "target-002-0"]),
        ("bids", 1, ["target-000-0", "target-002-0"]),
        ("campaigns", 0, ["target-000-0"]),
        ("publishers", 0, ["target-000-0"]),
    ],
)
def test_each_attempt_reads_the_pause_switches(what: str, row: int, tried: list[str]) -> None:
    floor = Floor([Buyer(None), Buyer(), Buyer()], caller=Caller(talk_ns=12 * S))
    floor.call()
    floor.world.run(10 * S)
    plan = document(3)
    plan[what][row]["status"] = "paused"
    floor.exchange.apply(plan, floor.world.now_ns)
    closed = floor.run()
    assert [a.target for a in closed.attempts] == tried
    if what in ("campaigns", "publishers"):
        paused = what == "campaigns"
        expected = Refused.CAMPAIGN_PAUSED if paused else Refused.PUBLISHER_PAUSED
        assert (closed.refused, closed.sip_status) == (expected, 480)


def test_the_next_gateway_reads_the_pause_switches_too() -> None:
    floor = Floor([Buyer(), Buyer()], plan=gateway_document())
    floor.world.kill(floor.buyers[0])
    floor.call()
    floor.world.run(2 * S)
    plan = gateway_document()
    plan["targets"][0]["status"] = "paused"
    floor.exchange.apply(plan, floor.world.now_ns)
    closed = floor.run()
    assert causes(closed) == [("gw-0", "no_response")]
    assert closed.disposition == Disposition.NO_ANSWER


def test_a_target_that_changed_hands_is_not_dialled_for_the_old_bid() -> None:
    floor = Floor([Buyer(None), Buyer(), Buyer()], caller=Caller(talk_ns=12 * S))
    floor.call()
    floor.world.run(10 * S)
    plan = document(3)
    plan["targets"][1]["buyer"], plan["targets"][2]["buyer"] = "buyer-002", "buyer-001"
    plan["bids"][1]["target"], plan["bids"][2]["target"] = "target-002-0", "target-001-0"
    floor.exchange.apply(plan, floor.world.now_ns)
    closed = floor.run()
    assert [a.target for a in closed.attempts] == ["target-000-0"]


def test_instants_of_the_attempts_are_exact() -> None:
    floor = Floor([Buyer(reject=486), Buyer(ring_ns=3 * S)], wire=Wire(1, delay_ns=5 * MS),
                  caller=Caller(talk_ns=12 * S))
    floor.call()
    closed = floor.run()
    first, second = closed.attempts
    assert (first.invited_us, first.ringing_us, first.ended_us) == (0, -1, 10_000)
    assert (second.invited_us, second.ringing_us, second.answered_us) == (
        10_000, 20_000, 3_020_000)
    assert closed.wall_ns == OFFSET_NS + S + 5 * MS
