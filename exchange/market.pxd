from exchange.call cimport Call, Reservation


cdef class Market:
    cdef public dict addresses
    cdef public object balances
    cdef public object book
    cdef public object caps
    cdef public object engine
    cdef public dict frozen
    cdef public dict packed
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

    cpdef object admit(self, Call call, object entry, long long now_ns)
    cpdef release_campaign(self, Call call, bint committed)
    cpdef object auction(self, object campaign, object area, long long wall_s, long long key)
    cpdef object entry_of(self, Py_ssize_t slot, long long score, long long price_micros)
    cpdef object ladder_entry(self, object outcome, Py_ssize_t place)
    cpdef Py_ssize_t standing(self, object entry, Py_ssize_t slot, long long wall_s) except -2
    cpdef Reservation reserve(
        self, object entry, Py_ssize_t slot, str campaign_id, long long wall_s
    )
    cpdef mark_won(self, Reservation held, long long dialled_ns)
    cpdef bint _stands(self, object target, long long wall_s) except -1
    cpdef release(self, Reservation held)
    cpdef commit(self, Reservation held, long long charge_micros)
    cpdef bint take_unit(self, str target_id) except -1
    cpdef give_unit(self, str target_id)
    cpdef tuple ways_to(self, str target_id)
    cpdef long long ring_ns(self, str target_id) except -1
    cpdef object flow_of(self, tuple key, long long now_ns)
