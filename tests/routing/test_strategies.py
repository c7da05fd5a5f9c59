"""Strategies: shares by weight, strict priority, turns without bursts."""

from array import array
from collections import Counter
from math import log2
from random import Random
from typing import Any

import pytest

from routing.plan import Plan
from routing.slots import Slots
from routing.strategies import PriorityWeight, RoundRobin, Strategy, make_strategies
from routing.strategies.priority_weight import LOG_TABLE, negative_log2
from tests.routing.plans import running, written_plan
from vocabulary.facts import Turn
from vocabulary.ids import keyed_hash
from vocabulary.limits import score_max


def weighted_plan(weights: list[int], priorities: list[int] | None = None) -> Plan:
    """A plan with one target per weight, in slot order."""
    document: dict[str, Any] = written_plan(len(weights))
    for index, target in enumerate(document["targets"]):
        target["weight"] = weights[index]
        target["priority"] = priorities[index] if priorities else 1
    return running(document)


def best(strategy: Strategy, plan: Plan, verdicts: "array[int]", key: int = 0) -> int:
    """Slot of the highest score among eligible targets."""
    campaign = plan.campaigns["auto"]
    scores = strategy.scores(campaign, plan, verdicts, key)
    assert scores is not None
    assert all(0 < scores[slot] <= score_max for slot in campaign.targets if verdicts[slot] == 255)
    return max((slot for slot in campaign.targets if verdicts[slot] == 255), key=scores.__getitem__)


def turns(strategy: RoundRobin, plan: Plan, verdicts: "array[int]", count: int) -> str:
    """Winners of so many calls, as letters."""
    found = ""
    for _ in range(count):
        slot = best(strategy, plan, verdicts)
        strategy.won(plan.campaigns["auto"], slot)
        found += "abcdefghij"[slot]
    return found


def everyone(plan: Plan) -> "array[int]":
    """Verdicts in which all targets are eligible."""
    return array("B", [255]) * len(plan.target_static)


def test_round_robin_gives_the_proven_sequence() -> None:
    plan = weighted_plan([5, 1, 1])
    assert turns(RoundRobin(), plan, everyone(plan), 14) == "aabacaa" * 2


def test_equal_weights_take_turns() -> None:
    plan = weighted_plan([1, 1, 1])
    assert turns(RoundRobin(), plan, everyone(plan), 9) == "abc" * 3


def test_round_robin_shares_are_exact_each_period() -> None:
    weights = [7, 3, 2, 1]
    plan = weighted_plan(weights)
    found = turns(RoundRobin(), plan, everyone(plan), 130)
    for period in range(10):
        counts = Counter(found[13 * period : 13 * period + 13])
        assert [counts[letter] for letter in "abcd"] == weights


def test_a_target_that_was_away_does_not_catch_up_in_a_burst() -> None:
    plan = weighted_plan([1, 1, 1])
    strategy = RoundRobin()
    verdicts = everyone(plan)
    verdicts[2] = 0
    assert set(turns(strategy, plan, verdicts, 50)) == {"a", "b"}
    verdicts[2] = 255
    back = turns(strategy, plan, verdicts, 30)
    assert Counter(back) == {"a": 10, "b": 10, "c": 10}
    assert "ccc" not in back


def test_a_target_without_a_bid_does_not_save_credit() -> None:
    plan = weighted_plan([1, 1, 1])
    strategy = RoundRobin()
    campaign = plan.campaigns["auto"]
    verdicts = everyone(plan)
    for _ in range(1_000):  # target c is eligible and never has a bid that stands
        scores = strategy.scores(campaign, plan, verdicts, 0)
        assert scores is not None
        strategy.won(campaign, max((0, 1), key=scores.__getitem__))
    credits = [turn.credit for turn in strategy.moved(slots_of(plan), 100)]
    assert credits
    assert max(map(abs, credits)) <= 9
    assert "cccc" not in turns(strategy, plan, verdicts, 30)


def slots_of(plan: Plan) -> Slots:
    """Slots in which a plan's targets stand as they do in the plan."""
    slots = Slots()
    for target in plan.target_by_slot:
        assert target is not None
        slots.slot("target", target.id)
    return slots


def test_round_robin_goes_on_after_a_restart() -> None:
    plan = weighted_plan([5, 1, 1])
    slots = slots_of(plan)
    first = RoundRobin()
    begun = turns(first, plan, everyone(plan), 3)
    second = RoundRobin()
    second.restore(credits_of(first.moved(slots, 100)), slots)
    assert second.moved(slots, 100) == ()
    assert begun + turns(second, plan, everyone(plan), 4) == "aabacaa"


def credits_of(told: tuple[Turn, ...]) -> dict[str, dict[str, int]]:
    """Turns as a replay keeps them."""
    found: dict[str, dict[str, int]] = {}
    for turn in told:
        found.setdefault(turn.campaign, {})[turn.target] = turn.credit
    return found


def test_turns_are_told_once_and_in_portions() -> None:
    plan = weighted_plan([5, 1, 1])
    slots = slots_of(plan)
    strategy = RoundRobin()
    assert strategy.moved(slots, 100) == ()
    turns(strategy, plan, everyone(plan), 2)
    portions = [strategy.moved(slots, 2) for _ in range(3)]
    assert [len(portion) for portion in portions] == [2, 1, 0]
    credits = credits_of(portions[0] + portions[1])["auto"]
    assert sum(credits.values()) == 0
    turns(strategy, plan, everyone(plan), 7)  # one whole round: everybody where they were
    assert strategy.moved(slots, 100) == ()


def test_a_win_after_a_change_of_plan_is_let_go() -> None:
    plan = weighted_plan([1, 1])
    strategy = RoundRobin()
    strategy.won(plan.campaigns["auto"], 1)  # scored by another strategy before the change
    verdicts = everyone(plan)
    verdicts[1] = 0
    assert best(strategy, plan, verdicts) == 0
    strategy.won(plan.campaigns["auto"], 1)  # not in the last scoring
    strategy.won(plan.campaigns["auto"], 99)  # a target that came with a later plan
    assert strategy.moved(slots_of(plan), 100) == ()


def test_priority_is_strict() -> None:
    plan = weighted_plan([1, 1_000, 1_000], [1, 2, 3])
    strategy = PriorityWeight()
    verdicts = everyone(plan)
    for key in range(200):
        assert best(strategy, plan, verdicts, keyed_hash(b"k", bytes([key]))) == 0
    verdicts[0] = 6
    assert best(strategy, plan, verdicts, 1) == 1


@pytest.mark.parametrize("weights", [[1, 1], [9, 1], [70, 20, 10], [1_000, 1, 500]])
def test_the_first_place_is_shared_by_weight(weights: list[int]) -> None:
    plan = weighted_plan(weights)
    strategy = PriorityWeight()
    verdicts = everyone(plan)
    draws = 6_000
    wins = Counter(
        best(strategy, plan, verdicts, keyed_hash(b"auction", call.to_bytes(4, "big")))
        for call in range(draws)
    )
    for slot, weight in enumerate(weights):
        share = weight / sum(weights)
        # four standard deviations: a wrong share fails, the fixed keys never do by chance
        tolerance = 4 * (share * (1 - share) / draws) ** 0.5
        assert abs(wins[slot] / draws - share) <= tolerance


def test_the_second_place_is_shared_among_those_left() -> None:
    plan = weighted_plan([2, 1, 1])
    strategy = PriorityWeight()
    seconds = Counter[int]()
    for call in range(4_000):
        scores = strategy.scores(
            plan.campaigns["auto"], plan, everyone(plan), keyed_hash(b"x", call.to_bytes(4, "big"))
        )
        assert scores is not None
        order = sorted(range(3), key=scores.__getitem__, reverse=True)
        if order[0] == 0:
            seconds[order[1]] += 1
    assert abs(seconds[1] / seconds.total() - 0.5) < 0.05


def test_the_same_key_gives_the_same_order() -> None:
    plan = weighted_plan([3, 2, 1])
    one = PriorityWeight().scores(plan.campaigns["auto"], plan, everyone(plan), 42)
    two = PriorityWeight().scores(plan.campaigns["auto"], plan, everyone(plan), 42)
    assert one is not None
    assert two is not None
    assert list(one) == list(two)
    assert len(set(one)) == 3


def test_the_integer_logarithm_is_close() -> None:
    random = Random(7)
    values = [random.getrandbits(64) for _ in range(3_000)] + [0, 1, 2, 3, 2**64 - 1, 2**63]
    values += [random.getrandbits(64) >> shift for shift in range(64)]
    for mixed in values:
        found = negative_log2(mixed, LOG_TABLE)
        exact = 63 - log2(mixed >> 1 | 1)
        assert 0 < found <= 2**30
        assert abs(found / 2**24 - exact) < 2**-18


def test_the_auction_leaves_the_order_to_the_engine() -> None:
    plan = weighted_plan([1])
    strategy = make_strategies()["auction"]
    assert strategy.scores(plan.campaigns["auto"], plan, everyone(plan), 1) is None
    strategy.won(plan.campaigns["auto"], 0)
    assert sorted(make_strategies()) == ["auction", "priority_weight", "round_robin"]
