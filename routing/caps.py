"""Hour and day caps and concurrency of targets and campaigns. Owned by the desk, not by the plan.

```
owner          "target:north" ─ slot 3 ─► 6        "campaign:auto" ─ slot 0 ─► 1
limits         the plan's columns, adopted whole when a plan is swapped in
counters       here: they survive the swap; a limit lowered below use grants nothing until use falls
```
Invariant: no grant is made that would exceed the limit then in force. A unit belongs to the
window of its reservation. A cap counts from the plan that sets it: calls of an owner without a cap
leave no unit behind. Owners whose zone changes go on in the running window and take the new zone
with the next one.
"""

from array import array
from collections.abc import Iterable

from routing.cap_counter import CapCounter
from routing.plan import Plan
from routing.slots import Slots
from routing.zone_clock import ZoneClock
from vocabulary.facts import CapUse
from vocabulary.instants import S_PER_DAY, S_PER_HOUR
from vocabulary.reasons import Reason

HOUR_CAP = int(Reason.HOUR_CAP)
DAY_CAP = int(Reason.DAY_CAP)
CONCURRENCY = int(Reason.CONCURRENCY)


def target_owner(slot: int) -> int:
    """Owner of a target slot."""
    return 2 * slot


def campaign_owner(slot: int) -> int:
    """Owner of a campaign slot."""
    return 2 * slot + 1


class Caps:
    """The counters. Every verb that grants or gives back is one step, all or nothing."""

    __slots__ = (
        "_clocks", "_names", "_owners", "_slots", "_zones", "day", "hour", "live", "live_limits",
    )

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._names: dict[int, str] = {}  # a slot keeps its id, so both stay true
        self._owners: dict[str, int] = {}
        self.hour = CapCounter("hour")
        self.day = CapCounter("day")
        self.live = array("i")
        self.live_limits = array("i")
        self._clocks: list[ZoneClock] = []
        self._zones = array("i")

    def adopt(self, plan: Plan) -> None:
        """Take the limits of a plan that is swapped in, in one step."""
        self.hour.limits = plan.hour_caps
        self.day.limits = plan.day_caps
        self.live_limits = plan.live_caps
        self._zones = plan.cap_zones
        self._clocks = plan.clocks
        self._resize(len(plan.hour_caps))

    def room(self, owner: int, wall_s: int) -> int:
        """0, or the reason why the owner takes no further call now: 501, 502 or 506."""
        if not self.hour.has_room(owner, wall_s):
            return HOUR_CAP
        if not self.day.has_room(owner, wall_s):
            return DAY_CAP
        if not self._has_line(owner):
            return CONCURRENCY
        return 0

    def reserve(
        self, owners: Iterable[int], wall_s: int
    ) -> tuple[bool, int, tuple[CapUse, ...]]:
        """One unit of every cap of all owners, or of none.

        owners: each once. Returns (True, 0, units to commit or release) or (False, 501 or 502, ()).
        """
        for owner in owners:
            if not self.hour.has_room(owner, wall_s):
                return False, HOUR_CAP, ()
            if not self.day.has_room(owner, wall_s):
                return False, DAY_CAP, ()
        uses: list[CapUse] = []
        for owner in owners:
            self._take(self.hour, owner, wall_s, uses)
            self._take(self.day, owner, wall_s, uses)
        return True, 0, tuple(uses)

    def commit(self, use: CapUse) -> None:
        """The call of this unit was answered: the unit stays used."""
        self._counter(use.kind).commit(self._owner(use.owner), use.window_start_s)

    def release(self, use: CapUse) -> None:
        """The call of this unit was not answered. Once a unit: a second release is a bug."""
        self._counter(use.kind).release(self._owner(use.owner), use.window_start_s)

    def recount(self, use: CapUse, units: int = 1) -> None:
        """Recovery, after adopt: committed units of a window; the latest window counts.

        The window runs as it ran before the restart, whatever zone the plan now gives its owner.
        """
        owner = self._owner(use.owner)
        counter = self._counter(use.kind)
        self._resize(owner + 1)
        if counter.starts_s[owner] < use.window_start_s:
            end_s = use.window_end_s or self._window(counter.kind, owner, use.window_start_s)[1]
            counter.resume(owner, use.window_start_s, end_s)
        if counter.starts_s[owner] == use.window_start_s:
            counter.granted[owner] += units
            counter.committed[owner] += units

    def acquire(self, owners: Iterable[int]) -> int:
        """One line of every owner, or of none: 0, or 506 if one of them is full."""
        for owner in owners:
            if not self._has_line(owner):
                return CONCURRENCY
        for owner in owners:
            self.live[owner] += 1
        return 0

    def vacate(self, owners: Iterable[int]) -> None:
        """The leg of these lines ended. Once a leg: a second time is a bug."""
        for owner in owners:
            assert self.live[owner] > 0, "more lines given back than taken"
            self.live[owner] -= 1

    def snapshot(self) -> list[tuple[CapUse, int]]:
        """Committed units of each window for a checkpoint.

        Units that are only reserved, and lines, belong to calls that a restart ends.
        """
        return [
            (self._use(counter, owner, counter.starts_s[owner]), units)
            for counter in (self.hour, self.day)
            for owner, units in enumerate(counter.committed)
            if units
        ]

    def restore(self, saved: Iterable[tuple[CapUse, int]]) -> None:
        """Take over a snapshot, after a plan is adopted and before the first call."""
        for use, units in saved:
            self.recount(use, units)

    def _take(
        self, counter: CapCounter, owner: int, wall_s: int, uses: list[CapUse]
    ) -> None:
        if counter.limit(owner) < 0:
            return
        if wall_s >= counter.ends_s[owner]:
            start_s, end_s = self._window(counter.kind, owner, wall_s)
            counter.open_window(owner, start_s, end_s)
        uses.append(self._use(counter, owner, counter.take(owner)))

    def _use(self, counter: CapCounter, owner: int, start_s: int) -> CapUse:
        return CapUse(self._name(owner), counter.kind, start_s, counter.ends_s[owner])

    def _window(self, kind: str, owner: int, wall_s: int) -> tuple[int, int]:
        """The window around an instant; in UTC for an owner that the plan no longer names."""
        zone = self._zones[owner] if owner < len(self._zones) else -1
        if zone < 0:
            length = S_PER_HOUR if kind == "hour" else S_PER_DAY
            start_s = wall_s // length * length
            return start_s, start_s + length
        clock = self._clocks[zone]
        return clock.hour_window(wall_s) if kind == "hour" else clock.day_window(wall_s)

    def _has_line(self, owner: int) -> bool:
        limit = self.live_limits[owner] if owner < len(self.live_limits) else -1
        return limit < 0 or self.live[owner] < limit

    def _counter(self, kind: str) -> CapCounter:
        return self.hour if kind == "hour" else self.day

    def _owner(self, name: str) -> int:
        owner = self._owners.get(name)
        if owner is None:
            kind, _, plan_id = name.partition(":")
            assert kind in ("target", "campaign"), f"no caps of {name!r}"
            slot = self._slots.slot(kind, plan_id)
            owner = target_owner(slot) if kind == "target" else campaign_owner(slot)
            self._owners[name] = owner
        return owner

    def _name(self, owner: int) -> str:
        name = self._names.get(owner)
        if name is None:
            if owner % 2:
                name = f"campaign:{self._slots.campaign_ids[owner // 2]}"
            else:
                name = f"target:{self._slots.target_ids[owner // 2]}"
            self._names[owner] = name
        return name

    def _resize(self, owners: int) -> None:
        more = owners - len(self.live)
        if more > 0:
            self.live.extend([0] * more)
        self.hour.resize(owners)
        self.day.resize(owners)
