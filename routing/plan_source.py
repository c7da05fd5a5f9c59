"""A written plan (YAML or JSON) in and out: refused whole, with every error named by its path."""

from typing import Any

import msgspec

from routing.source_checks import check_source
from routing.source_reading import Draft, plain_values, read_collecting
from routing.source_structs import (
    BidHoursSource,
    BidSource,
    BuyerSource,
    CampaignSource,
    CapsSource,
    CriteriaSource,
    GatewaySource,
    HoursSource,
    NumberSource,
    PayoutSource,
    PlanSource,
    PublisherSource,
    ScheduleSource,
    TargetSource,
    TermsSource,
    TrunkSource,
)
from vocabulary.errors import PlanRefused

__all__ = [
    "BidHoursSource",
    "BidSource",
    "BuyerSource",
    "CampaignSource",
    "CapsSource",
    "CriteriaSource",
    "GatewaySource",
    "HoursSource",
    "NumberSource",
    "PayoutSource",
    "PlanSource",
    "PublisherSource",
    "ScheduleSource",
    "TargetSource",
    "TermsSource",
    "TrunkSource",
    "load",
    "to_builtins",
]


def load(obj: object) -> PlanSource:
    """The plan of a parsed YAML or JSON document.

    Raises PlanRefused with every error as (path such as "campaigns[2].targets[0]", message).
    """
    errors: list[tuple[str, str]] = []
    source = _converted(obj)
    if source is None:
        obj = plain_values(obj)
        source = _converted(obj)
    if source is None:
        draft = read_collecting(obj, PlanSource, errors)
        assert errors, "a document that does not convert has an error"
    else:
        draft = Draft.of(source)
    check_source(draft, errors)
    if errors or source is None:
        raise PlanRefused(errors)
    return source


def to_builtins(source: PlanSource) -> dict[str, Any]:
    """The plan as plain dicts, lists, strings and numbers, fields at their default left out.

    load(to_builtins(source)) == source.
    """
    plain: dict[str, Any] = msgspec.to_builtins(source)
    return plain


def _converted(obj: object) -> PlanSource | None:
    try:
        return msgspec.convert(obj, PlanSource)
    except msgspec.ValidationError:
        return None
