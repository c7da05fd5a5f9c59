"""Same seed, same secret, same inputs: the same facts, byte for byte (rule 30)."""

import os
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from sip.signals import Cancel
from tests.exchange.trading import Floor, document, rough
from tests.routing.plans import Document
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import MS, S
from vocabulary.facts import CallClosed

ROOT = Path(__file__).resolve().parents[2]


def history(seed: int, plan: Document) -> bytes:
    """Facts of a crowd of calls on a rough wire, as the journal would write them."""
    chance = random.Random(seed)
    phones = [Buyer(reject=486), Buyer(ring_ns=2 * S), Buyer(talk_ns=12 * S)]
    floor = Floor(phones, plan=plan, wire=rough(seed), caller=Caller(talk_ns=15 * S))
    for call in range(12):
        floor.call(leg=2 * call + 1)
        floor.world.run(chance.randrange(800 * MS))
        if chance.random() < 0.3:
            floor.world.perform(floor.caller, Cancel(2 * call + 1))
    floor.settle()
    encode = floor.exchange.encoder.encode
    return b"".join(seq.to_bytes(8, "big") + encode(fact) for seq, fact in floor.exchange.facts)


def tied() -> Document:
    """A plan in which every bid is the same, so that ties decide."""
    return document(3, amount=lambda buyer, bid: "5.00", target={"concurrency": 4})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_seed_gives_the_same_bytes(seed: int) -> None:
    assert history(seed, tied()) == history(seed, tied())


def test_another_seed_gives_others() -> None:
    assert history(1, tied()) != history(2, tied())


def test_the_order_in_which_a_plan_is_written_decides_nothing() -> None:
    def outcome(plan: Document) -> list[tuple[str, int]]:
        floor = Floor(plan=plan, caller=Caller(talk_ns=15 * S))
        for call in range(9):
            floor.call(leg=2 * call + 1)
            floor.world.run(20 * S)
        floor.settle()
        return [(fact.buyer, fact.revenue_micros) for fact in floor.exchange.of(CallClosed)]

    turned = tied()
    for section in ("buyers", "targets", "bids"):
        turned[section] = list(reversed(turned[section]))
    assert outcome(tied()) == outcome(turned)


def test_the_hash_seed_of_the_process_decides_nothing() -> None:
    here = sha256(history(4, tied())).hexdigest()
    script = (
        "from hashlib import sha256\n"
        "from tests.exchange.test_determinism import history, tied\n"
        "print(sha256(history(4, tied())).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            timeout=60, check=True,
        )
        assert done.stdout.split()[-1] == here
