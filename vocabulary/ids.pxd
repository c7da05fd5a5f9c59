import cython


cdef class IdSource:
    cdef long long _counter
    cdef object _state

    @cython.locals(tail=bytes)
    cpdef bytes uuid7(self, long long wall_ns)
    @cython.locals(tail=bytes)
    cpdef tuple uuid7_pair(self, long long wall_ns)


cdef bytes _uuid7(long long wall_ns, bytes tail)
