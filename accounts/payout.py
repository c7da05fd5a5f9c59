"""What a call costs its buyer and earns its publisher, from frozen terms. Integers only."""

from accounts.terms import PayoutKind, Terms
from vocabulary.money import share_micros


def revenue_micros(terms: Terms, price_micros: int, connected_ns: int) -> int:
    """What the buyer pays: the price if the call qualified, else 0 (rule 28).

    Qualified iff connected_ns ≥ qualify_ns; a call never connected has connected_ns = 0 and
    is never charged, whatever the threshold: the caller passes 0 < connected_ns or says so.
    """
    return price_micros if connected_ns >= terms.qualify_ns else 0


def payout_micros(terms: Terms, revenue: int, connected_ns: int) -> int:
    """What the publisher earns: fixed amount or floor share of revenue, on its own threshold."""
    if terms.payout_kind == PayoutKind.NONE or connected_ns < terms.payout_qualify_ns:
        return 0
    if terms.payout_kind == PayoutKind.FIXED:
        return terms.payout_micros
    return share_micros(revenue, terms.payout_basis_points)
