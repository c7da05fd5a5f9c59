import cython

from routing.caps cimport Caps
from routing.plan cimport Plan
from routing.plan_objects cimport Campaign
from routing.schedule cimport Schedule

@cython.locals(
    targets="int[::1]", static="const unsigned char[::1]", unlinked="const unsigned char[::1]",
    schedule_open="unsigned char[::1]", schedule_of="int[::1]",
    reachable="const unsigned char[::1]",
    hour_limits="int[::1]", hour_granted="int[::1]", hour_ends="long long[::1]",
    day_limits="int[::1]", day_granted="int[::1]", day_ends="long long[::1]",
    live_limits="int[::1]", live="int[::1]",
    slots=cython.Py_ssize_t, index=cython.Py_ssize_t, slot=cython.int, owner=cython.Py_ssize_t,
    hour_limit=cython.int, hour_used=cython.int, day_limit=cython.int, day_used=cython.int,
    schedule=Schedule,
)
cpdef evaluate(
    Plan plan, Campaign campaign, Caps caps, long long wall_s, unsigned char[::1] verdicts
)
