from routing.cap_counter cimport CapCounter

cdef class Caps:
    cdef dict _names
    cdef dict _owners
    cdef object _slots
    cdef readonly CapCounter hour
    cdef readonly CapCounter day
    cdef readonly object live
    cdef readonly object live_limits
    cdef list _clocks
    cdef object _zones

    cpdef int room(self, Py_ssize_t owner, long long wall_s)
    cpdef tuple reserve(self, object owners, long long wall_s)
    cpdef int acquire(self, object owners)
    cpdef vacate(self, object owners)
    cdef _take(self, CapCounter counter, Py_ssize_t owner, long long wall_s, list uses)
    cdef bint _has_line(self, Py_ssize_t owner)
