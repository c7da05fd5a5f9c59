"""Checks of a plan that need more than one field: references, money, time, terms.

Every check appends (path, message) and goes on, so that a person sees all mistakes at once.
An entry that did not convert is None here and is skipped: it has its own error already.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from routing.address import parse_host, parse_host_port, parse_sip_uri
from routing.bid_checks import check_bid
from routing.source_reading import Draft, ErrorList
from routing.source_structs import (
    BuyerSource,
    CampaignSource,
    GatewaySource,
    NumberSource,
    PublisherSource,
    ScheduleSource,
    TargetSource,
    TrunkSource,
)
from routing.trunk import parse_network
from routing.written_checks import Checks
from routing.written_time import parse_date
from vocabulary import limits

# Numbers and bids have bounds of their own; everything else together has this one.
COUNTED = ("trunks", "publishers", "buyers", "gateways", "schedules", "targets", "campaigns")


def check_source(draft: Draft, errors: ErrorList) -> None:
    """Append every mistake of a draft that the types alone do not show."""
    checks = Checks(draft, errors)
    _check_size(checks, draft)
    for section in (*COUNTED, "bids"):
        _check_duplicates(checks, draft, section, "id")
    _check_duplicates(checks, draft, "numbers", "number")
    per_entry: dict[str, Callable[[Checks, str, Any], None]] = {
        "publishers": _check_publisher,
        "buyers": _check_buyer,
        "gateways": _check_gateway,
        "schedules": _check_schedule,
        "targets": _check_target,
        "campaigns": _check_campaign,
        "numbers": _check_number,
        "bids": check_bid,
    }
    for section, check in per_entry.items():
        for index, entry in enumerate(draft.sections.get(section, [])):
            if entry is not None:
                check(checks, f"{section}[{index}]", entry)
    _check_trunks(checks, draft.sections.get("trunks", []))
    _check_bids_per_buyer(checks, draft)


def _check_size(checks: Checks, draft: Draft) -> None:
    total = sum(len(draft.sections.get(section, [])) for section in COUNTED)
    if total > limits.plan_objects_max:
        checks.fail("plan", f"{total} objects, at most {limits.plan_objects_max}")


def _check_duplicates(checks: Checks, draft: Draft, section: str, field: str) -> None:
    seen: dict[str, int] = {}
    for index, entry in enumerate(draft.sections.get(section, [])):
        if entry is None:
            continue
        value = getattr(entry, field)
        first = seen.setdefault(value, index)
        if first != index:
            where = f"{section}[{first}]"
            checks.fail(f"{section}[{index}].{field}", f"{value!r} is already at {where}")


def _check_publisher(checks: Checks, path: str, publisher: PublisherSource) -> None:
    checks.zone(f"{path}.zone", publisher.zone)


def _check_buyer(checks: Checks, path: str, buyer: BuyerSource) -> None:
    checks.zone(f"{path}.zone", buyer.zone)
    checks.amount(f"{path}.credit_limit", buyer.credit_limit, limits.money_micros_max)


def _check_gateway(checks: Checks, path: str, gateway: GatewaySource) -> None:
    if gateway.prefix and gateway.number_format != "prefix":
        checks.fail(f"{path}.prefix", "needs number_format: prefix")
    checks.parsed(f"{path}.host", parse_host, gateway.host)


def _check_schedule(checks: Checks, path: str, schedule: ScheduleSource) -> None:
    checks.zone(f"{path}.zone", schedule.zone)
    for index, hours in enumerate(schedule.open):
        checks.hours(f"{path}.open[{index}]", hours)
    for index, date in enumerate(schedule.closed):
        checks.parsed(f"{path}.closed[{index}]", parse_date, date)


def _check_target(checks: Checks, path: str, target: TargetSource) -> None:
    checks.reference(f"{path}.buyer", "buyers", target.buyer)
    checks.optional_reference(f"{path}.schedule", "schedules", target.schedule)
    checks.optional_zone(f"{path}.caps.zone", target.caps.zone)
    checks.references(f"{path}.gateways", "gateways", target.gateways)
    unread = checks.is_broken(f"{path}.uri") or checks.is_broken(f"{path}.number")
    if (target.uri is None) == (target.number is None) and not unread:
        checks.fail(path, "needs either uri or number, exactly one of them")
    if target.uri is not None:
        checks.parsed(f"{path}.uri", parse_sip_uri, target.uri)
        if target.gateways:
            checks.fail(f"{path}.gateways", "only a target with a number is dialled by gateways")
    elif target.number is not None and not target.gateways:
        checks.fail(f"{path}.gateways", "a number needs at least one gateway")


def _check_campaign(checks: Checks, path: str, campaign: CampaignSource) -> None:
    if campaign.targets != "all":
        checks.references(f"{path}.targets", "targets", campaign.targets)
    checks.optional_reference(f"{path}.schedule", "schedules", campaign.schedule)
    checks.optional_zone(f"{path}.caps.zone", campaign.caps.zone)
    checks.amount(f"{path}.increment", campaign.increment, limits.price_micros_max)
    floor = checks.amount(f"{path}.floor", campaign.floor, limits.price_micros_max)
    if campaign.price == "second":
        if campaign.strategy != "auction":
            checks.fail(f"{path}.price", "second price needs strategy: auction")
        if floor == 0:
            checks.fail(f"{path}.floor", "second price needs a floor above 0")
    _check_times(checks, path, campaign)
    _check_payout(checks, f"{path}.payout", campaign)


def _check_times(checks: Checks, path: str, campaign: CampaignSource) -> None:
    """One attempt fits into the ladder, the ladder into the set-up."""
    names = ("no_response_s", "ring_s", "ladder_s", "setup_s")
    for shorter, longer in pairwise(names):
        if getattr(campaign, shorter) > getattr(campaign, longer):
            checks.fail(
                f"{path}.{shorter}",
                f"{getattr(campaign, shorter)} s is longer than {longer}, "
                f"{getattr(campaign, longer)} s",
            )


def _check_payout(checks: Checks, path: str, campaign: CampaignSource) -> None:
    payout = campaign.payout
    if checks.is_broken(f"{path}.kind"):
        return
    wanted = {"fixed": "amount", "share": "basis_points"}.get(payout.kind)
    for name in ("amount", "basis_points"):
        given = getattr(payout, name) is not None
        if given and name != wanted:
            checks.fail(f"{path}.{name}", f"has no meaning for kind: {payout.kind}")
        elif not given and name == wanted:
            checks.fail(f"{path}.{name}", f"missing, needed for kind: {payout.kind}")
    if payout.amount is not None:
        checks.amount(f"{path}.amount", payout.amount, limits.price_micros_max)


def _check_number(checks: Checks, path: str, number: NumberSource) -> None:
    checks.reference(f"{path}.campaign", "campaigns", number.campaign)
    checks.reference(f"{path}.publisher", "publishers", number.publisher)


def _check_trunks(checks: Checks, trunks: list[TrunkSource | None]) -> None:
    """Networks are read, and no network may lead to two trunks."""
    owners: dict[tuple[int, int, int], str] = {}
    for index, trunk in enumerate(trunks):
        if trunk is None:
            continue
        path = f"trunks[{index}]"
        if trunk.advertise is not None:
            checks.parsed(f"{path}.advertise", parse_host_port, trunk.advertise)
        for key in trunk.tags:
            if not key.removeprefix("uri:").replace("-", "").replace("_", "").isalnum():
                checks.fail(f"{path}.tags.{key}", "expected a header name or uri:PARAM")
        for position, written in enumerate(trunk.networks):
            where = f"{path}.networks[{position}]"
            network = checks.parsed(where, parse_network, written)
            if network is not None and network in owners:
                checks.fail(where, f"{written} is already at {owners[network]}")
            elif network is not None:
                owners[network] = where


def _check_bids_per_buyer(checks: Checks, draft: Draft) -> None:
    counts: dict[str, int] = {}
    for bid in draft.sections.get("bids", []):
        if bid is not None:
            counts[bid.buyer] = counts.get(bid.buyer, 0) + 1
    for buyer, count in counts.items():
        if count > limits.bids_per_buyer_max:
            message = f"buyer {buyer!r} has {count}, at most {limits.bids_per_buyer_max}"
            checks.fail("bids", message)
