cimport cython

from exchange.call cimport Call, Reservation


cdef class Market:
    cdef public dict addresses
    cdef public object balances
    cdef public object book
    cdef public object caps
    cdef public object engine
    cdef public object matched
    cdef public object plan
    cdef public dict resting
    cdef public object slots
    cdef public dict strategies
    cdef public dict targets_by_key
    cdef public object verdicts
    cdef public long long version
    cdef public dict ways
    cdef public object zone_hours
    cdef public list zone_slots

    cpdef object auction(self, object campaign, object area, long long wall_s, long long key)
    cpdef object entry_of(self, Py_ssize_t slot, long long score, long long price_micros)
    cpdef object standing(self, object entry, long long wall_s)
    cpdef Reservation reserve(self, object entry, str campaign_id, long long wall_s)
    cpdef mark_won(self, Reservation held, long long now_ns)
    cpdef release(self, Reservation held)
    cpdef commit(self, Reservation held, long long charge_micros)
