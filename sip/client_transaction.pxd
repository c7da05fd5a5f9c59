from sip.timers cimport Lanes
from sip.transaction cimport Timing, Transaction


cdef class ClientTransaction(Transaction):
    cdef public bytes branch
    cdef public int purpose
    cdef public bint waits
    cdef public bytes request
    cdef public bytes tail
    cdef public bytes to
    cdef public long long cseq
    cdef public bytes ack
    cdef public bytes tag
    cdef public dict acks
    cdef public object origin

    cpdef int respond(self, int status, Lanes lanes, Timing timing, long long now_ns) except? -2
    cpdef void shrink(self)
