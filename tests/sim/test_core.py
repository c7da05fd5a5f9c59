"""The whole signal core on a simulated disk, clock and wire: 200 histories, and the control."""

import os

import pytest

from tests.sim.history import History
from tests.sim.seeds import digest, live_through, met
from vocabulary.errors import JournalDamaged

SEEDS = 200
BATCH = 20
FIRST = int(os.environ.get("SEED_FROM", "1"))


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, BATCH))
def test_histories(first: int) -> None:
    for seed in range(first, first + BATCH):
        live_through(seed)


def test_a_seed_gives_one_history() -> None:
    one, other = History(7), History(7)
    one.run()
    other.run()
    assert digest(one) == digest(other)
    assert met(one)["calls charged"] > 0


def test_without_its_syncs_the_disk_is_found_out() -> None:
    """Control: a disk whose syncs do nothing must lose what was acknowledged, or be seen torn."""
    lost = 0
    for seed in range(FIRST, FIRST + 10):
        try:
            History(seed, honest=False).run()
        except (AssertionError, JournalDamaged, ValueError) as error:
            lost += 1
            print(f"seed {seed}: {error!r}"[:200])
    assert lost >= 5  # the others met no power cut, or lost nothing in it by chance
