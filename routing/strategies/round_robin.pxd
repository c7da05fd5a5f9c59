import cython

from routing.plan cimport Plan
from routing.plan_objects cimport Campaign

cdef class Credits:
    cdef public object credit
    cdef public object scores
    cdef public object eligible
    cdef public object weights

    @cython.locals(
        index=cython.Py_ssize_t, last=cython.Py_ssize_t, slot=cython.int, credit="long long",
    )
    cpdef score(self, int[::1] targets, unsigned char[::1] verdicts, int[::1] weights)

cdef class RoundRobin:
    cdef dict _campaigns

    cpdef object scores(self, Campaign campaign, Plan plan, object verdicts, object key)
    cpdef won(self, Campaign campaign, int target_slot)
