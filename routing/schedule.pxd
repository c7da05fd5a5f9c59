cdef class Schedule:
    cdef readonly str id
    cdef readonly int index
    cdef tuple _starts
    cdef tuple _ends
    cdef long long _from
    cdef long long _until
    cdef bint _open

    cpdef bint is_open(self, long long wall_s)
    cdef void _move_to(self, long long wall_s)
