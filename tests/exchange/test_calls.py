"""Calls through the whole exchange on the emulated wire, outcome by outcome."""

from sip.signals import CallCanceled
from tests.exchange.trading import MICROS, Floor, document
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import S
from vocabulary.facts import Disposition, Party
from vocabulary.reasons import Refused


def test_answered_and_qualified() -> None:
    floor = Floor(caller=Caller(talk_ns=30 * S))
    floor.call()
    closed = floor.run()
    assert closed.disposition == Disposition.COMPLETED
    assert (closed.buyer, closed.revenue_micros) == ("buyer-000", 10 * MICROS)
    assert closed.payout_micros == 7 * MICROS
    assert closed.qualified
    assert 29 * S < closed.connected_ns <= 31 * S
    assert closed.hangup == Party.CALLER
    balances = floor.exchange.desk.market.balances
    assert balances.balance[0] == 990 * MICROS
    assert balances.pending == {"pub": 7 * MICROS}


def test_short_call_is_not_charged() -> None:
    floor = Floor(caller=Caller(talk_ns=5 * S))
    floor.call()
    closed = floor.run()
    assert (closed.qualified, closed.revenue_micros, closed.postings) == (False, 0, ())
    assert closed.disposition == Disposition.COMPLETED


def test_busy_then_the_next_buyer() -> None:
    floor = Floor([Buyer(reject=486), Buyer(), Buyer()])
    floor.call()
    closed = floor.run()
    assert closed.buyer == "buyer-001"
    assert [attempt.status for attempt in closed.attempts] == [486, 200]
    assert closed.revenue_micros == 9 * MICROS


def test_no_answer_then_the_next_buyer() -> None:
    floor = Floor([Buyer(ring_ns=60 * S), Buyer(), Buyer()])
    floor.call()
    closed = floor.run()
    assert closed.buyer == "buyer-001"
    assert [attempt.cause for attempt in closed.attempts] == ["ring_timeout", "answered"]
    assert closed.attempts[1].invited_us == 25_000_000


def test_silent_buyer_then_the_next_after_four_seconds() -> None:
    floor = Floor()
    floor.world.kill(floor.buyers[0])
    floor.call()
    closed = floor.run()
    assert [attempt.cause for attempt in closed.attempts] == ["no_response", "answered"]
    assert closed.attempts[1].invited_us == 4_000_000


def test_all_busy_tells_the_caller_busy() -> None:
    floor = Floor([Buyer(reject=486), Buyer(reject=503), Buyer(reject=486)])
    floor.call()
    closed = floor.run()
    assert (closed.disposition, closed.sip_status) == (Disposition.BUSY, 486)
    assert closed.refused == Refused.LADDER_EMPTY


def test_caller_cancels_while_ringing() -> None:
    floor = Floor([Buyer(ring_ns=20 * S)], caller=Caller(cancel_on=180))
    floor.call()
    closed = floor.run()
    assert closed.disposition == Disposition.CANCELED
    assert floor.party.seen(CallCanceled)
    assert closed.attempts[-1].cause == "canceled"


def test_buyer_hangs_up_first() -> None:
    floor = Floor([Buyer(talk_ns=20 * S)], caller=Caller())
    floor.call()
    closed = floor.run()
    assert closed.hangup == Party.BUYER
    assert closed.revenue_micros == 10 * MICROS


def test_refusals_have_their_own_status_and_reason() -> None:
    cases = [
        ({"campaign": {"status": "paused"}}, 480, Refused.CAMPAIGN_PAUSED),
        ({"campaign": {"concurrency": 0}}, 480, Refused.CAMPAIGN_CONCURRENCY),
        ({"campaign": {"caps": {"day": 0}}}, 480, Refused.CAMPAIGN_CAP),
        ({"criteria": lambda buyer, bid: {"states": ["TX"]}}, 480, Refused.NO_BID),
        ({"target": {"status": "paused"}}, 480, Refused.NO_BID),
        ({"numbers": ("+13125550100",)}, 404, Refused.UNKNOWN_NUMBER),
    ]
    for changes, status, refused in cases:
        floor = Floor(plan=document(3, **changes))
        floor.call(from_user=b"+12125550199")
        closed = floor.run()
        assert (closed.sip_status, closed.refused) == (status, refused), changes


def test_without_money_there_is_no_bid() -> None:
    floor = Floor(plan=document(3, credit_limit="0.00"), funded=False)
    floor.call()
    closed = floor.run()
    assert closed.refused == Refused.NO_BID


def test_start_record_that_never_comes_ends_the_call_with_500() -> None:
    floor = Floor(disk_ns=None)
    floor.call()
    floor.world.run_until(lambda: floor.exchange.desk.counters["calls_failed"] == 1)
    closed = floor.exchange.closed()
    assert (closed.sip_status, closed.refused) == (500, Refused.JOURNAL_LATE)
    assert closed.postings == ()
    assert floor.exchange.desk.admission_closed == "journal_late"
    floor.world.assert_clean()
