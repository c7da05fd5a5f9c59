"""What a call costs its buyer and earns its publisher, from frozen terms. Integers only."""

from accounts.terms import PayoutKind, Terms
from vocabulary.money import share_micros

_NONE = int(PayoutKind.NONE)
_FIXED = int(PayoutKind.FIXED)


def is_qualified(terms: Terms, connected_ns: int) -> bool:
    """Whether the buyer is charged: connected_ns ≥ N·10⁹, and connected at all (rule 28)."""
    return connected_ns >= terms.qualify_ns and connected_ns > 0


def revenue_micros(terms: Terms, price_micros: int, connected_ns: int) -> int:
    """What the buyer pays: the price if the call qualified, else 0 (rule 28)."""
    return price_micros if is_qualified(terms, connected_ns) else 0


def payout_micros(terms: Terms, revenue: int, connected_ns: int) -> int:
    """What the publisher earns: fixed amount or floor share of revenue, on its own threshold."""
    if terms.payout_kind == _NONE or connected_ns <= 0:
        return 0
    if connected_ns < terms.payout_qualify_ns:
        return 0
    if terms.payout_kind == _FIXED:
        return terms.payout_micros
    return share_micros(revenue, terms.payout_basis_points)
