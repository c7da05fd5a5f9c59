"""Timer lanes: order, lazy cancelling, counts, and the space that comes back."""

import random
import weakref

import pytest

from sip.timers import BLOCK, Lanes, Owner
from vocabulary.errors import LocalProtocolError


def drain(lanes: Lanes, now_ns: int) -> list[tuple[Owner, int]]:
    """Every timer due at now_ns, as (owner, kind)."""
    fired = []
    while (owner := lanes.pop(now_ns)) is not None:
        fired.append((owner, lanes.kind))
    return fired


def test_nothing_armed() -> None:
    lanes = Lanes()
    assert lanes.deadline() is None
    assert lanes.pop(10**18) is None


def test_due_in_order_across_lanes() -> None:
    lanes, a, b = Lanes(), Owner(), Owner()
    lanes.arm(0, 500, a, 1)
    lanes.arm(0, 100, b, 2)
    lanes.arm(450, 100, a, 3)
    assert lanes.deadline() == 100
    assert drain(lanes, 99) == []
    assert drain(lanes, 100) == [(b, 2)]
    assert lanes.deadline() == 500
    assert drain(lanes, 10_000) == [(a, 1), (a, 3)]
    assert (lanes.live, lanes.deadline()) == (0, None)
    assert lanes.late_ns_max == 10_000 - 500


def test_cancel_disarms_all_of_one_owner() -> None:
    lanes, a, b = Lanes(), Owner(), Owner()
    for kind in range(4):
        lanes.arm(0, 100 + kind % 2, a, kind)
    lanes.arm(0, 100, b, 9)
    assert lanes.live == 5
    lanes.cancel(a)
    lanes.cancel(a)
    assert lanes.live == 1
    lanes.arm(50, 100, a, 7)  # armed anew after the cancel
    assert drain(lanes, 200) == [(b, 9), (a, 7)]


def test_a_cancelled_head_does_not_set_the_deadline() -> None:
    lanes, a, b = Lanes(), Owner(), Owner()
    lanes.arm(0, 100, a, 1)
    lanes.arm(5, 100, b, 2)
    lanes.cancel(a)
    assert lanes.deadline() == 105


@pytest.mark.parametrize(("duration_ns", "kind"), [(0, 1), (-1, 1), (1, -1), (1, 32)])
def test_out_of_range(duration_ns: int, kind: int) -> None:
    with pytest.raises(LocalProtocolError):
        Lanes().arm(0, duration_ns, Owner(), kind)


def test_blocks_are_given_back() -> None:
    lanes, owner = Lanes(), Owner()
    for now_ns in range(BLOCK * 20):
        lanes.arm(now_ns, 50, owner, 1)
        drain(lanes, now_ns)
    assert len(lanes.lanes[50].blocks) <= 2
    assert lanes.live == 50


class Held(Owner):
    """An owner that tells whether anybody still holds it."""


def test_a_cancelled_owner_is_let_go_of_its_longest_timer() -> None:
    lanes, held = Lanes(), []
    for place in range(BLOCK * 3):
        owner = Held()
        lanes.arm(place, 9, owner, 1)
        lanes.arm(place, 5_000, owner, 2)
        lanes.arm(place + 1, 7, owner, 3)  # armed later, but due before: not the one that counts
        held.append(weakref.ref(owner))
        lanes.cancel(owner)
    del owner
    assert lanes.deadline() is None  # the entries of 9 and 7 ns were passed over
    assert not [ref for ref in held if ref() is not None]


def test_a_place_that_has_passed_is_left_alone() -> None:
    lanes, a, b = Lanes(), Owner(), Owner()
    lanes.arm(0, 100, a, 1)
    lanes.arm(0, 50, a, 2)
    assert drain(lanes, 100) == [(a, 2), (a, 1)]
    lanes.arm(100, 100, b, 3)  # in the slot that was a's
    lanes.arm(100, 50, a, 4)
    lanes.cancel(a)
    assert drain(lanes, 300) == [(b, 3)]


@pytest.mark.parametrize("seed", range(20))
def test_against_a_sorted_list(seed: int) -> None:
    """A model of plain tuples: same timers, same order of due times, same deadline."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    lanes, owners, model = Lanes(), [Owner() for _ in range(5)], []
    now_ns = 0
    for _ in range(2_000):
        now_ns += chance.randrange(30)
        owner = chance.choice(owners)
        match chance.randrange(4):
            case 0 | 1:
                duration_ns = chance.choice([10, 25, 100, 4_000])
                lanes.arm(now_ns, duration_ns, owner, 1)
                model.append((now_ns + duration_ns, owner))
            case 2:
                lanes.cancel(owner)
                model = [entry for entry in model if entry[1] is not owner]
            case _:
                due = sorted([entry for entry in model if entry[0] <= now_ns], key=lambda e: e[0])
                model = [entry for entry in model if entry[0] > now_ns]
                fired = [owner for owner, _kind in drain(lanes, now_ns)]
                assert sorted(map(id, fired)) == sorted([id(entry[1]) for entry in due])
        assert lanes.live == len(model)
        assert lanes.deadline() == min([entry[0] for entry in model], default=None)
