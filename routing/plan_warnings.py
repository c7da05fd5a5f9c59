"""What is allowed in a plan and yet is likely a mistake; each warning says what it exposes."""

from routing.area import AreaTable
from routing.source_structs import CampaignSource, PlanSource
from routing.written_checks import amount_micros
from routing.written_time import parse_instant_s
from vocabulary.money import format_micros


def plan_warnings(source: PlanSource, areas: AreaTable, now_s: int) -> list[str]:
    """Warnings as "path: message", in the order of the plan."""
    found: list[str] = []
    for index, campaign in enumerate(source.campaigns):
        found += _threshold(f"campaigns[{index}]", campaign, source.currency)
    states = {area.state for area in areas.areas()}
    for index, bid in enumerate(source.bids):
        path = f"bids[{index}]"
        if bid.expires is not None and parse_instant_s(bid.expires) <= now_s:
            found.append(f"{path}.expires: {bid.expires} is past, the bid never stands")
        for position, state in enumerate(bid.criteria.states):
            if state not in states:
                found.append(
                    f"{path}.criteria.states[{position}]: no area code has state {state!r}"
                )
    return found


def _threshold(path: str, campaign: CampaignSource, currency: str) -> list[str]:
    """A call between the publisher's and the buyer's threshold is paid and never charged."""
    payout = campaign.payout
    buyer_s = campaign.terms.qualify_s
    if payout.kind == "none" or payout.qualify_s is None or payout.qualify_s >= buyer_s:
        return []
    cost = "have no revenue to share"
    if payout.kind == "fixed":
        cost = f"cost {format_micros(amount_micros(payout.amount or 0))} {currency} each"
    return [
        f"{path}.payout.qualify_s: the publisher earns from {payout.qualify_s} s, the buyer pays"
        f" from {buyer_s} s: calls of {payout.qualify_s} to {buyer_s - 1} s {cost}"
    ]
