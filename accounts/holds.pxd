cdef class Balances:
    cdef public object balance
    cdef public object held
    cdef public object credit
    cdef public object available
    cdef public dict pending
    cdef public long long holds_live

    cpdef bint hold(self, Py_ssize_t slot, long long amount_micros) except *
