"""The power goes once at every crash point; `make kills` does it a thousand times."""

import pytest

from tests.sim.cuts import cut_at
from tests.sim.kills import SEEDS_PER_POINT, faults_of
from tests.storage.crash_points import crash_points

POINTS = list(crash_points())


@pytest.mark.parametrize("index", range(len(POINTS)), ids=POINTS)
def test_a_cut_at_each_point_loses_nothing(index: int) -> None:
    found = cut_at(POINTS[index], 1 + index * SEEDS_PER_POINT, 1)
    assert found.reached == 1
    assert not found.failures, faults_of([found])
