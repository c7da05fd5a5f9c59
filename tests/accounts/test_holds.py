"""Holds: granted within the money, given back once, committed with a charge of at most the hold."""

import random

import pytest

from accounts.holds import Balances
from vocabulary import limits
from vocabulary.errors import LocalProtocolError


def balances(*micros: int, credit: int = 0) -> Balances:
    """Buyers with these balances."""
    found = Balances()
    found.grow(len(micros))
    for slot, amount in enumerate(micros):
        found.credit_balance(slot, amount)
        found.set_credit(slot, credit)
    return found


def test_a_hold_is_granted_up_to_the_last_micro() -> None:
    money = balances(100, credit=50)
    assert money.hold(0, 150)
    assert not money.hold(0, 1)
    assert (money.available[0], money.held[0], money.holds_live) == (0, 150, 1)
    money.release(0, 150)
    assert (money.available[0], money.held[0], money.holds_live) == (150, 0, 0)


def test_a_charge_is_at_most_the_hold() -> None:
    money = balances(100)
    assert money.hold(0, 60)
    with pytest.raises(LocalProtocolError):
        money.commit(0, 60, 61)
    with pytest.raises(LocalProtocolError):
        money.commit(0, 60, -1)
    money.commit(0, 60, 45)
    assert (money.balance[0], money.available[0], money.held[0]) == (55, 55, 0)


def test_a_second_release_is_a_bug() -> None:
    money = balances(100)
    assert money.hold(0, 60)
    money.release(0, 60)
    with pytest.raises(LocalProtocolError):
        money.release(0, 60)
    with pytest.raises(LocalProtocolError):
        money.release(0, 0)  # no hold is live
    assert (money.available[0], money.holds_live) == (100, 0)


def test_a_lower_credit_limit_grants_nothing_until_money_comes() -> None:
    money = balances(0, credit=100)
    assert money.hold(0, 80)
    money.set_credit(0, 10)
    assert money.available[0] == -70
    assert not money.hold(0, 1)
    money.credit_balance(0, 71)
    assert money.hold(0, 1)


def test_balances_are_bounded_both_ways() -> None:
    money = balances(0)
    money.credit_balance(0, limits.money_micros_max)
    for amount in (1, -2 * limits.money_micros_max - 1):
        with pytest.raises(LocalProtocolError):
            money.credit_balance(0, amount)
    assert money.balance[0] == limits.money_micros_max


def test_slots_grow_and_keep_what_they_hold() -> None:
    money = balances(7)
    assert money.hold(0, 3)
    money.grow(5)
    money.grow(2)
    assert list(money.available) == [4, 0, 0, 0, 0]
    assert not money.hold(4, 1)


def test_publishers_are_owed_the_sum() -> None:
    money = balances()
    money.owe_publisher("p", 3)
    money.owe_publisher("p", 4)
    assert money.pending == {"p": 7}


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_keeps_the_books(seed: int) -> None:
    print("seed", seed)
    chance = random.Random(seed)
    money = balances(1_000, 1_000, credit=200)
    live: list[tuple[int, int]] = []
    charged = [0, 0]
    for _ in range(2_000):
        slot, amount = chance.randrange(2), chance.randrange(300)
        could = money.available[slot] >= amount
        if chance.random() < 0.5:
            granted = money.hold(slot, amount)
            assert granted == could
            if granted:
                live.append((slot, amount))
        elif live:
            slot, amount = live.pop(chance.randrange(len(live)))
            charge = chance.randrange(amount + 1) if chance.random() < 0.5 else 0
            if chance.random() < 0.5:
                money.release(slot, amount)
            else:
                money.commit(slot, amount, charge)
                charged[slot] += charge
        for at in range(2):
            assert money.held[at] == sum(micros for owner, micros in live if owner == at)
            assert money.balance[at] == 1_000 - charged[at]
            assert money.available[at] == money.balance[at] + 200 - money.held[at] >= 0
        assert money.holds_live == len(live)
