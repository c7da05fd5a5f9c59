from sip.core cimport Core
from sip.message cimport Message
from sip.refuse cimport refuse


cdef class Admission:
    cdef public long long burst_ns
    cdef public long long call_ns
    cdef public long long filled_at_ns
    cdef public long long tokens_ns
    cdef public bint is_open
    cdef public long long retry_after_s

    cpdef bint take(self, long long now_ns)


cpdef bint shed(
    Core core, Admission admission, Message message, object flow, long long now_ns
) except *
