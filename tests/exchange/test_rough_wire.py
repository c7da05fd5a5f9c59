"""Every path of a call, over many seeds of a wire that loses, doubles and reorders, and over TCP.

After each run nothing is left alive, held or out of balance, and a restart would agree
(`Floor.settle`); what the path itself promises is asserted here.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exchange.states import ANSWERING
from sip.signals import Cancel, Hangup, LegAcked, LegAnswered, Renegotiate
from tests.exchange.trading import MICROS, PATH_SEEDS, Floor, document, rough
from tests.sim.phones import ANSWER, OFFER, SDP, Buyer, Caller
from tests.sim.wire import MS, S, seeds
from vocabulary.facts import CallClosed, Disposition, Party

TRANSPORTS = ("UDP", "TCP")
both = pytest.mark.parametrize("transport", TRANSPORTS)


def floors(
    transport: str, buyers: list[Buyer] | None = None, **changes: Any
) -> Iterator[tuple[random.Random, Floor]]:
    """A fresh floor with its own chance for every seed."""
    for seed in seeds(PATH_SEEDS):
        phones = [Buyer(**vars_of(buyer)) for buyer in buyers or [Buyer(), Buyer(), Buyer()]]
        yield (
            random.Random(seed),
            Floor(phones, wire=rough(seed), transport=transport, **changes),
        )


def vars_of(buyer: Buyer) -> dict[str, object]:
    """What a buyer was made with."""
    names = ("ring_ns", "reject", "talk_ns", "early", "answer")
    return {name: getattr(buyer, name) for name in names}


def live(floor: Floor) -> bool:
    """Whether the caller hears the buyer."""
    return bool(floor.caller.seen(LegAnswered)) and bool(floor.party.seen(LegAcked))


def comes_to(floor: Floor, event: Callable[[Floor], Any]) -> bool:
    """Run until something holds. False if the wire was so bad that the call ended before: then
    nothing is left of it, either."""
    floor.world.run_until(lambda: event(floor) or floor.exchange.of(CallClosed))
    if event(floor):
        return True
    assert floor.run().disposition == Disposition.NO_ANSWER
    return False


def billed_once(closed: CallClosed) -> None:
    """A connected call is charged what its entry says, once, or was too short."""
    price = closed.attempts[-1].entry
    if closed.qualified:
        assert closed.revenue_micros == (10 - price) * MICROS
        assert len(closed.postings) == 4
    else:
        assert closed.revenue_micros == closed.payout_micros == 0
        assert closed.postings == ()


@both
def test_answer(transport: str) -> None:
    for _, floor in floors(transport):
        floor.caller.desk.talk_ns = 30 * S
        floor.call()
        closed = floor.run()
        assert closed.disposition == Disposition.COMPLETED
        assert closed.qualified
        billed_once(closed)


@both
def test_busy_then_next(transport: str) -> None:
    found = Counter()
    for _, floor in floors(transport, [Buyer(reject=486), Buyer(), Buyer()]):
        floor.caller.desk.talk_ns = 30 * S
        floor.call()
        closed = floor.run()
        billed_once(closed)
        found[closed.buyer] += 1
    assert found["buyer-001"] >= 0.9 * found.total()
    assert "buyer-000" not in found


@both
def test_no_answer_then_next(transport: str) -> None:
    found = Counter()
    for _, floor in floors(transport, [Buyer(None), Buyer(), Buyer()]):
        floor.caller.desk.talk_ns = 30 * S
        floor.call()
        closed = floor.run()
        billed_once(closed)
        found[closed.attempts[0].cause, closed.buyer] += 1
    assert found["ring_timeout", "buyer-001"] >= 0.9 * found.total()


@both
def test_late_answer_to_a_ring_that_timed_out(transport: str) -> None:
    found = Counter()
    for chance, floor in floors(transport, [Buyer(), Buyer(), Buyer()]):
        floor.buyers[0].desk.ring_ns = 25 * S + chance.randrange(-60 * MS, 60 * MS)
        floor.caller.desk.talk_ns = 30 * S
        floor.call()
        closed = floor.run()
        billed_once(closed)
        assert closed.disposition == Disposition.COMPLETED
        found[closed.buyer] += 1
        if closed.buyer != "buyer-000" and floor.buyers[0].seen(LegAcked):
            assert "BYE" in floor.world.lines("exchange", "buyer0")
    assert len(found) >= 2  # both sides of the race were met


@both
def test_cancel_at_any_instant(transport: str) -> None:
    found = Counter()
    for chance, floor in floors(transport, [Buyer(reject=486), Buyer(), Buyer()]):
        floor.call()
        floor.world.run(chance.randrange(1_500 * MS))
        floor.world.perform(floor.caller, Cancel(1))
        closed = floor.run()
        found[closed.disposition] += 1
        assert closed.revenue_micros == 0
    assert found[Disposition.CANCELED] > 0


@both
def test_cancel_around_the_answer(transport: str) -> None:
    found = Counter()
    for chance, floor in floors(transport, [Buyer()], disk_ns=30 * MS):
        floor.call()
        if not comes_to(floor, lambda floor: floor.party.seen(LegAnswered)):
            continue
        floor.world.run(chance.randrange(60 * MS))
        floor.world.perform(floor.caller, Cancel(1))
        closed = floor.run()
        found[closed.disposition] += 1
        if closed.disposition == Disposition.CANCELED:
            assert closed.attempts[-1].cause in ("voided", "canceled")
            assert not floor.caller.seen(LegAnswered)
        assert closed.revenue_micros == 0
    assert found[Disposition.CANCELED]
    assert found[Disposition.COMPLETED]


@both
def test_cancel_while_the_disk_is_waited_for(transport: str) -> None:
    for _, floor in floors(transport, [Buyer()], disk_ns=1_900 * MS):
        floor.call()
        if not comes_to(floor, lambda floor: states(floor) == [ANSWERING]):
            continue
        floor.world.perform(floor.caller, Cancel(1))
        closed = floor.run()
        if closed.disposition == Disposition.CANCELED:
            assert not floor.caller.seen(LegAnswered)
            assert floor.world.lines("exchange", "buyer0")[-1] in ("BYE", "ACK")
        assert closed.revenue_micros == 0


def states(floor: Floor) -> list[int]:
    """States of the live calls."""
    return [call.state for call in floor.exchange.desk.calls.values()]


@both
def test_buyer_hangs_up_while_the_disk_is_waited_for(transport: str) -> None:
    for _, floor in floors(transport, [Buyer(talk_ns=20 * MS)], disk_ns=1_500 * MS):
        floor.call()
        if not comes_to(floor, lambda floor: floor.party.seen(LegAnswered)):
            continue
        closed = floor.run()
        assert floor.caller.seen(LegAnswered), floor.world.drawing()
        assert closed.hangup == Party.BUYER
        if "answered" in [a.cause for a in closed.attempts] and closed.connected_ns == 0:
            assert closed.revenue_micros == 0
        assert closed.disposition in (Disposition.COMPLETED, Disposition.NO_ACK)


@both
def test_both_hang_up_at_once(transport: str) -> None:
    for chance, floor in floors(transport, [Buyer()]):
        floor.call()
        if not comes_to(floor, live):
            continue
        floor.world.run(20 * S)
        first, second = (floor.caller, floor.buyers[0])[:: chance.choice((1, -1))]
        legs = {"caller": 1, "buyer0": 2}
        floor.world.perform(first, Hangup(legs[first.name]))
        floor.world.run(chance.randrange(25 * MS))
        floor.world.perform(second, Hangup(legs[second.name]))
        closed = floor.run()
        assert closed.disposition == Disposition.COMPLETED
        assert closed.revenue_micros == 10 * MICROS


@both
def test_slow_disk(transport: str) -> None:
    for chance, floor in floors(transport):
        floor.exchange.disk_ns = chance.randrange(1, 1_990 * MS)
        floor.caller.desk.talk_ns = 30 * S
        floor.call()
        closed = floor.run()
        assert closed.disposition == Disposition.COMPLETED
        billed_once(closed)


@both
@pytest.mark.parametrize("who", ["caller", "buyer0"])
def test_hold_and_resume(transport: str, who: str) -> None:
    for chance, floor in floors(transport, [Buyer()]):
        floor.call()
        if not comes_to(floor, live):
            continue
        floor.world.run(5 * S)
        party = floor.caller if who == "caller" else floor.buyers[0]
        leg = 1 if who == "caller" else 2
        for body in (b"v=hold", b"v=resume"):
            floor.world.perform(party, Renegotiate(leg, body, SDP))
            floor.world.run(chance.randrange(40 * S))
        floor.world.perform(floor.caller, Hangup(1))
        closed = floor.run()
        assert closed.disposition == Disposition.COMPLETED
        billed_once(closed)


@both
def test_hold_crosses_the_hang_up(transport: str) -> None:
    for chance, floor in floors(transport, [Buyer()]):
        floor.call()
        if not comes_to(floor, live):
            continue
        floor.world.run(5 * S)
        floor.world.perform(floor.caller, Renegotiate(1, b"v=hold", SDP))
        floor.world.run(chance.randrange(60 * MS))
        hanging = chance.choice((floor.caller, floor.buyers[0]))
        floor.world.perform(hanging, Hangup(1 if hanging is floor.caller else 2))
        closed = floor.run()
        assert closed.disposition == Disposition.COMPLETED


@both
def test_offerless_invite(transport: str) -> None:
    for _, floor in floors(transport, [Buyer(answer=OFFER)]):
        floor.caller.desk = Caller(talk_ns=30 * S, answer=ANSWER)
        floor.call(body=b"")
        if not comes_to(floor, live):
            continue
        closed = floor.run()
        assert closed.disposition == Disposition.COMPLETED
        assert floor.caller.seen(LegAnswered)[0].body == OFFER
        assert floor.buyers[0].seen(LegAcked)[0].body == ANSWER
        billed_once(closed)


@both
def test_refused_and_gone(transport: str) -> None:
    plan = document(1, transport, campaign={"status": "paused"})
    for _, floor in floors(transport, [Buyer()], plan=plan):
        floor.call()
        closed = floor.run()
        assert (closed.disposition, closed.sip_status) == (Disposition.BLOCKED, 480)
