"""The objects of a running plan: what a call reads of publisher, buyer, target and campaign.

Filled by `routing.plan_build`, then never changed: whoever holds one across a plan change goes on
with the terms that the call began with (exchange rule 31).
"""

from array import array

from routing.schedule import Schedule


class Publisher:
    """Who delivered a call."""

    __slots__ = ("active", "id", "name", "slot")

    def __init__(self, slot: int, plan_id: str, name: str, active: bool) -> None:
        self.slot = slot
        self.id = plan_id
        self.name = name
        self.active = active


class Buyer:
    """Who pays for calls. credit_limit_micros: how far below zero the balance may go."""

    __slots__ = ("active", "credit_limit_micros", "id", "name", "slot")

    def __init__(
        self, slot: int, plan_id: str, name: str, active: bool, credit_limit_micros: int
    ) -> None:
        self.slot = slot
        self.id = plan_id
        self.name = name
        self.active = active
        self.credit_limit_micros = credit_limit_micros


class Gateway:
    """A way to telephone numbers."""

    __slots__ = ("host", "id", "number_format", "port", "prefix", "slot", "transport")

    def __init__(self, slot: int, plan_id: str, host: str, port: int, transport: str) -> None:
        self.slot = slot
        self.id = plan_id
        self.host = host
        self.port = port
        self.transport = transport
        self.number_format = "e164"
        self.prefix = ""


class Target:
    """Where a buyer answers. uris[k] is dialled k-th; gateways[k] is its gateway, if any.

    ring_ns 0: the campaign's. hosts: names or addresses that the URIs lead to.
    """

    __slots__ = (
        "active",
        "buyer",
        "buyer_slot",
        "gateways",
        "hosts",
        "id",
        "number",
        "priority",
        "ring_ns",
        "schedule",
        "slot",
        "uri",
        "uris",
        "weight",
    )

    def __init__(self, slot: int, plan_id: str, buyer: Buyer, uris: tuple[bytes, ...]) -> None:
        self.slot = slot
        self.id = plan_id
        self.buyer = buyer.id
        self.buyer_slot = buyer.slot
        self.uris = uris
        self.uri = uris[0]
        self.number = ""
        self.gateways: tuple[Gateway, ...] = ()
        self.hosts: tuple[str, ...] = ()
        self.schedule: Schedule | None = None
        self.ring_ns = 0
        self.priority = 1
        self.weight = 1
        self.active = True


class Campaign:
    """What is sold: who may compete, in which order, at what price, on which terms."""

    __slots__ = (
        "active",
        "floor_micros",
        "id",
        "increment_micros",
        "ladder",
        "ladder_ns",
        "name",
        "no_response_ns",
        "payout_basis_points",
        "payout_kind",
        "payout_micros",
        "payout_qualify_s",
        "qualify_s",
        "ring_ns",
        "schedule",
        "schedules",
        "second_price",
        "setup_ns",
        "slot",
        "strategy",
        "targets",
        "vertical",
    )

    def __init__(self, slot: int, plan_id: str, targets: "array[int]") -> None:
        self.slot = slot
        self.id = plan_id
        self.targets = targets
        # Distinct schedules of the targets: candidates ask each of them once a call.
        self.schedules: list[Schedule] = []
        self.schedule: Schedule | None = None
        self.name = ""
        self.vertical = ""
        self.strategy = "auction"
        self.second_price = False
        self.increment_micros = 0
        self.floor_micros = 0
        self.active = True
        self.ladder = 1
        self.ring_ns = 0
        self.no_response_ns = 0
        self.ladder_ns = 0
        self.setup_ns = 0
        self.qualify_s = 0
        self.payout_kind = "none"
        self.payout_micros = 0
        self.payout_basis_points = 0
        self.payout_qualify_s = 0


class NumberEntry:
    """What a tracking number stands for."""

    __slots__ = ("campaign", "publisher")

    def __init__(self, campaign: Campaign, publisher: Publisher) -> None:
        self.campaign = campaign
        self.publisher = publisher
