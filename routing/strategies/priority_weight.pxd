import cython

from routing.plan cimport Plan
from routing.plan_objects cimport Campaign

cdef class PriorityWeight:
    cdef object _scores

    cpdef object scores(self, Campaign campaign, Plan plan, object verdicts, object key)
    cpdef won(self, Campaign campaign, int target_slot)

@cython.locals(
    table="long long[::1]", mask="unsigned long long", mix_1="unsigned long long",
    mix_2="unsigned long long", seed="unsigned long long", mixed="unsigned long long",
    index=cython.Py_ssize_t, slot=cython.int, draw="long long", band="long long",
    priority_max="long long",
)
cpdef draw_scores(
    long long[::1] scores, int[::1] targets, unsigned char[::1] verdicts, long long[::1] hashes,
    int[::1] priorities, int[::1] weights, object key
)

@cython.locals(
    half="long long", one="long long", power=cython.int, fraction="long long", step=cython.int,
    low="long long", within="long long",
)
cpdef long long negative_log2(unsigned long long mixed, long long[::1] table)
