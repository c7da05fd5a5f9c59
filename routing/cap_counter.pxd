cdef class CapCounter:
    cdef readonly str kind
    cdef public object limits
    cdef readonly object granted
    cdef readonly object committed
    cdef readonly object starts_s
    cdef readonly object ends_s

    cpdef int limit(self, Py_ssize_t owner)
    cpdef bint has_room(self, Py_ssize_t owner, long long wall_s)
    cpdef long long take(self, Py_ssize_t owner)
    cpdef commit(self, Py_ssize_t owner, long long window_start_s)
    cpdef release(self, Py_ssize_t owner, long long window_start_s)
