"""Plans for tests and benches: a written plan of any size, and the running plan made of it."""

from collections.abc import Callable
from typing import Any

from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan import Plan
from routing.plan_build import build_plan
from routing.plan_source import load
from routing.slots import Slots
from vocabulary.number import DialRule

# 2026-11-24 12:00:00 UTC, a Tuesday; 07:00 in New York.
NOW_S = 1_795_521_600
DIAL_RULES = {"US": DialRule(), "CA": DialRule()}
Document = dict[str, Any]


def buyer_id(index: int) -> str:
    """Id of the buyer of that index."""
    return f"buyer-{index:03d}"


def target_id(buyer: int, target: int) -> str:
    """Id of a buyer's target."""
    return f"target-{buyer:03d}-{target}"


def written_plan(
    buyers: int = 3,
    targets_per_buyer: int = 1,
    *,
    bids_per_buyer: int = 1,
    uri: Callable[[int, int], str] = lambda buyer, target: "sip:agents@127.0.0.1:5081",
    amount: Callable[[int, int], str] = lambda buyer, bid: f"{10 + buyer % 40}.{bid % 100:02d}",
    criteria: Callable[[int, int], Document] = lambda buyer, bid: {},
    target: Document | None = None,
    campaign: Document | None = None,
    networks: tuple[str, ...] = ("127.0.0.0/8",),
    numbers: tuple[str, ...] = ("+12125550100",),
    credit_limit: str = "1000000.00",
) -> Document:
    """A plan document: one campaign "auto" over all targets, publisher "pub", trunk "carrier".

    uri(buyer, target), amount(buyer, bid) and criteria(buyer, bid) make what differs; target and
    campaign are merged into every target and into the campaign.
    """
    return {
        "version": 1,
        "currency": "USD",
        "trunks": [{"id": "carrier", "networks": list(networks), "country": "US"}],
        "publishers": [{"id": "pub"}],
        "buyers": [
            {"id": buyer_id(buyer), "credit_limit": credit_limit} for buyer in range(buyers)
        ],
        "targets": [
            {
                "id": target_id(buyer, index),
                "buyer": buyer_id(buyer),
                "uri": uri(buyer, index),
                **(target or {}),
            }
            for buyer in range(buyers)
            for index in range(targets_per_buyer)
        ],
        "campaigns": [
            {"id": "auto", "vertical": "auto-insurance", "targets": "all", **(campaign or {})}
        ],
        "numbers": [
            {"number": number, "campaign": "auto", "publisher": "pub"} for number in numbers
        ],
        "bids": [
            {
                "id": f"bid-{buyer:03d}-{bid}",
                "buyer": buyer_id(buyer),
                "target": target_id(buyer, bid % targets_per_buyer),
                "amount": amount(buyer, bid),
                "criteria": criteria(buyer, bid),
            }
            for buyer in range(buyers)
            for bid in range(bids_per_buyer)
        ],
    }


def running(
    document: Document,
    slots: Slots | None = None,
    *,
    now_s: int = NOW_S,
    version: int = 1,
    before: Plan | None = None,
) -> Plan:
    """The running plan of a document."""
    file, _, _ = compile_plan(
        load(document), now_s=now_s, version=version, areas=bundled_areas(), dial_rules=DIAL_RULES
    )
    return build_plan(file, slots or Slots(), before)


def make_plan(
    buyers: int = 3, targets_per_buyer: int = 1, slots: Slots | None = None, **written: Any
) -> Plan:
    """The running plan of written_plan(buyers, targets_per_buyer, **written)."""
    return running(written_plan(buyers, targets_per_buyer, **written), slots)
