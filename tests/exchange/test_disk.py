"""A disk that is slow, late, silent or broken, with calls in every state (architecture §2)."""

import pytest

from exchange.states import ANSWERING, CONNECTED, ORPHANED
from sip.signals import LegAnswered, LegFailed
from tests.exchange.trading import MICROS, PATH_SEEDS, Floor, document, rough
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import MS, S, Wire, seeds
from vocabulary.facts import CallAnswered, CallClosed, Disposition
from vocabulary.reasons import Refused


def states(floor: Floor) -> list[int]:
    """States of the live calls."""
    return [call.state for call in floor.exchange.desk.calls.values()]


def test_a_disk_that_never_comes_costs_nobody() -> None:
    met = 0
    for seed in seeds(PATH_SEEDS):
        floor = Floor([Buyer()], wire=rough(seed), disk_ns=None)
        floor.call()
        floor.world.assert_clean()
        closed = floor.exchange.closed()
        if closed.disposition == Disposition.NO_ANSWER:
            continue  # four lost INVITEs
        met += 1
        assert (closed.sip_status, closed.refused) == (500, Refused.JOURNAL_LATE)
        assert closed.attempts[-1].cause == "voided"
        assert not floor.caller.seen(LegAnswered)
        assert floor.caller.seen(LegFailed)[0].status == 500
        lines = floor.world.lines("exchange", "buyer0")
        assert "ACK" in lines
        assert "BYE" in lines
        assert floor.exchange.desk.market.balances.balance[0] == 1_000 * MICROS
    assert met >= 0.9 * len(seeds(PATH_SEEDS))


def test_the_200_waits_for_the_disk_and_nothing_else_does() -> None:
    floor = Floor([Buyer(early=b"v=early")], caller=Caller(talk_ns=15 * S), disk_ns=1_000 * MS)
    floor.call()
    floor.world.run_until(lambda: floor.caller.seen(LegAnswered))
    at = {line.split(b" ")[1]: at_ns for at_ns, source, target, line in floor.world.ladder
          if (source, target) == ("exchange", "caller")}
    to_buyer = {line.split(b" ")[0]: at_ns for at_ns, source, target, line in floor.world.ladder
                if (source, target) == ("exchange", "buyer0")}
    assert at[b"200"] - to_buyer[b"ACK"] == 1_000 * MS
    assert at[b"100"] == to_buyer[b"INVITE"]
    assert at[b"183"] - at[b"100"] == 20 * MS  # there and back
    floor.run()


def test_one_durable_mark_answers_all_that_it_covers() -> None:
    floor = Floor([Buyer()], caller=Caller(talk_ns=15 * S), disk_ns=300 * MS)
    for leg in (1, 3, 5):
        floor.call(leg=leg)
    floor.world.run_until(lambda: states(floor) == [ANSWERING] * 3)
    assert floor.exchange.desk.statistics()["answers_waiting"] == 3
    floor.settle()
    assert [fact.revenue_micros for fact in floor.exchange.of(CallClosed)] == [10 * MICROS] * 3


def test_a_failed_journal_ends_what_waits_and_lets_what_lives_go_on() -> None:
    floor = Floor([Buyer()], caller=Caller(talk_ns=20 * S))
    floor.call(leg=1)
    floor.world.run_until(lambda: states(floor) == [CONNECTED])
    floor.exchange.disk_ns = None
    floor.call(leg=3)
    floor.world.run_until(lambda: states(floor) == [CONNECTED, ANSWERING])
    floor.call(leg=5)
    floor.world.run(100 * MS)
    floor.exchange.fail(floor.world.now_ns)
    floor.world.flush(floor.party)
    floor.call(leg=7)  # the endpoint sheds it
    floor.settle()
    found = {fact.refused: fact for fact in floor.exchange.of(CallClosed)}
    assert len(floor.exchange.of(CallClosed)) == 3
    assert found[Refused.NONE].revenue_micros == 10 * MICROS
    statuses = {notice.leg: notice.status for notice in floor.caller.seen(LegFailed)}
    assert statuses == {3: 500, 5: 500, 7: 503}
    assert [fact.refused for fact in floor.exchange.of(CallClosed)].count(
        Refused.JOURNAL_FAILED) == 2
    assert len(floor.exchange.of(CallAnswered)) == 3


def test_a_buyer_gone_while_the_disk_never_comes() -> None:
    floor = Floor([Buyer(talk_ns=100 * MS)], disk_ns=None)
    floor.call()
    floor.world.run_until(lambda: states(floor) == [ORPHANED])
    floor.world.assert_clean()
    closed = floor.exchange.closed()
    assert (closed.sip_status, closed.refused) == (500, Refused.JOURNAL_LATE)
    assert closed.revenue_micros == 0


@pytest.mark.parametrize("late_ms", [1_999, 2_001])
def test_two_seconds_are_the_limit(late_ms: int) -> None:
    floor = Floor([Buyer()], caller=Caller(talk_ns=15 * S), disk_ns=late_ms * MS, wire=Wire(1))
    floor.call()
    closed = floor.run()
    assert (closed.disposition == Disposition.COMPLETED) == (late_ms < 2_000)


def test_calls_come_again_when_the_disk_does() -> None:
    floor = Floor([Buyer()], plan=document(1), caller=Caller(talk_ns=15 * S), disk_ns=3 * S)
    floor.call(leg=1)
    floor.world.run_until(lambda: floor.exchange.desk.admission_closed == "journal_late")
    floor.exchange.disk_ns = MS
    floor.world.run(5 * S)
    assert floor.exchange.desk.admission_closed == ""
    floor.call(leg=3)
    floor.settle()
    assert [fact.sip_status for fact in floor.exchange.of(CallClosed)] == [500, 200]
