cdef list _observers

cpdef crash_point(str name)
