"""Plans swapped under running calls: what survives, what changes, what a refusal leaves alone."""

from typing import Any

import pytest

from auction.bid import BidTerms
from exchange.recover import Replay
from exchange.signals import SwapPlan
from tests.exchange.restart import restart
from tests.exchange.trading import MICROS, Floor, document, swap_in
from tests.routing.plans import make_plan
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import S
from vocabulary.errors import CommandRefused
from vocabulary.facts import BidPut, BidRemoved, CallClosed, Disposition, PlanApplied
from vocabulary.reasons import Refused


def floor_of(plan: Any, talk_s: int = 15) -> Floor:
    """Buyers that answer, as many as the plan has."""
    return Floor([Buyer() for _ in plan["buyers"]], plan=plan, caller=Caller(talk_ns=talk_s * S))


def connected(floor: Floor, leg: int) -> None:
    """Place a call and let it run five seconds into the talk."""
    floor.call(leg=leg)
    floor.world.run(6 * S)


def last(floor: Floor) -> CallClosed:
    """The call that was closed last."""
    found: CallClosed = floor.exchange.of(CallClosed)[-1]
    return found


@pytest.mark.parametrize("what", ["buyers", "targets", "bids", "campaigns", "publishers"])
def test_a_pause_leaves_running_calls_alone(what: str) -> None:
    floor = floor_of(document(1))
    connected(floor, 1)
    plan = document(1)
    plan[what][0]["status"] = "paused"
    floor.exchange.apply(plan, floor.world.now_ns)
    connected(floor, 3)
    assert last(floor).refused != Refused.NONE
    assert last(floor).sip_status == 480
    floor.settle()
    assert last(floor).revenue_micros == 10 * MICROS
    floor.exchange.apply(document(1), floor.world.now_ns)
    floor.call(leg=5)
    floor.settle()
    assert last(floor).revenue_micros == 10 * MICROS


def test_terms_and_prices_are_frozen() -> None:
    floor = floor_of(document(1))
    connected(floor, 1)
    dear = document(1, amount=lambda buyer, bid: "99.00", campaign={
        "terms": {"qualify_s": 500}, "payout": {"kind": "fixed", "amount": "1.00"}})
    floor.exchange.apply(dear, floor.world.now_ns)
    floor.settle()
    assert (last(floor).revenue_micros, last(floor).payout_micros) == (10 * MICROS, 7 * MICROS)


def test_everything_of_a_running_call_may_leave_the_plan() -> None:
    floor = floor_of(document(2))
    connected(floor, 1)
    plan = document(2)
    plan["bids"], plan["targets"], plan["buyers"] = (
        plan["bids"][1:], plan["targets"][1:], plan["buyers"][1:])
    answer = floor.exchange.apply(plan, floor.world.now_ns)
    assert (answer.bids_put, answer.bids_removed) == (0, 1)
    floor.settle()
    assert (last(floor).buyer, last(floor).revenue_micros) == ("buyer-000", 10 * MICROS)
    market = floor.exchange.desk.market
    assert market.book.past["bid-000-0"][1] == 10 * MICROS
    assert market.balances.balance[0] == 990 * MICROS


def test_a_withdrawn_bid_gets_the_money_of_a_short_call_back() -> None:
    plan = document(2)
    plan["bids"][0]["budget"] = "10.00"
    floor = floor_of(plan, talk_s=8)
    connected(floor, 1)
    without = document(2)
    del without["bids"][0]
    floor.exchange.apply(without, floor.world.now_ns)
    floor.settle()
    assert last(floor).revenue_micros == 0
    assert floor.exchange.desk.market.book.past["bid-000-0"][1] == 0
    floor.exchange.apply(plan, floor.world.now_ns)
    floor.caller.desk.talk_ns = 15 * S
    floor.call(leg=3)
    floor.settle()
    assert last(floor).buyer == "buyer-000"


def test_a_bid_withdrawn_and_placed_again_under_a_running_call() -> None:
    plan = document(2)
    plan["bids"][0]["budget"] = "19.00"
    without = document(2)
    del without["bids"][0]
    floor = floor_of(plan)
    connected(floor, 1)
    floor.exchange.apply(without, floor.world.now_ns)
    floor.exchange.apply(plan, floor.world.now_ns)
    connected(floor, 3)
    floor.settle()
    assert [fact.buyer for fact in floor.exchange.of(CallClosed)] == ["buyer-000", "buyer-001"]
    book = floor.exchange.desk.market.book
    assert book.spent_micros(book.slot_of("bid-000-0")) == 10 * MICROS


def test_a_plan_without_the_number_ends_new_calls_only() -> None:
    floor = floor_of(document(1))
    connected(floor, 1)
    floor.exchange.apply(document(1, numbers=("+13125550100",)), floor.world.now_ns)
    floor.call(leg=3)
    floor.world.run(S)
    assert (last(floor).sip_status, last(floor).refused) == (404, Refused.UNKNOWN_NUMBER)
    floor.settle()
    assert last(floor).disposition == Disposition.COMPLETED


def test_the_same_plan_again_journals_no_delta() -> None:
    floor = floor_of(document(3))
    put = len(floor.exchange.of(BidPut))
    answer = floor.exchange.apply(document(3), floor.world.now_ns)
    assert (answer.bids_put, answer.bids_removed) == (0, 0)
    assert len(floor.exchange.of(BidPut)) == put
    assert not floor.exchange.of(BidRemoved)
    assert [fact.version for fact in floor.exchange.of(PlanApplied)] == [1, 2]


def test_a_lower_cap_grants_nothing_until_use_falls() -> None:
    floor = floor_of(document(1, target={"concurrency": 3}))
    for leg in (1, 3, 5):
        floor.call(leg=leg)
    floor.world.run(5 * S)
    floor.exchange.apply(document(1, target={"concurrency": 2}), floor.world.now_ns)
    floor.call(leg=7)
    floor.world.run(S)
    assert last(floor).refused == Refused.NO_BID
    floor.settle()
    assert not any(floor.exchange.desk.market.caps.live)


def test_day_caps_go_on_over_a_swap() -> None:
    floor = floor_of(document(1, target={"caps": {"day": 2}}))
    for leg in (1, 3):
        floor.call(leg=leg)
    floor.settle()
    floor.exchange.apply(document(1, target={"caps": {"day": 3}}), floor.world.now_ns)
    for leg in (5, 7):
        floor.call(leg=leg)
    floor.settle()
    found = sorted(fact.refused for fact in floor.exchange.of(CallClosed)[2:])
    assert found == [Refused.NONE, Refused.NO_BID]


def state(floor: Floor) -> tuple[Any, ...]:
    """Everything a refused swap must leave as it was."""
    desk = floor.exchange.desk
    market = desk.market
    book = market.book
    return (
        desk.seq, market.version, market.plan, book.snapshot(), list(market.balances.available),
        list(market.caps.day.granted), dict(desk.calls), list(desk.out),
    )


def terms(**changes: Any) -> BidTerms:
    """A bid of the plan, changed."""
    return BidTerms(**{"bid_id": "bid-000-0", "buyer": "buyer-000", "target": "target-000-0",
                       "amount_micros": 10 * MICROS, **changes})


@pytest.mark.parametrize(
    ("bid", "code"),
    [
        (terms(amount_micros=0), "bid_invalid"),
        (terms(quality_ppm=0), "bid_invalid"),
        (terms(bid_id="bid-001-0"), "bid_id_taken"),
        (terms(area_codes=(1,)), "bid_invalid"),
    ],
)
def test_a_refused_swap_changes_nothing(bid: BidTerms, code: str) -> None:
    floor = floor_of(document(2))
    connected(floor, 1)
    before = state(floor)
    plan = make_plan(2, slots=floor.exchange.desk.market.slots)
    good = terms(bid_id="bid-new", amount_micros=3 * MICROS)
    with pytest.raises(CommandRefused) as refused:
        floor.exchange.desk.perform(SwapPlan(plan, (good, bid), b"d"), floor.world.now_ns)
    assert refused.value.code == code
    assert state(floor) == before
    floor.settle()
    assert last(floor).revenue_micros == 10 * MICROS


def test_budget_rank_and_balance_survive_a_swap_and_a_restart() -> None:
    plan = document(3, amount=lambda buyer, bid: "5.00")
    for bid in plan["bids"]:
        bid["budget"] = "12.00"
    floor = floor_of(plan)
    for call in range(4):
        connected(floor, 2 * call + 1)
        floor.world.run(15 * S)
        floor.exchange.apply(plan, floor.world.now_ns)
    floor.settle()
    buyers = [fact.buyer for fact in floor.exchange.of(CallClosed)]
    assert len(set(buyers[:3])) == 3
    assert buyers[3] == buyers[0]
    market = floor.exchange.desk.market
    again = restart(floor.exchange.replayed(), plan)
    for bid_id in market.book.ids():
        mine, other = market.book.slot_of(bid_id), again.market.book.slot_of(bid_id)
        assert again.market.book.spent_micros(other) == market.book.spent_micros(mine)
    order = sorted(market.book.ids(), key=lambda bid: market.book.last_won(
        market.book.slot_of(bid)))
    assert order == sorted(again.market.book.ids(), key=lambda bid: again.market.book.last_won(
        again.market.book.slot_of(bid)))


def test_a_removed_bid_keeps_its_budget_and_its_buyer_over_a_restart() -> None:
    plan = document(2)
    plan["bids"][0]["budget"] = "10.00"
    without = document(2)
    del without["bids"][0]
    floor = floor_of(plan)
    connected(floor, 1)
    floor.settle()
    floor.exchange.apply(without, floor.world.now_ns)
    replay = Replay.from_checkpoint(floor.exchange.replayed().checkpoint())
    again = restart(replay, without)
    assert again.market.book.past["bid-000-0"][1] == 10 * MICROS
    swap_in(again, plan, replay.state.at_ns + S)
    book = again.market.book
    assert book.budget_left_micros(book.slot_of("bid-000-0")) == 0
    with pytest.raises(CommandRefused, match="bid_id_taken"):
        book.check(terms(buyer="buyer-001"), again.market.slots.buyers["buyer-001"])
