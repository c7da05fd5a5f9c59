"""Top-ups: once for each key, refused without a trace, bounded."""

from typing import Any

import pytest

from exchange.desk import Desk
from exchange.market import Market
from tests.exchange.trading import MICROS, OFFSET_NS, DeskWithDisk, document
from tests.sim.wire import S
from vocabulary import limits
from vocabulary.commands import TopUp
from vocabulary.errors import CommandRefused
from vocabulary.facts import LedgerAccount, TopUpPosted

NOW_NS = 9 * S


def top_up(**changes: Any) -> TopUp:
    """Fifty dollars for buyer 0, changed."""
    return TopUp(**{"account": "buyer-000", "amount_micros": 50 * MICROS, "currency": "USD",
                    "idempotency_key": "k1", **changes})


def test_a_top_up_posts_two_lines_and_one_balance() -> None:
    kept = DeskWithDisk(document(2))
    done = kept.desk.perform(top_up(), NOW_NS)
    kept.keep(NOW_NS)
    assert (done.balance_micros, done.repeated) == (50 * MICROS, False)
    (fact,) = kept.of(TopUpPosted)
    assert fact.top_up_id == done.top_up_id
    assert fact.wall_ns == NOW_NS + OFFSET_NS
    assert [(line.account, line.owner, line.amount_micros) for line in fact.postings] == [
        (LedgerAccount.BANK, "", 50 * MICROS), (LedgerAccount.BUYER, "buyer-000", -50 * MICROS)]
    assert kept.replayed().state.balances == {"buyer-000": 50 * MICROS}


def test_the_same_key_again_posts_nothing() -> None:
    kept = DeskWithDisk(document(2))
    first = kept.desk.perform(top_up(), NOW_NS)
    kept.keep(NOW_NS)
    for _ in range(3):
        again = kept.desk.perform(top_up(), NOW_NS + S)
        assert again.top_up_id == first.top_up_id
        assert again.repeated
    kept.keep(NOW_NS)
    assert len(kept.of(TopUpPosted)) == 1
    assert kept.desk.market.balances.balance[0] == 50 * MICROS
    kept.desk.perform(top_up(idempotency_key="k2"), NOW_NS)
    assert kept.desk.market.balances.balance[0] == 100 * MICROS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"account": "nobody"}, "account_unknown"),
        ({"account": "pub"}, "account_unknown"),
        ({"currency": "EUR"}, "currency_differs"),
        ({"amount_micros": limits.money_micros_max}, "amount_too_large"),
        ({"idempotency_key": "used", "amount_micros": 6 * MICROS}, "key_reused"),
        ({"idempotency_key": "used", "account": "buyer-001", "amount_micros": 5 * MICROS},
         "key_reused"),
    ],
)
def test_refusals_leave_no_trace(changes: dict[str, Any], code: str) -> None:
    kept = DeskWithDisk(document(2))
    desk = kept.desk
    desk.perform(top_up(idempotency_key="used", amount_micros=5 * MICROS), NOW_NS)
    before = (desk.seq, dict(desk.top_ups), list(desk.market.balances.balance))
    with pytest.raises(CommandRefused) as refused:
        desk.perform(top_up(**changes), NOW_NS)
    assert refused.value.code == code
    assert (desk.seq, desk.top_ups, list(desk.market.balances.balance)) == before


def test_without_a_plan_there_is_no_account() -> None:
    desk = Desk(Market(), secret=b"s" * 32, pepper=b"p" * 32, next_seq=1, offset_ns=0)
    with pytest.raises(CommandRefused, match="account_unknown"):
        desk.perform(top_up(), NOW_NS)


def test_a_balance_reaches_its_bound_and_not_beyond() -> None:
    kept = DeskWithDisk(document(1))
    kept.desk.perform(top_up(amount_micros=limits.money_micros_max), NOW_NS)
    with pytest.raises(CommandRefused, match="amount_too_large"):
        kept.desk.perform(top_up(amount_micros=1, idempotency_key="k2"), NOW_NS)
    assert kept.desk.market.balances.balance[0] == limits.money_micros_max


def test_remembered_keys_are_bounded() -> None:
    kept = DeskWithDisk(document(1))
    seen = (b"i" * 16, "buyer-000", 50 * MICROS)
    kept.desk.top_ups.update((str(n), seen) for n in range(limits.idempotency_keys_max))
    with pytest.raises(CommandRefused, match="keys_full") as refused:
        kept.desk.perform(top_up(), NOW_NS)
    assert refused.value.retry
    assert kept.desk.perform(top_up(idempotency_key="7"), NOW_NS).repeated


def test_a_top_up_frees_the_next_call() -> None:
    kept = DeskWithDisk(document(1, credit_limit="0.00"))
    assert kept.desk.market.balances.available[0] == 0
    kept.top_up("buyer-000", 10)
    assert kept.desk.market.balances.available[0] == 10 * MICROS
