"""The running plan: an immutable snapshot, swapped whole, read by every call.

```
plan.number("+1212…") ─► NumberEntry(campaign, publisher)
campaign.targets       array of target slots ──┐
plan.target_by_slot    [Target, None, Target …] ◄┤   what a dialled call needs to know
plan.target_static     bytes by target slot    ◄┤   columns that candidates scan
plan.target_schedule, target_reachable, hour_caps, day_caps, live_caps …
```
Slots are stable over plans (routing.slots), so the counters beside the plan outlive it. The one
column that changes while the plan runs is target_reachable: 1 while the target has an address.
Built by `routing.plan_build`.
"""

from array import array

from routing.area import Area, AreaTable
from routing.plan_objects import (
    Buyer,
    Campaign,
    Gateway,
    NumberEntry,
    Publisher,
    Target,
)
from routing.schedule import Schedule
from routing.trunk import Trunk, TrunkTable
from routing.zone_clock import ZoneClock
from vocabulary.reasons import REASON_BASE, Reason

NOT_LINKED = Reason.NOT_LINKED - REASON_BASE
NO_LIMIT = -1


class Plan:
    """All of a plan. Columns are indexed by slot; a slot that the plan does not name is empty.

    target_static: reason ordinal that holds at any hour for a linked target (255: none), and
    target_unlinked for one that the campaign does not name. target_hash: 63 bits of the id, on
    which chance by target depends. hour_caps, day_caps, live_caps and
    cap_zones are indexed by owner (see routing.caps), −1: no limit.
    """

    __slots__ = (
        "_numbers",
        "_trunks",
        "_zone_hours",
        "_zone_hours_from",
        "_zone_hours_until",
        "areas",
        "buyer_by_slot",
        "buyers",
        "campaign_by_slot",
        "campaigns",
        "cap_zones",
        "clocks",
        "currency",
        "day_caps",
        "gateways",
        "hour_caps",
        "live_caps",
        "publishers",
        "schedule_open",
        "schedules",
        "target_by_slot",
        "target_hash",
        "target_priority",
        "target_reachable",
        "target_schedule",
        "target_static",
        "target_unlinked",
        "target_weight",
        "targets",
        "trunks",
        "version",
        "zone_index",
    )

    def __init__(self, version: int, currency: str) -> None:
        self.version = version
        self.currency = currency
        self.trunks: dict[str, Trunk] = {}
        self.publishers: dict[str, Publisher] = {}
        self.buyers: dict[str, Buyer] = {}
        self.gateways: dict[str, Gateway] = {}
        self.targets: dict[str, Target] = {}
        self.campaigns: dict[str, Campaign] = {}
        self.buyer_by_slot: list[Buyer | None] = []
        self.campaign_by_slot: list[Campaign | None] = []
        self.target_by_slot: list[Target | None] = []
        self.clocks: list[ZoneClock] = []
        self.zone_index: dict[str, int] = {}
        self.areas = AreaTable((), ())
        self.schedules: list[Schedule] = []
        self.schedule_open = array("B", [1])
        self.target_static = array("B")
        self.target_unlinked = array("B")
        self.target_schedule = array("i")
        self.target_reachable = array("B")
        self.target_hash = array("q")
        self.target_priority = array("i")
        self.target_weight = array("i")
        self.hour_caps = array("i")
        self.day_caps = array("i")
        self.live_caps = array("i")
        self.cap_zones = array("i")
        self._numbers: dict[str, NumberEntry] = {}
        self._trunks = TrunkTable()
        self._zone_hours = array("i")
        self._zone_hours_from = 0
        self._zone_hours_until = 0

    def size_columns(self, target_slots: int, campaign_slots: int) -> None:
        """Give the columns their length, once, before the first target is added."""
        owners = 2 * max(target_slots, campaign_slots)
        self.target_by_slot = [None] * target_slots
        self.target_static = array("B", [NOT_LINKED]) * target_slots
        self.target_unlinked = array("B", [NOT_LINKED]) * target_slots
        self.target_schedule = array("i", [0]) * target_slots
        self.target_reachable = array("B", [0]) * target_slots
        self.target_hash = array("q", [0]) * target_slots
        self.target_priority = array("i", [1]) * target_slots
        self.target_weight = array("i", [1]) * target_slots
        self.hour_caps = array("i", [NO_LIMIT]) * owners
        self.day_caps = array("i", [NO_LIMIT]) * owners
        self.live_caps = array("i", [NO_LIMIT]) * owners
        self.cap_zones = array("i", [NO_LIMIT]) * owners

    def add_network(self, version: int, address: int, length: int, trunk: Trunk) -> None:
        """A network of a trunk, while the plan is built."""
        self._trunks.insert(version, address, length, trunk)

    def add_number(self, e164: str, entry: NumberEntry) -> None:
        """A tracking number, while the plan is built."""
        self._numbers[e164] = entry

    def number(self, e164: str) -> NumberEntry | None:
        """Campaign and publisher of a tracking number."""
        return self._numbers.get(e164)

    def trunk_of(self, host: str) -> Trunk | None:
        """Trunk of a source address, None for a source that no trunk names."""
        return self._trunks.trunk_of(host)

    def area_of(self, e164: str) -> Area:
        """Place of a caller's number; area.UNKNOWN for one without area code."""
        return self.areas.area_of(e164)

    def hour_of_week(self, zone: int, wall_s: int) -> int:
        """Local hour, 0..167, in the zone of that index (an Area's hour_zone); −1 for −1."""
        if zone < 0:
            return -1
        return self.clocks[zone].hour_of_week(wall_s)

    def zone_hours(self, wall_s: int) -> "array[int]":
        """Local hour of the week in every zone, by zone index. Read it in the same turn."""
        if not self._zone_hours_from <= wall_s < self._zone_hours_until:
            self._refresh_zone_hours(wall_s)
        return self._zone_hours

    def _refresh_zone_hours(self, wall_s: int) -> None:
        until = wall_s + 1
        if self.clocks:
            until = min([clock.hour_until(wall_s) for clock in self.clocks])
        self._zone_hours = array("i", [clock.hour_of_week(wall_s) for clock in self.clocks])
        self._zone_hours_from, self._zone_hours_until = wall_s, until
