import cython

from routing.plan cimport Plan
from routing.plan_objects cimport Campaign

cdef class Credits:
    cdef public object credit
    cdef public object scores
    cdef public object eligible
    cdef public object weights
    cdef public Py_ssize_t count
    cdef public bint moved
    cdef public object told

    @cython.locals(
        credits="long long[::1]", scores="long long[::1]", eligible="int[::1]", gains="int[::1]",
        count=cython.Py_ssize_t, index=cython.Py_ssize_t, last=cython.Py_ssize_t,
        slot=cython.int, credit="long long",
    )
    cpdef score(self, int[::1] targets, unsigned char[::1] verdicts, object weights)
    @cython.locals(
        credits="long long[::1]", scores="long long[::1]", eligible="int[::1]", gains="int[::1]",
        index=cython.Py_ssize_t, slot=cython.int, total="long long", limit="long long",
    )
    cpdef turn(self, int winner)

cdef class RoundRobin:
    cdef dict _campaigns

    cpdef object scores(self, Campaign campaign, Plan plan, object verdicts, object key)
    cpdef won(self, Campaign campaign, int target_slot)
