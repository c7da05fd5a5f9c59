"""Candidates: one reason for each refusal, in order, equal to the plain reading of the rules."""

from array import array
from random import Random
from typing import Any

from routing.candidates import evaluate
from routing.caps import Caps, target_owner
from routing.plan import Plan
from routing.slots import Slots
from tests.routing.plans import NOW_S, running, target_id, written_plan
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

CLOSED = {"id": "closed", "zone": "UTC", "open": []}
OFFICE = {
    "id": "office",
    "zone": "America/New_York",
    "open": [{"days": "mon-fri", "from": "07:00", "to": "08:00"}],
}


def verdicts_of(plan: Plan, caps: Caps, wall_s: int = NOW_S, extra: int = 0) -> "array[int]":
    """Verdicts of the plan's campaign "auto", with some cells beyond the plan's slots."""
    verdicts = array("B", [77]) * (len(plan.target_static) + extra)
    evaluate(plan, plan.campaigns["auto"], caps, wall_s, verdicts)
    return verdicts


def adopted(slots: Slots, plan: Plan) -> Caps:
    """Counters that have adopted a plan."""
    caps = Caps(slots)
    caps.adopt(plan)
    return caps


def test_each_reason_has_its_ordinal() -> None:
    document = written_plan(10)
    document["schedules"] = [CLOSED]
    targets = document["targets"]
    document["buyers"][0]["status"] = "suspended"
    targets[1]["status"] = "paused"
    document["campaigns"][0]["targets"] = [t["id"] for t in targets if t["id"] != targets[2]["id"]]
    targets[3]["schedule"] = "closed"
    targets[4]["caps"] = {"hour": 0}
    targets[5]["caps"] = {"day": 0}
    targets[6]["concurrency"] = 1
    targets[7]["uri"] = "sip:agents@buyer.example.com"
    targets[8]["concurrency"] = 1
    slots = Slots()
    plan = running(document, slots)
    caps = adopted(slots, plan)
    assert caps.acquire([target_owner(slots.targets[targets[6]["id"]])]) == 0
    expected = [
        Reason.BUYER_NOT_ACTIVE,
        Reason.PAUSED_BY_HAND,
        Reason.NOT_LINKED,
        Reason.TARGET_SCHEDULE,
        Reason.HOUR_CAP,
        Reason.DAY_CAP,
        Reason.CONCURRENCY,
        Reason.NO_GATEWAY,
    ]
    found = verdicts_of(plan, caps, extra=2)
    assert [REASON_BASE + ordinal for ordinal in found[:8]] == expected
    assert list(found[8:10]) == [ELIGIBLE, ELIGIBLE]
    assert [REASON_BASE + ordinal for ordinal in found[10:]] == [Reason.NOT_LINKED] * 2


def test_an_unlinked_target_keeps_the_earlier_reason() -> None:
    document = written_plan(2)
    document["campaigns"][0]["targets"] = []
    document["buyers"][0]["status"] = "closed"
    slots = Slots()
    plan = running(document, slots)
    found = verdicts_of(plan, adopted(slots, plan))
    assert [REASON_BASE + ordinal for ordinal in found] == [
        Reason.BUYER_NOT_ACTIVE,
        Reason.NOT_LINKED,
    ]


def plain_verdict(plan: Plan, caps: Caps, slot: int, wall_s: int) -> int:
    """The rules, read one by one."""
    target = plan.target_by_slot[slot]
    assert target is not None
    if not plan.buyers[target.buyer].active:
        return Reason.BUYER_NOT_ACTIVE
    if not target.active:
        return Reason.PAUSED_BY_HAND
    if slot not in plan.campaigns["auto"].targets:
        return Reason.NOT_LINKED
    if target.schedule is not None and not target.schedule.is_open(wall_s):
        return Reason.TARGET_SCHEDULE
    full = caps.room(target_owner(slot), wall_s)
    if full:
        return full
    if not plan.target_reachable[slot]:
        return Reason.NO_GATEWAY
    return REASON_BASE + ELIGIBLE


def random_document(random: Random) -> dict[str, Any]:
    """A plan in which every reason is likely."""
    document = written_plan(random.randint(1, 6), random.randint(1, 4))
    document["schedules"] = [CLOSED, OFFICE]
    for buyer in document["buyers"]:
        buyer["status"] = random.choice(["active", "active", "active", "paused"])
    for target in document["targets"]:
        target["status"] = random.choice(["active", "active", "active", "paused"])
        target["schedule"] = random.choice([None, None, "closed", "office", "office"])
        target["caps"] = {"hour": random.choice([None, 1, 2]), "day": random.choice([None, 2])}
        target["concurrency"] = random.choice([None, 1, 2])
        target["uri"] = random.choice(["sip:a@127.0.0.1", "sip:a@127.0.0.1", "sip:a@x.example.com"])
    ids = [target["id"] for target in document["targets"]]
    document["campaigns"][0]["targets"] = random.choice(
        ["all", "all", random.sample(ids, random.randint(0, len(ids)))]
    )
    return document


def test_one_pass_equals_the_plain_reading() -> None:
    seed = 20261124
    random = Random(seed)
    print(f"seed {seed}")
    for _ in range(120):
        slots = Slots()
        plan = running(random_document(random), slots)
        caps = adopted(slots, plan)
        for step in range(12):
            wall_s = NOW_S + step * 900
            owner = target_owner(random.randrange(len(plan.target_static)))
            if random.random() < 0.5:
                caps.reserve([owner], wall_s)
            elif random.random() < 0.5:
                caps.acquire([owner])
            found = verdicts_of(plan, caps, wall_s)
            assert [REASON_BASE + ordinal for ordinal in found] == [
                plain_verdict(plan, caps, slot, wall_s) for slot in range(len(found))
            ]


def test_reachability_survives_a_new_plan_for_the_same_host() -> None:
    document = written_plan(2, uri=lambda buyer, index: f"sip:a@h{buyer}.example.com")
    slots = Slots()
    first = running(document, slots)
    first.target_reachable[0] = first.target_reachable[1] = 1
    document["targets"][1]["uri"] = "sip:a@moved.example.com"
    second = running(document, slots, before=first)
    assert list(second.target_reachable) == [1, 0]
    assert slots.targets[target_id(0, 0)] == 0
