from sip.timers cimport Lanes
from sip.transaction cimport Timing, Transaction


cdef class ServerTransaction(Transaction):
    cdef public bytes key
    cdef public long long merge_key
    cdef public bytes response

    cpdef int answer(self, int status, Lanes lanes, Timing timing, long long now_ns) except? -2
