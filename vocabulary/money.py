"""Money as integer micro-units of one currency; no float is ever involved.

1_000_000 micros are one unit (1 USD). Amounts are bounded by limits.money_micros_max.
"""

from typing import Annotated, NewType

from msgspec import Meta

from vocabulary import limits

MICROS_PER_UNIT = 1_000_000

Micros = Annotated[int, Meta(ge=0, le=limits.money_micros_max)]
SignedMicros = Annotated[int, Meta(ge=-limits.money_micros_max, le=limits.money_micros_max)]
Currency = NewType("Currency", str)


def parse_micros(text: str) -> int:
    """Micro-units of a decimal amount such as "12.5" or "-0.000001".

    At most six decimals. Raises ValueError that says what was expected.
    """
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, dot, part = digits.partition(".")
    if not _digits(whole) or (dot and not _digits(part)):
        raise ValueError(f"expected an amount such as 12.50, got {text!r}")
    if len(part) > 6:
        raise ValueError(f"at most six decimals, got {text!r}")
    micros = int(whole) * MICROS_PER_UNIT + int(part.ljust(6, "0"))
    if micros > limits.money_micros_max:
        raise ValueError(f"amount above {limits.money_micros_max // MICROS_PER_UNIT}: {text!r}")
    return sign * micros


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def format_micros(micros: int) -> str:
    """Decimal text of an amount, at least two decimals: 12_500_000 → "12.50"."""
    sign = "-" if micros < 0 else ""
    whole, part = divmod(abs(micros), MICROS_PER_UNIT)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{decimals}"


def share_micros(amount_micros: int, basis_points: int) -> int:
    """floor(amount × basis points / 10,000); the rest stays with the exchange."""
    assert 0 <= basis_points <= 10_000
    assert amount_micros >= 0
    return amount_micros * basis_points // 10_000
