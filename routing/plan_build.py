"""From a plan file to the running plan, at once or in short steps between calls.

Each step takes one chunk of a section (plan_file.CHUNK entries), about a millisecond at most, so
a worker can build a large plan while calls run and then swap one pointer.
"""

from array import array
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from routing.area import Area, AreaTable
from routing.plan import Plan
from routing.plan_file import (
    NONE,
    BuyerEntry,
    CampaignEntry,
    GatewayEntry,
    NumberEntryFile,
    PlanFile,
    PublisherEntry,
    ScheduleEntry,
    TargetEntry,
    TrunkEntry,
    entries,
)
from routing.plan_objects import (
    Buyer,
    Campaign,
    Gateway,
    NumberEntry,
    Publisher,
    Target,
)
from routing.schedule import Schedule
from routing.slots import Slots
from routing.trunk import Trunk
from routing.zone_clock import ZoneClock
from vocabulary.ids import keyed_hash
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

ZONES_PER_STEP = 16
BUYER_NOT_ACTIVE = Reason.BUYER_NOT_ACTIVE - REASON_BASE
PAUSED_BY_HAND = Reason.PAUSED_BY_HAND - REASON_BASE
ALWAYS_OPEN = 0


def build_plan(file: PlanFile, slots: Slots, before: Plan | None = None) -> Plan:
    """The running plan of a file. before: the plan that it replaces.

    Raises PlanRefused for a damaged file, CommandRefused when slots run out.
    """
    build = _Build(file, slots, before)
    for _ in build.steps():
        pass
    return build.plan


def build_plan_steps(
    file: PlanFile, slots: Slots, before: Plan | None = None
) -> Iterator[Plan | None]:
    """Steps of building: yields None after each, and the finished plan last.

    Targets whose hosts are the same as in `before` keep what is known about their address;
    other host names count as unreachable until they are resolved.
    """
    build = _Build(file, slots, before)
    for _ in build.steps():
        yield None
    yield build.plan


class _Build:
    """A plan under construction; lists map an index in the file to the object built from it."""

    def __init__(self, file: PlanFile, slots: Slots, before: Plan | None) -> None:
        self._file = file
        self._slots = slots
        self._before = before
        self.plan = Plan(file.version, file.currency)
        self._publishers: list[Publisher] = []
        self._buyers: list[Buyer] = []
        self._gateways: list[Gateway] = []
        self._targets: list[Target] = []
        self._campaigns: list[Campaign] = []
        self._numbers: dict[tuple[int, int], NumberEntry] = {}

    def steps(self) -> Iterator[None]:
        """Everything in the order of reference."""
        file = self._file
        yield from self._zones()
        for trunks in entries(file.trunks, TrunkEntry):
            self._add_trunks(trunks)
            yield
        for publishers in entries(file.publishers, PublisherEntry):
            self._add_publishers(publishers)
            yield
        for buyers in entries(file.buyers, BuyerEntry):
            self._add_buyers(buyers)
            yield
        for gateways in entries(file.gateways, GatewayEntry):
            self._add_gateways(gateways)
            yield
        for schedules in entries(file.schedules, ScheduleEntry):
            self._add_schedules(schedules)
            yield
        yield from self._target_steps()
        for campaigns in entries(file.campaigns, CampaignEntry):
            for campaign in campaigns:
                self._add_campaign(campaign)
                yield
        for numbers in entries(file.numbers, NumberEntryFile):
            self._add_numbers(numbers)
            yield
        self._by_slot()
        yield

    def _zones(self) -> Iterator[None]:
        plan = self.plan
        for index, entry in enumerate(self._file.zones):
            plan.clocks.append(ZoneClock(entry))
            plan.zone_index[entry.table.name] = index
            if index % ZONES_PER_STEP == 0:
                yield
        areas = [Area(a.code, a.state, a.country, a.zone) for a in self._file.areas]
        plan.areas = AreaTable(areas, tuple(plan.zone_index))
        yield

    def _add_trunks(self, chunk: Iterable[TrunkEntry]) -> None:
        for entry in chunk:
            trunk = Trunk(entry)
            self.plan.trunks[entry.id] = trunk
            for version, address, length in entry.networks:
                self.plan.add_network(version, int.from_bytes(address, "big"), length, trunk)

    def _add_publishers(self, chunk: Iterable[PublisherEntry]) -> None:
        for entry in chunk:
            slot = self._slots.slot("publisher", entry.id)
            publisher = Publisher(slot, entry.id, entry.name, entry.active)
            self._publishers.append(publisher)
            self.plan.publishers[entry.id] = publisher

    def _add_buyers(self, chunk: Iterable[BuyerEntry]) -> None:
        for entry in chunk:
            slot = self._slots.slot("buyer", entry.id)
            buyer = Buyer(slot, entry.id, entry.name, entry.active, entry.credit_limit_micros)
            self._buyers.append(buyer)
            self.plan.buyers[entry.id] = buyer

    def _add_gateways(self, chunk: Iterable[GatewayEntry]) -> None:
        for entry in chunk:
            slot = self._slots.slot("gateway", entry.id)
            gateway = Gateway(slot, entry.id, entry.host, entry.port, entry.transport)
            gateway.number_format = entry.number_format
            gateway.prefix = entry.prefix
            self._gateways.append(gateway)
            self.plan.gateways[entry.id] = gateway

    def _add_schedules(self, chunk: Iterable[ScheduleEntry]) -> None:
        for entry in chunk:
            # Cell 0 of schedule_open stands for "no schedule": always open.
            self.plan.schedules.append(Schedule(entry, len(self.plan.schedules) + 1))

    def _target_steps(self) -> Iterator[None]:
        """Slots first, so that the columns have their final length, then the targets."""
        for chunk in entries(self._file.targets, TargetEntry):
            for entry in chunk:
                self._slots.slot("target", entry.id)
            yield
        for campaigns in entries(self._file.campaigns, CampaignEntry):
            for campaign in campaigns:
                self._slots.slot("campaign", campaign.id)
            yield
        self.plan.size_columns(len(self._slots.targets), len(self._slots.campaigns))
        yield
        for chunk in entries(self._file.targets, TargetEntry):
            for entry in chunk:
                self._add_target(entry)
            yield

    def _add_target(self, entry: TargetEntry) -> None:
        plan = self.plan
        buyer = self._buyers[entry.buyer]
        target = Target(self._slots.targets[entry.id], entry.id, buyer, entry.uris)
        target.number = entry.number
        target.gateways = tuple(self._gateways[index] for index in entry.gateways)
        target.hosts = tuple(g.host for g in target.gateways) or (entry.host,)
        target.schedule = None if entry.schedule == NONE else plan.schedules[entry.schedule]
        target.ring_ns = entry.ring_ns
        target.priority = entry.priority
        target.weight = entry.weight
        target.active = entry.active
        self._targets.append(target)
        plan.targets[entry.id] = target
        plan.target_by_slot[target.slot] = target
        if not buyer.active:
            plan.target_static[target.slot] = BUYER_NOT_ACTIVE
            plan.target_unlinked[target.slot] = BUYER_NOT_ACTIVE
        elif not entry.active:
            plan.target_static[target.slot] = PAUSED_BY_HAND
            plan.target_unlinked[target.slot] = PAUSED_BY_HAND
        else:
            plan.target_static[target.slot] = ELIGIBLE
        schedule = target.schedule
        plan.target_schedule[target.slot] = ALWAYS_OPEN if schedule is None else schedule.index
        plan.target_hash[target.slot] = keyed_hash(b"target", entry.id.encode())
        plan.target_priority[target.slot] = entry.priority
        plan.target_weight[target.slot] = entry.weight
        plan.target_reachable[target.slot] = self._reachable(target)
        self._add_caps(2 * target.slot, entry)

    def _reachable(self, target: Target) -> int:
        known = None if self._before is None else self._before.targets.get(target.id)
        if known is not None and self._before is not None and known.hosts == target.hosts:
            return self._before.target_reachable[known.slot]
        return int(any(_is_address(host) for host in target.hosts))

    def _add_campaign(self, entry: CampaignEntry) -> None:
        plan = self.plan
        if entry.targets is None:
            targets = array("i", [target.slot for target in self._targets])
        else:
            targets = array("i", [self._targets[index].slot for index in entry.targets])
        campaign = Campaign(self._slots.campaigns[entry.id], entry.id, targets)
        used = {plan.target_schedule[slot] for slot in targets} - {ALWAYS_OPEN}
        campaign.schedules = [plan.schedules[index - 1] for index in sorted(used)]
        if entry.schedule != NONE:
            campaign.schedule = plan.schedules[entry.schedule]
        for name in COPIED:
            setattr(campaign, name, getattr(entry, name))
        self._campaigns.append(campaign)
        plan.campaigns[entry.id] = campaign
        self._add_caps(2 * campaign.slot + 1, entry)

    def _add_caps(self, owner: int, entry: TargetEntry | CampaignEntry) -> None:
        self.plan.hour_caps[owner] = entry.hour_cap
        self.plan.day_caps[owner] = entry.day_cap
        self.plan.live_caps[owner] = entry.concurrency
        self.plan.cap_zones[owner] = entry.cap_zone

    def _add_numbers(self, chunk: Iterable[NumberEntryFile]) -> None:
        """Numbers of one campaign and publisher share one entry."""
        for entry in chunk:
            pair = (entry.campaign, entry.publisher)
            found = self._numbers.get(pair)
            if found is None:
                found = NumberEntry(
                    self._campaigns[entry.campaign], self._publishers[entry.publisher]
                )
                self._numbers[pair] = found
            self.plan.add_number(entry.number, found)

    def _by_slot(self) -> None:
        plan = self.plan
        plan.schedule_open = array("B", [1]) * (len(plan.schedules) + 1)
        plan.buyer_by_slot = [plan.buyers.get(plan_id) for plan_id in self._slots.buyer_ids]
        plan.campaign_by_slot = [
            plan.campaigns.get(plan_id) for plan_id in self._slots.campaign_ids
        ]


COPIED = (
    "name",
    "vertical",
    "strategy",
    "second_price",
    "increment_micros",
    "floor_micros",
    "active",
    "ladder",
    "ring_ns",
    "no_response_ns",
    "ladder_ns",
    "setup_ns",
    "qualify_s",
    "payout_kind",
    "payout_micros",
    "payout_basis_points",
    "payout_qualify_s",
)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
