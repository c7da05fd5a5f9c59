"""The Structs of a plan as people write it: who sells, who buys, and on what terms.

```
trunks ─ where calls come from        numbers ─ number → campaign and publisher
publishers ─ who is paid              campaigns ─ strategy, price, terms, targets ──┐
buyers ─ who pays ◄── targets ─ where a buyer answers ◄─────────────────────────────┘
gateways ─ way to a telephone number  schedules ─ open hours      bids ─ standing bids
```
Amounts of money are decimal strings ("12.50") or whole numbers; binary floats are refused.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from vocabulary import limits
from vocabulary.ids import Slug

Name = Annotated[str, Meta(max_length=limits.name_bytes_max)]
Zone = Annotated[str, Meta(min_length=1, max_length=limits.id_bytes_max)]
Amount = str | int
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
E164 = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{2,14}$")]
Prefix = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{0,14}$")]
Digits = Annotated[str, Meta(pattern=r"^\+?[0-9*#]{0,15}$")]
TagName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
State = Annotated[str, Meta(pattern=r"^[A-Z]{2}(\+[A-Z]{2}){0,3}$")]
AreaCode = Annotated[int, Meta(ge=200, le=999)]
Host = Annotated[str, Meta(min_length=1, max_length=limits.host_bytes_max)]
Uri = Annotated[str, Meta(min_length=1, max_length=limits.uri_bytes_max)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=3_600)]
Status = Literal["active", "paused"]


class Written(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything that may stand in a plan: an unknown key is an error."""


class TrunkSource(Written, frozen=True, kw_only=True):
    """A carrier's way in. Its networks identify it; the longest matching network wins.

    strip, add: removed from and put before a dialled number before anything else is read.
    tags: header name, or "uri:PARAM" for a Request-URI parameter → name of the call's tag.
    """

    id: Slug
    networks: Annotated[
        list[str], Meta(min_length=1, max_length=limits.networks_per_trunk_max)
    ]
    country: Country
    strip: Digits = ""
    add: Digits = ""
    number_from: Literal["request_uri", "to"] = "request_uri"
    trusted: bool = False
    may_dial: Annotated[list[Prefix], Meta(max_length=limits.criteria_values_max)] = []
    tags: Annotated[dict[str, TagName], Meta(max_length=limits.tags_per_call_max)] = {}
    advertise: str | None = None


class PublisherSource(Written, frozen=True, kw_only=True):
    """A party that delivers calls and is paid for them."""

    id: Slug
    name: Name = ""
    status: Status = "active"
    zone: Zone = "UTC"


class BuyerSource(Written, frozen=True, kw_only=True):
    """A party that pays for calls. credit_limit: how far below zero its balance may go."""

    id: Slug
    name: Name = ""
    status: Literal["active", "paused", "suspended", "closed"] = "active"
    credit_limit: Amount = "0.00"
    zone: Zone = "UTC"


class GatewaySource(Written, frozen=True, kw_only=True):
    """A peer that takes calls to telephone numbers. prefix: used by number_format prefix."""

    id: Slug
    host: Host
    port: Port = 5060
    transport: Literal["udp", "tcp"] = "udp"
    number_format: Literal["e164", "digits", "prefix"] = "e164"
    prefix: Digits = ""


class HoursSource(Written, frozen=True, kw_only=True):
    """Local hours on some weekdays; from > to runs past midnight, "24:00" ends the day."""

    days: Annotated[list[str], Meta(min_length=1, max_length=7)] | str
    from_: str = field(name="from")
    to: str


class ScheduleSource(Written, frozen=True, kw_only=True):
    """Open hours by the local clock of a zone; a closed date is closed from midnight on."""

    id: Slug
    zone: Zone
    open: Annotated[list[HoursSource], Meta(max_length=limits.criteria_values_max)]
    closed: Annotated[list[str], Meta(max_length=limits.criteria_values_max)] = []


class CapsSource(Written, frozen=True, kw_only=True):
    """Most calls per local hour and day. zone: of the hours and days; the owner's by default."""

    hour: Count | None = None
    day: Count | None = None
    zone: Zone | None = None


class TargetSource(Written, frozen=True, kw_only=True):
    """One place where a buyer answers: a SIP URI, or a number dialled through gateways in order.

    concurrency: most calls at once. ring_s: this target's instead of the campaign's.
    priority: lower first; weight: share among targets of the same priority.
    """

    id: Slug
    buyer: Slug
    uri: Uri | None = None
    number: E164 | None = None
    gateways: Annotated[list[Slug], Meta(max_length=limits.route_set_max)] = []
    schedule: Slug | None = None
    concurrency: Count | None = None
    caps: CapsSource = CapsSource()
    ring_s: Seconds | None = None
    priority: Annotated[int, Meta(ge=1, le=limits.priority_max)] = 1
    weight: Annotated[int, Meta(ge=1, le=1_000)] = 1
    status: Status = "active"


class TermsSource(Written, frozen=True, kw_only=True):
    """The buyer is charged for a call connected at least qualify_s seconds."""

    qualify_s: Annotated[int, Meta(ge=0, le=limits.qualify_s_max)] = 0


class PayoutSource(Written, frozen=True, kw_only=True):
    """What the publisher earns: nothing, a fixed amount, or a share in basis points.

    qualify_s: the publisher's own threshold; the buyer's by default.
    """

    kind: Literal["none", "fixed", "share"] = "none"
    amount: Amount | None = None
    basis_points: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    qualify_s: Annotated[int, Meta(ge=0, le=limits.qualify_s_max)] | None = None


class CampaignSource(Written, frozen=True, kw_only=True):
    """A vertical's selling unit: which targets compete, in what order, at what price and terms.

    targets: ids, or "all". Times: ring_s and no_response_s for one attempt, ladder_s for all
    attempts, setup_s for the whole set-up of a call.
    """

    id: Slug
    name: Name = ""
    vertical: Slug
    strategy: Literal["auction", "priority_weight", "round_robin"] = "auction"
    price: Literal["first", "second"] = "first"
    increment: Amount = "0.00"
    floor: Amount = "0.00"
    targets: Annotated[list[Slug], Meta(max_length=limits.targets_max)] | Literal["all"]
    schedule: Slug | None = None
    concurrency: Count | None = None
    caps: CapsSource = CapsSource()
    status: Status = "active"
    ladder: Annotated[int, Meta(ge=1, le=limits.ladder_max)] = 5
    ring_s: Seconds = limits.ring_ns // limits.NS_PER_S
    no_response_s: Seconds = limits.no_response_ns // limits.NS_PER_S
    ladder_s: Seconds = limits.ladder_ns // limits.NS_PER_S
    setup_s: Seconds = limits.setup_ns // limits.NS_PER_S
    terms: TermsSource = TermsSource()
    payout: PayoutSource = PayoutSource()


class NumberSource(Written, frozen=True, kw_only=True):
    """A tracking number: who sells calls to it, and as what."""

    number: E164
    campaign: Slug
    publisher: Slug


class BidHoursSource(Written, frozen=True, kw_only=True):
    """Whole hours in which a bid stands, in the caller's zone, the buyer's, or a named one."""

    zone: Zone = "caller"
    open: Annotated[list[HoursSource], Meta(min_length=1, max_length=limits.criteria_values_max)]


class CriteriaSource(Written, frozen=True, kw_only=True):
    """Which calls a bid is for; an empty list asks for nothing."""

    states: Annotated[list[State], Meta(max_length=limits.criteria_values_max)] = []
    area_codes: Annotated[list[AreaCode], Meta(max_length=limits.criteria_values_max)] = []
    hours: BidHoursSource | None = None
    verticals: Annotated[list[Slug], Meta(max_length=limits.criteria_values_max)] = []
    attestation: Annotated[list[Literal["A", "B", "C"]], Meta(max_length=3)] = []


class BidSource(Written, frozen=True, kw_only=True):
    """A standing bid: what a buyer pays for a qualified call of a kind at one of its targets.

    quality_ppm: multiplies the rank, never the price. budget: most that it may spend in all.
    """

    id: Slug
    buyer: Slug
    target: Slug
    amount: Amount
    per: Literal["call"] = "call"
    currency: Currency | None = None
    criteria: CriteriaSource = CriteriaSource()
    budget: Amount | None = None
    expires: str | None = None
    quality_ppm: Annotated[int, Meta(ge=1, le=limits.quality_ppm_max)] = 1_000_000
    status: Status = "active"


class PlanSource(Written, frozen=True, kw_only=True):
    """A whole plan as written. Every amount is in `currency`."""

    version: Literal[1]
    currency: Currency
    trunks: Annotated[list[TrunkSource], Meta(max_length=limits.trunks_max)] = []
    publishers: Annotated[list[PublisherSource], Meta(max_length=limits.publishers_max)] = []
    buyers: Annotated[list[BuyerSource], Meta(max_length=limits.buyers_max)] = []
    gateways: Annotated[list[GatewaySource], Meta(max_length=limits.gateways_max)] = []
    schedules: Annotated[list[ScheduleSource], Meta(max_length=limits.schedules_max)] = []
    targets: Annotated[list[TargetSource], Meta(max_length=limits.targets_max)] = []
    campaigns: Annotated[list[CampaignSource], Meta(max_length=limits.campaigns_max)] = []
    numbers: Annotated[list[NumberSource], Meta(max_length=limits.numbers_max)] = []
    bids: Annotated[list[BidSource], Meta(max_length=limits.bids_max)] = []
