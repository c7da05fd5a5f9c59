import cython


cdef class IdSource:
    cdef long long _counter
    cdef object _state

    @cython.locals(tail=bytes)
    cpdef bytes uuid7(self, object wall_ns)
    @cython.locals(tail=bytes)
    cpdef tuple uuid7_pair(self, object wall_ns)


cdef class SubjectIds:
    cdef object _inner
    cdef object _outer

    cpdef bytes subject_id(self, bytes about)


cdef bytes _uuid7(object wall_ns, bytes tail)
