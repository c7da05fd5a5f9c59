"""A campaign's hours by the simulated wall clock, worked out without routing.schedule."""

from tests.routing.plans import NOW_S
from tests.sim.wire import S

TIMED = "timed"
TIMED_NUMBER = b"+12125550101"
OPEN_FROM, OPEN_TO = "07:10", "07:40"  # in New York; the world begins there at 07:00, a Tuesday
OPENS_S, CLOSES_S = NOW_S + 600, NOW_S + 2_400


def is_open(wall_ns: int) -> bool | None:
    """Whether calls are taken; None within a moment of opening or closing."""
    wall_s = wall_ns / S
    if min(abs(wall_s - OPENS_S), abs(wall_s - CLOSES_S)) < 0.1:
        return None
    return OPENS_S <= wall_s < CLOSES_S
