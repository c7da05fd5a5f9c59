"""Many calls at once: concurrency, caps, money and budgets are exact, never one too many."""

import random
from collections import Counter
from typing import Any

from routing.caps import target_owner
from sip.signals import Cancel
from tests.exchange.trading import MICROS, PATH_SEEDS, Floor, document, rough
from tests.routing.plans import Document
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import MS, S, Wire, seeds
from vocabulary.facts import CallClosed, Disposition
from vocabulary.reasons import Refused


class Watch:
    """Steps a floor's world and checks the bounds of rule 13 after every event."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.most = Counter[str]()

    def run(self) -> list[CallClosed]:
        """Let everything happen, looking all the time; the closed calls."""
        while self.floor.world.step():
            self.look()
        self.floor.settle()
        return self.floor.exchange.of(CallClosed)

    def look(self) -> None:
        """No counter above its limit, none below zero, no hold beyond the money."""
        market = self.floor.exchange.desk.market
        for counter in (market.caps.hour, market.caps.day):
            for owner, limit in enumerate(counter.limits):
                granted, committed = counter.granted[owner], counter.committed[owner]
                assert 0 <= committed <= granted
                assert limit < 0 or granted <= limit
        for owner, limit in enumerate(market.caps.live_limits):
            assert market.caps.live[owner] >= 0
            assert limit < 0 or market.caps.live[owner] <= limit
        money = market.balances
        for slot in range(len(money.balance)):
            assert money.held[slot] >= 0
            assert money.available[slot] == (
                money.balance[slot] + money.credit[slot] - money.held[slot])
            assert money.available[slot] >= 0
        for bid_id in market.book.ids():
            assert market.book.budget_left_micros(market.book.slot_of(bid_id)) >= -1
        for name, slot in market.slots.targets.items():
            self.most[name] = max(self.most[name], market.caps.live[target_owner(slot)])


def crowd(
    seed: int, plan: Document, calls: int, *, gap_ns: int = 300 * MS, funded: bool = True,
    buyers: list[Any] | None = None, talk_s: int = 15, wire: Wire | None = None,
) -> tuple[Floor, Watch]:
    """Calls that come at odd instants, some of which are canceled."""
    chance = random.Random(seed)
    phones = buyers or [Buyer(ring_ns=chance.randrange(1, 3_000) * MS)
                        for _ in plan["buyers"]]
    floor = Floor(phones, plan=plan, caller=Caller(talk_ns=talk_s * S), funded=funded,
                  wire=wire or rough(seed))
    watch = Watch(floor)
    for call in range(calls):
        floor.call(leg=2 * call + 1)
        end_ns = floor.world.now_ns + chance.randrange(gap_ns)
        while (next_ns := floor.world.next_ns()) is not None and next_ns <= end_ns:
            floor.world.step()
            watch.look()
        floor.world.now_ns = end_ns
        if chance.random() < 0.2:
            floor.world.perform(floor.caller, Cancel(2 * chance.randrange(call + 1) + 1))
    return floor, watch


def few() -> range:
    """Seeds of a crowd: a tenth of those of a single call."""
    return seeds(PATH_SEEDS // 10)


def test_target_concurrency_of_one() -> None:
    for seed in few():
        plan = document(2, target={"concurrency": 1})
        _, watch = crowd(seed, plan, 20, gap_ns=2_000 * MS)
        closed = watch.run()
        assert watch.most == {"target-000-0": 1, "target-001-0": 1}
        found = Counter(fact.refused for fact in closed)
        assert found[Refused.NO_BID] > 0
        assert len([f for f in closed if f.disposition == Disposition.COMPLETED]) >= 2


def test_campaign_concurrency() -> None:
    for seed in few():
        floor, watch = crowd(seed, document(2, campaign={"concurrency": 3}), 20)
        closed = watch.run()
        found = Counter(fact.refused for fact in closed)
        assert found[Refused.CAMPAIGN_CONCURRENCY] >= 10
        market = floor.exchange.desk.market
        assert market.caps.live[2 * market.slots.campaigns["auto"] + 1] == 0


def test_day_cap_of_a_target_counts_answered_calls_only() -> None:
    for seed in few():
        plan = document(1, target={"caps": {"day": 4}})
        _, watch = crowd(seed, plan, 25, gap_ns=4_000 * MS)
        closed = watch.run()
        counted = [fact for fact in closed if fact.caps]
        assert len(counted) <= 4
        assert all(fact.disposition in (Disposition.COMPLETED, Disposition.NO_ACK)
                   for fact in counted)


def test_day_cap_is_reached_and_never_passed_on_a_clean_wire() -> None:
    plan = document(1, target={"caps": {"day": 4, "hour": 3}})
    floor, watch = crowd(1, plan, 0, wire=Wire(1))
    for call in range(8):
        floor.call(leg=2 * call + 1)
    closed = watch.run()
    assert Counter(f.disposition for f in closed) == {
        Disposition.COMPLETED: 3, Disposition.UNSOLD: 5}


def test_campaign_caps_are_given_back_by_calls_that_fail() -> None:
    plan = document(1, campaign={"caps": {"hour": 2}})
    floor = Floor([Buyer(reject=486)], plan=plan)
    for call in range(4):
        floor.call(leg=2 * call + 1)
        floor.world.run(S)
    floor.settle()
    found = [fact.refused for fact in floor.exchange.of(CallClosed)]
    assert found == [Refused.LADDER_EMPTY] * 4
    floor.buyers[0].desk.reject = 0
    for call in range(4, 8):
        floor.call(leg=2 * call + 1)
    floor.settle()
    found = [fact.refused for fact in floor.exchange.of(CallClosed)[4:]]
    assert sorted(found) == [0, 0, Refused.CAMPAIGN_CAP, Refused.CAMPAIGN_CAP]


def test_holds_never_exceed_the_funds() -> None:
    for seed in few():
        plan = document(1, credit_limit="0.00")
        _, watch = crowd(seed, plan, 5, funded=False)
        assert all(fact.refused == Refused.NO_BID for fact in watch.run())
        floor, watch = crowd(seed, plan, 0, funded=False)
        floor.exchange.top_up("buyer-000", 35)
        for call in range(10):
            floor.call(leg=2 * call + 1)
        closed = watch.run()
        assert sum(fact.revenue_micros for fact in closed) <= 30 * MICROS
        assert floor.exchange.desk.market.balances.balance[0] >= 5 * MICROS


def test_a_hold_that_is_given_back_serves_the_next_call() -> None:
    plan = document(1, credit_limit="10.00")
    floor = Floor([Buyer(reject=486)], plan=plan, funded=False, caller=Caller(talk_ns=15 * S))
    floor.call(leg=1)
    floor.settle()
    floor.buyers[0].desk.reject = 0
    floor.call(leg=3)
    floor.call(leg=5)
    floor.settle()
    assert [fact.revenue_micros for fact in floor.exchange.of(CallClosed)].count(10 * MICROS) == 1
    assert floor.exchange.desk.market.balances.balance[0] == -10 * MICROS


def test_budget_of_a_bid() -> None:
    for seed in few():
        plan = document(1)
        plan["bids"][0]["budget"] = "45.00"
        floor, watch = crowd(seed, plan, 20, gap_ns=3_000 * MS)
        closed = watch.run()
        spent = sum(fact.revenue_micros for fact in closed)
        assert spent <= 40 * MICROS
        book = floor.exchange.desk.market.book
        assert book.spent_micros(book.slot_of("bid-000-0")) == spent


def test_short_calls_give_their_budget_back() -> None:
    plan = document(1)
    plan["bids"][0]["budget"] = "10.00"
    floor = Floor([Buyer()], plan=plan, caller=Caller(talk_ns=3 * S))
    for call in range(3):
        floor.call(leg=2 * call + 1)
        floor.world.run(10 * S)
    floor.caller.desk.talk_ns = 15 * S
    for call in range(3, 5):
        floor.call(leg=2 * call + 1)
        floor.world.run(30 * S)
    floor.settle()
    found = [fact.revenue_micros for fact in floor.exchange.of(CallClosed)]
    assert found == [0, 0, 0, 10 * MICROS, 0]


def test_a_leg_that_will_not_end_keeps_its_unit() -> None:
    plan = document(2, target={"concurrency": 1}, campaign={"ring_s": 5})
    floor = Floor([Buyer(None), Buyer()], plan=plan, caller=Caller(talk_ns=S))
    floor.call(leg=1)
    floor.world.run_until(lambda: floor.exchange.desk.counters["attempts"] == 2)
    desk = floor.exchange.desk
    floor.world.kill(floor.buyers[0])  # our CANCEL is never answered
    floor.world.run(5 * S)
    floor.call(leg=3)
    floor.world.run(8 * S)
    assert desk.market.balances.held[0] == 0  # money went back at once
    assert list(desk.units.values()) == ["target-000-0"]
    assert floor.exchange.of(CallClosed)[-1].buyer == "buyer-001"
    floor.settle()  # 64·T1 later the unit is back


def test_least_recently_won_takes_turns() -> None:
    plan = document(3, amount=lambda buyer, bid: "5.00")
    floor = Floor([Buyer() for _ in range(3)], plan=plan, caller=Caller(talk_ns=S))
    for call in range(9):
        floor.call(leg=2 * call + 1)
        floor.world.run(10 * S)
    floor.settle()
    buyers = [fact.buyer for fact in floor.exchange.of(CallClosed)]
    assert sorted(buyers[:3]) == ["buyer-000", "buyer-001", "buyer-002"]
    assert buyers[:3] == buyers[3:6] == buyers[6:]
