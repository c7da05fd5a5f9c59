from exchange.call cimport Call, Reservation
from exchange.market cimport Market


cdef class Room:
    cdef public str admission_closed
    cdef public dict calls
    cdef public dict counters
    cdef public bint draining
    cdef public long long durable_seq
    cdef public long long emitted
    cdef public object ids
    cdef public str journal_down
    cdef public bint journal_full
    cdef public bint journal_late
    cdef public object lanes
    cdef public dict legs
    cdef public Market market
    cdef public long long offset_ns
    cdef public list out
    cdef public object subjects
    cdef public long long seq
    cdef public long long serials
    cdef public dict top_ups
    cdef public dict units
    cdef public object waiting
    cdef long long _next_leg

    cpdef long long emit(self, object fact)
    cpdef count(self, str name)
    cpdef long long next_leg(self)
    cpdef leg_gone(self, long long leg)
    cpdef closed(self, Call call, object disposition)
    cpdef release_held(self, Call call)
