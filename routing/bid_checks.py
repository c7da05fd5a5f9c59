"""Checks of one written standing bid against the rest of its plan."""

from routing.source_structs import BidSource
from routing.written_checks import Checks
from routing.written_time import parse_instant_s
from vocabulary import limits


def check_bid(checks: Checks, path: str, bid: BidSource) -> None:
    """Append the mistakes of one bid: references, money, hours, expiry, currency."""
    checks.reference(f"{path}.buyer", "buyers", bid.buyer)
    checks.reference(f"{path}.target", "targets", bid.target)
    owner = checks.buyer_of_target.get(bid.target)
    if owner is not None and owner != bid.buyer:
        checks.fail(f"{path}.target", f"target {bid.target!r} belongs to buyer {owner!r}")
    if checks.amount(f"{path}.amount", bid.amount, limits.price_micros_max) == 0:
        checks.fail(f"{path}.amount", "must be above 0")
    if bid.budget is not None:
        checks.amount(f"{path}.budget", bid.budget, limits.money_micros_max)
    if bid.expires is not None:
        checks.parsed(f"{path}.expires", parse_instant_s, bid.expires)
    if bid.currency is not None and bid.currency != checks.currency and checks.currency:
        message = f"{bid.currency} in a plan of {checks.currency}: one plan, one currency"
        checks.fail(f"{path}.currency", message)
    hours = bid.criteria.hours
    if hours is None:
        return
    if hours.zone not in ("caller", "buyer"):
        checks.zone(f"{path}.criteria.hours.zone", hours.zone)
    for index, entry in enumerate(hours.open):
        checks.hours(f"{path}.criteria.hours.open[{index}]", entry, whole=True)
