cdef class ZoneClock:
    cdef readonly str name
    cdef object _table
    cdef tuple _day_starts
    cdef int _hour
    cdef long long _hour_from
    cdef long long _hour_until

    cpdef int hour_of_week(self, long long wall_s)
    cpdef long long hour_until(self, long long wall_s)
    cpdef tuple hour_window(self, long long wall_s)
    cpdef tuple day_window(self, long long wall_s)
