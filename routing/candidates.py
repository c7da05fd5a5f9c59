"""Who could take this call: one byte a target slot, 255 or the ordinal of the first reason.

Order of the tests (exchange rule 6, as far as the plan and the counters say): buyer active,
paused by hand, linked to the campaign, schedule, hour cap, day cap, concurrency, an address to
dial. The first three are columns made with the plan; the rest is one pass over the campaign's
targets.
"""

from array import array

from routing.caps import Caps
from routing.plan import Plan
from routing.plan_objects import Campaign
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

# The loop holds these as literals, so that they are C constants in the compiled build.
assert Reason.TARGET_SCHEDULE - REASON_BASE == 0
assert Reason.HOUR_CAP - REASON_BASE == 1
assert Reason.DAY_CAP - REASON_BASE == 2
assert Reason.CONCURRENCY - REASON_BASE == 6
assert Reason.NOT_LINKED - REASON_BASE == 33
assert Reason.NO_GATEWAY - REASON_BASE == 44
assert ELIGIBLE == 255


def evaluate(
    plan: Plan, campaign: Campaign, caps: Caps, wall_s: int, verdicts: "array[int]"
) -> None:
    """Fill verdicts[target slot] for every slot; len(verdicts) ≥ the plan's target slots.

    caps: has adopted this plan. wall_s: Unix seconds.
    """
    targets = campaign.targets
    static = plan.target_static
    unlinked = plan.target_unlinked
    schedule_open = plan.schedule_open
    schedule_of = plan.target_schedule
    reachable = plan.target_reachable
    hour_limits = caps.hour.limits
    hour_granted = caps.hour.granted
    hour_ends = caps.hour.ends_s
    day_limits = caps.day.limits
    day_granted = caps.day.granted
    day_ends = caps.day.ends_s
    live_limits = caps.live_limits
    live = caps.live

    slots = len(unlinked)
    assert len(verdicts) >= slots
    verdicts[:slots] = unlinked
    for index in range(slots, len(verdicts)):
        verdicts[index] = 33
    for schedule in campaign.schedules:
        schedule_open[schedule.index] = schedule.is_open(wall_s)
    for index in range(len(targets)):
        slot = targets[index]
        owner = 2 * slot
        hour_limit = hour_limits[owner]
        hour_used = 0 if wall_s >= hour_ends[owner] else hour_granted[owner]
        day_limit = day_limits[owner]
        day_used = 0 if wall_s >= day_ends[owner] else day_granted[owner]
        if static[slot] != 255:
            verdicts[slot] = static[slot]
        elif schedule_open[schedule_of[slot]] == 0:
            verdicts[slot] = 0
        elif 0 <= hour_limit <= hour_used:
            verdicts[slot] = 1
        elif 0 <= day_limit <= day_used:
            verdicts[slot] = 2
        elif 0 <= live_limits[owner] <= live[owner]:
            verdicts[slot] = 6
        elif reachable[slot] == 0:
            verdicts[slot] = 44
        else:
            verdicts[slot] = 255
