"""Money: decimal text to micro-units and back, bounds, shares. No float anywhere."""

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from vocabulary import limits
from vocabulary.money import format_micros, parse_micros, share_micros

MAX = limits.money_micros_max


@seed(5)
@settings(max_examples=500, deadline=None)
@given(st.integers(min_value=-MAX, max_value=MAX))
def test_round_trip(micros: int) -> None:
    assert parse_micros(format_micros(micros)) == micros


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0", 0), ("0.00", 0), ("-0", 0), ("1", 10**6), ("12.5", 12_500_000), ("0.000001", 1),
     ("-0.000001", -1), ("00012.50", 12_500_000), ("1000000000", MAX), ("-1000000000", -MAX)],
)
def test_text_to_micros(text: str, micros: int) -> None:
    assert parse_micros(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".5", "+1", "--1", "1e3", "1,000", " 1", "1 ", "0x10", "1_000", "NaN", "inf",
     "1.0000001", "1000000000.000001", "9" * 40, "١٢", "1.²", "-", "$1"],
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        parse_micros(text)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00"), (12_500_000, "12.50"), (1, "0.000001"), (-1, "-0.000001"), (100, "0.0001"),
     (-12_340_000, "-12.34"), (MAX, "1000000000.00")],
)
def test_micros_to_text(micros: int, text: str) -> None:
    assert format_micros(micros) == text


@seed(6)
@settings(max_examples=300, deadline=None)
@given(st.integers(0, MAX), st.integers(0, 10_000))
def test_a_share_is_floored_and_never_above_the_whole(amount: int, points: int) -> None:
    share = share_micros(amount, points)
    assert 0 <= share <= amount
    assert share * 10_000 <= amount * points < (share + 1) * 10_000


@pytest.mark.parametrize(("amount", "points"), [(-1, 10), (1, -1), (1, 10_001)])
def test_a_share_of_nonsense_is_a_bug(amount: int, points: int) -> None:
    with pytest.raises(AssertionError):
        share_micros(amount, points)
