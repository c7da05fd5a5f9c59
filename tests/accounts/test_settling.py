"""Terms, price, payout and double entry of a settled call (exchange rules 28 and 29)."""

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from accounts.ledger import call_postings, check_postings, top_up_postings
from accounts.payout import is_qualified, payout_micros, revenue_micros
from accounts.terms import PayoutKind, Terms, unpack_terms
from vocabulary.errors import LocalProtocolError
from vocabulary.facts import LedgerAccount, Posting

S = 1_000_000_000


def terms(qualify_s: int = 10, kind: PayoutKind = PayoutKind.SHARE, fixed: int = 0,
          points: int = 7_000, payout_s: int = 10) -> Terms:
    """Terms in seconds."""
    return Terms(qualify_s * S, kind, fixed, points, payout_s * S)


@pytest.mark.parametrize(
    ("connected_ns", "revenue"),
    [(0, 0), (1, 0), (10 * S - 1, 0), (10 * S, 500), (10 * S + 1, 500), (86_400 * S, 500)],
)
def test_qualified_from_the_last_nanosecond_on(connected_ns: int, revenue: int) -> None:
    assert revenue_micros(terms(), 500, connected_ns) == revenue
    assert is_qualified(terms(), connected_ns) == (revenue > 0)


@pytest.mark.parametrize("kind", list(PayoutKind))
def test_a_call_that_never_talked_costs_and_earns_nothing(kind: PayoutKind) -> None:
    free = terms(0, kind, fixed=99, payout_s=0)
    assert not is_qualified(free, 0)
    assert revenue_micros(free, 500, 0) == payout_micros(free, 0, 0) == 0
    assert revenue_micros(free, 500, 1) == 500


@pytest.mark.parametrize(
    ("kind", "connected_ns", "payout"),
    [(PayoutKind.NONE, 60 * S, 0), (PayoutKind.FIXED, 60 * S, 33), (PayoutKind.FIXED, 9 * S, 0),
     (PayoutKind.SHARE, 60 * S, 349), (PayoutKind.SHARE, 9 * S, 0)],
)
def test_payout_kinds(kind: PayoutKind, connected_ns: int, payout: int) -> None:
    assert payout_micros(terms(kind=kind, fixed=33), 499, connected_ns) == payout


def test_each_side_has_its_own_threshold() -> None:
    early = terms(qualify_s=60, kind=PayoutKind.FIXED, fixed=33, payout_s=10)
    assert (revenue_micros(early, 500, 20 * S), payout_micros(early, 0, 20 * S)) == (0, 33)
    late = terms(qualify_s=10, payout_s=60)
    assert (revenue_micros(late, 500, 20 * S), payout_micros(late, 500, 20 * S)) == (500, 0)


@seed(9)
@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**12), st.integers(0, 10_000), st.integers(0, 10**11))
def test_a_share_is_never_more_than_the_revenue(price: int, points: int, connected_ns: int) -> None:
    frozen = terms(points=points)
    revenue = revenue_micros(frozen, price, connected_ns)
    payout = payout_micros(frozen, revenue, connected_ns)
    assert 0 <= payout <= revenue <= price
    lines = call_postings("b", revenue, "p", payout)
    check_postings(lines)
    assert len(lines) == 2 * (revenue > 0) + 2 * (payout > 0)


def test_terms_travel_as_five_integers() -> None:
    for kind in PayoutKind:
        frozen = terms(kind=kind, fixed=5)
        packed = frozen.packed()
        assert all(type(value) is int for value in packed)
        assert unpack_terms(packed) == frozen


def test_lines_of_a_call() -> None:
    assert call_postings("b", 10, "p", 7) == (
        Posting(LedgerAccount.BUYER, "b", 10), Posting(LedgerAccount.REVENUE, "", -10),
        Posting(LedgerAccount.PAYOUT_COST, "", 7),
        Posting(LedgerAccount.PUBLISHER_PENDING, "p", -7))
    assert call_postings("b", 0, "p", 0) == ()


def test_lines_of_a_top_up() -> None:
    lines = top_up_postings("b", 10)
    check_postings(lines)
    assert lines[1] == Posting(LedgerAccount.BUYER, "b", -10)
    with pytest.raises(AssertionError):
        top_up_postings("b", 0)


def test_lines_that_do_not_sum_to_zero_are_a_bug() -> None:
    with pytest.raises(LocalProtocolError, match="sum to 3 micros"):
        check_postings([Posting(LedgerAccount.BANK, "", 3)])
    check_postings([])
