"""Numbers as dialled → E.164, by country rules and trunk rules; and outward again."""

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from vocabulary.number import DialRule, format_outward, normalise

US = DialRule()
GB = DialRule("44", "0", "00", 0)
DE = DialRule("49", "0", "00", 0)
FR = DialRule("33", "0", "00", 9)
STRIP = DialRule(strip="9")
TECH = DialRule(strip="1234#", add="+")
ADD = DialRule(add="1")

CASES = [
    (US, "+12125550100", "+12125550100"),
    (US, "2125550100", "+12125550100"),
    (US, "12125550100", "+12125550100"),
    (US, "(212) 555-0100", "+12125550100"),
    (US, "212.555.0100", "+12125550100"),
    (US, "2125550100;phone-context=+1", "+12125550100"),
    (US, "+1-212-555-0100;npdi;rn=+12125550000", "+12125550100"),
    (US, "011442071234567", "+442071234567"),
    (US, "+442071234567", "+442071234567"),
    (US, "911", "+1911"),
    (GB, "02071234567", "+442071234567"),
    (GB, "2071234567", "+442071234567"),
    (GB, "442071234567", "+442071234567"),
    (GB, "0012125550100", "+12125550100"),
    (DE, "030123456", "+4930123456"),
    (DE, "0049301234567", "+49301234567"),
    (FR, "0123456789", "+33123456789"),
    (FR, "123456789", "+33123456789"),
    (FR, "33123456789", "+33123456789"),
    (STRIP, "92125550100", "+12125550100"),
    (STRIP, "2125550100", "+12125550100"),
    (TECH, "1234#12125550100", "+12125550100"),
    (ADD, "2125550100", "+12125550100"),
]
NONE = ["", "+", "anonymous", "alice", "+1212555010x", "+12", "+1234567890123456", "+٢١٢٥٥٥٠١٠٠",
        "++12125550100", "+1 212 555 0100 ext 5", "*67", "+1²³", "\udcff"]


@pytest.mark.parametrize(("rule", "dialled", "expected"), CASES)
def test_table(rule: DialRule, dialled: str, expected: str) -> None:
    assert normalise(dialled, rule) == expected


@pytest.mark.parametrize("dialled", NONE)
def test_what_is_no_number(dialled: str) -> None:
    assert normalise(dialled, US) == ""


@seed(3)
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=24), st.sampled_from([US, GB, DE, FR, STRIP, TECH, ADD]))
def test_any_text_gives_a_number_or_nothing(dialled: str, rule: DialRule) -> None:
    found = normalise(dialled, rule)
    assert found == "" or (found[0] == "+" and found[1:].isascii() and found[1:].isdigit()
                           and 3 <= len(found) - 1 <= 15)


@seed(4)
@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=100, max_value=10**15 - 1))
def test_e164_stays_as_it_is(digits: int) -> None:
    for rule in (US, GB, DE, FR):
        assert normalise(f"+{digits}", rule) == f"+{digits}"


def test_outward_forms() -> None:
    assert format_outward("+12125550100", "e164", "99") == "+12125550100"
    assert format_outward("+12125550100", "digits", "99") == "12125550100"
    assert format_outward("+12125550100", "prefix", "99#") == "99#12125550100"
    with pytest.raises(AssertionError):
        format_outward("12125550100", "e164")
