"""Fixtures of the interop tests: one server for the session, with the slots' plan applied.

T1 is 100 ms: 64·T1 is 6.4 s instead of 32, and SIPp keeps its own timers.
"""

from collections.abc import Iterator

import pytest

from tests.interop import peers
from tests.interop.calls import Lab
from tests.interop.plans import Slot, plan, slots
from tests.interop.server import Exchange, Settings, passable_folder

T1_MS = 100
SLOTS = 8


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The running server, its plan applied, ready for calls from 127.0.0.0/8."""
    peers.require(peers.exchange())
    chosen = slots(SLOTS)
    with (passable_folder("dce-lab-") as folder,
          Exchange(folder / "exchange", Settings(t1_ms=T1_MS)) as exchange):
        exchange.apply(plan(chosen))
        yield Lab(exchange, chosen, folder)


@pytest.fixture(scope="session")
def exchange(lab: Lab) -> Exchange:
    """The server of the lab."""
    return lab.exchange


@pytest.fixture
def slot(lab: Lab) -> Iterator[Slot]:
    """A slot of the lab for one test."""
    with lab.slot() as taken:
        yield taken
