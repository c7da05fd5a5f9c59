"""Caps: never a grant above the limit in force, windows of the zone, no negative counter."""

from random import Random

import pytest

from routing.caps import Caps, campaign_owner, target_owner
from routing.plan import Plan
from routing.slots import Slots
from tests.routing.plans import NOW_S, running, written_plan
from vocabulary.facts import CapUse
from vocabulary.reasons import Reason

HOUR_S = 3_600
T0 = target_owner(0)
C0 = campaign_owner(0)


class Bench:
    """Counters beside a plan whose caps change."""

    def __init__(self) -> None:
        self.slots = Slots()
        self.caps = Caps(self.slots)

    def plan(
        self,
        hour: int | None = None,
        day: int | None = None,
        live: int | None = None,
        campaign_day: int | None = None,
        zone: str = "UTC",
    ) -> Plan:
        """Swap in a plan with these limits of target 0 and of the campaign."""
        document = written_plan(
            1,
            target={"caps": {"hour": hour, "day": day, "zone": zone}, "concurrency": live},
            campaign={"caps": {"day": campaign_day}},
        )
        plan = running(document, self.slots)
        self.caps.adopt(plan)
        return plan


def test_a_cap_is_full_until_its_window_ends() -> None:
    bench = Bench()
    bench.plan(hour=2)
    for _ in range(2):
        granted, _, uses = bench.caps.reserve([T0], NOW_S)
        assert granted
        assert [use.kind for use in uses] == ["hour"]
    assert bench.caps.reserve([T0], NOW_S + HOUR_S - 1) == (False, Reason.HOUR_CAP, ())
    assert bench.caps.room(T0, NOW_S + HOUR_S) == 0
    assert bench.caps.reserve([T0], NOW_S + HOUR_S)[0]


def test_reserve_takes_all_or_nothing() -> None:
    bench = Bench()
    bench.plan(hour=5, campaign_day=1)
    assert bench.caps.reserve([T0, C0], NOW_S)[0]
    assert bench.caps.reserve([T0, C0], NOW_S) == (False, Reason.DAY_CAP, ())
    assert bench.caps.hour.granted[T0] == 1


def test_a_released_unit_can_be_granted_again() -> None:
    bench = Bench()
    bench.plan(day=1)
    _, _, uses = bench.caps.reserve([T0], NOW_S)
    day_s = NOW_S // 86_400 * 86_400
    assert uses == (CapUse("target:target-000-0", "day", day_s, day_s + 86_400),)
    bench.caps.release(uses[0])
    _, _, again = bench.caps.reserve([T0], NOW_S)
    bench.caps.commit(again[0])
    with pytest.raises(AssertionError, match="more releases"):
        bench.caps.release(again[0])
    assert bench.caps.room(T0, NOW_S) == Reason.DAY_CAP


def test_a_unit_of_a_past_window_counts_nowhere() -> None:
    bench = Bench()
    bench.plan(hour=1)
    _, _, old = bench.caps.reserve([T0], NOW_S)
    _, _, new = bench.caps.reserve([T0], NOW_S + HOUR_S)
    bench.caps.commit(old[0])
    bench.caps.release(old[0])
    assert bench.caps.room(T0, NOW_S + HOUR_S) == Reason.HOUR_CAP
    bench.caps.release(new[0])
    assert bench.caps.room(T0, NOW_S + HOUR_S) == 0


def test_lowering_a_limit_grants_nothing_until_use_falls() -> None:
    bench = Bench()
    bench.plan(hour=3)
    uses = [bench.caps.reserve([T0], NOW_S)[2][0] for _ in range(3)]
    bench.plan(hour=1)
    for use in uses[:2]:
        assert not bench.caps.reserve([T0], NOW_S)[0]
        bench.caps.release(use)
    assert not bench.caps.reserve([T0], NOW_S)[0]
    bench.caps.release(uses[2])
    assert bench.caps.reserve([T0], NOW_S)[0]


def test_a_changed_zone_starts_with_the_next_window() -> None:
    bench = Bench()
    bench.plan(day=1)
    _, _, first = bench.caps.reserve([T0], NOW_S)
    bench.plan(day=1, zone="Asia/Tokyo")  # there a new day began at 15:00 UTC
    assert not bench.caps.reserve([T0], NOW_S + 11 * HOUR_S)[0]
    midnight = NOW_S + 12 * HOUR_S
    _, _, second = bench.caps.reserve([T0], midnight)
    assert (first[0].window_start_s, second[0].window_start_s) == (midnight - 24 * HOUR_S, midnight)
    assert bench.caps.reserve([T0], midnight + 15 * HOUR_S)[0]  # midnight in Tokyo


def test_a_window_that_runs_over_a_changed_zone_survives_a_restart() -> None:
    """The plan gives Tokyo while New York's day runs; a restart finds only the later plan."""
    before = Bench()
    before.plan(day=2, zone="America/New_York")
    midnight = NOW_S - 7 * HOUR_S  # in New York; there it ends at 05:00 UTC
    _, _, first = before.caps.reserve([T0], NOW_S)
    before.caps.commit(first[0])
    before.plan(day=2, zone="Asia/Tokyo")
    ends_s = midnight + 24 * HOUR_S
    after = Bench()
    after.plan(day=2, zone="Asia/Tokyo")
    after.caps.restore(before.caps.snapshot())
    for caps in (before.caps, after.caps):  # one unit is left until New York's midnight
        assert caps.reserve([T0], NOW_S + HOUR_S)[0]
        assert not caps.reserve([T0], ends_s - 1)[0]
        _, _, uses = caps.reserve([T0], ends_s)
        assert (uses[0].window_start_s, uses[0].window_end_s) == (ends_s, ends_s + 10 * HOUR_S)


def test_the_window_after_a_changed_zone_survives_a_restart() -> None:
    """It begins where the old zone's ended, which is no boundary of the new one's."""
    before = Bench()
    before.plan(day=2, zone="America/New_York")
    _, _, first = before.caps.reserve([T0], NOW_S)
    before.plan(day=2, zone="Asia/Tokyo")
    second_s = NOW_S + 17 * HOUR_S
    _, _, second = before.caps.reserve([T0], second_s)
    before.caps.commit(second[0])
    after = Bench()
    after.plan(day=2, zone="Asia/Tokyo")
    for use in (*first, *second):  # both were committed, say the records, in this order
        after.caps.recount(use)
    for caps in (before.caps, after.caps):
        assert caps.reserve([T0], second_s + HOUR_S)[0]
        assert not caps.reserve([T0], second_s + 2 * HOUR_S)[0]


def test_a_record_without_a_window_end_takes_the_zone_of_the_plan() -> None:
    bench = Bench()
    bench.plan(day=2)
    day_s = NOW_S // 86_400 * 86_400
    bench.caps.recount(CapUse("target:target-000-0", "day", day_s), 2)
    assert not bench.caps.reserve([T0], day_s + 86_399)[0]
    assert bench.caps.reserve([T0], day_s + 86_400)[0]


def test_a_repeated_hour_is_two_windows() -> None:
    bench = Bench()
    document = written_plan(
        1, target={"caps": {"hour": 1, "zone": "America/New_York"}}
    )
    change_s = 1_793_512_800  # 2026-11-01 06:00 UTC: 02:00 EDT becomes 01:00 EST
    bench.caps.adopt(running(document, bench.slots, now_s=change_s))
    assert bench.caps.reserve([T0], change_s - 1)[0]
    assert bench.caps.reserve([T0], change_s)[0]
    assert not bench.caps.reserve([T0], change_s + HOUR_S - 1)[0]


def test_concurrency_counts_lines() -> None:
    bench = Bench()
    bench.plan(live=1)
    assert bench.caps.acquire([T0, C0]) == 0
    assert bench.caps.acquire([T0, C0]) == Reason.CONCURRENCY
    assert (bench.caps.live[T0], bench.caps.live[C0]) == (1, 1)
    bench.caps.vacate([T0, C0])
    with pytest.raises(AssertionError, match="more lines"):
        bench.caps.vacate([T0])


def test_a_snapshot_keeps_committed_units_only() -> None:
    bench = Bench()
    bench.plan(day=2)
    _, _, kept = bench.caps.reserve([T0], NOW_S)
    bench.caps.commit(kept[0])
    bench.caps.reserve([T0], NOW_S)
    saved = bench.caps.snapshot()
    assert saved == [(kept[0], 1)]
    again = Bench()
    again.plan(day=2)
    again.caps.restore(saved)
    assert again.caps.reserve([T0], NOW_S)[0]
    assert not again.caps.reserve([T0], NOW_S)[0]
    assert again.caps.reserve([T0], NOW_S + 12 * HOUR_S)[0]


@pytest.mark.parametrize("seed", range(12))
def test_no_grant_exceeds_the_limit_in_force(seed: int) -> None:
    random = Random(seed)
    print(f"seed {seed}")
    bench = Bench()
    limit: int | None = 2
    bench.plan(hour=limit)
    wall_s = NOW_S
    held: list[CapUse] = []
    counted: dict[int, int] = {}  # window start → units granted and not released
    for _ in range(400):
        action = random.randrange(10)
        if action == 0:
            limit = random.choice([0, 1, 2, 3, 5])
            bench.plan(hour=limit, zone=random.choice(["UTC", "Asia/Kolkata"]))
        elif action == 1:
            wall_s += random.choice([60, 600, 1_800, 3_600])
        elif action <= 6:
            granted, reason, uses = bench.caps.reserve([T0], wall_s)
            if granted:
                start_s = uses[0].window_start_s
                counted[start_s] = counted.get(start_s, 0) + 1
                assert limit is None or counted[start_s] <= limit
                held.append(uses[0])
            else:
                assert reason == Reason.HOUR_CAP
        elif held:
            use = held.pop(random.randrange(len(held)))
            if random.random() < 0.5:
                bench.caps.commit(use)
            else:
                bench.caps.release(use)
                counted[use.window_start_s] -= 1
        assert min(bench.caps.hour.granted) >= 0
        assert bench.caps.hour.committed[T0] <= bench.caps.hour.granted[T0]
    assert len(counted) > 1
