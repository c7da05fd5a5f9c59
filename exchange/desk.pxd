import cython

from exchange.call cimport Call
from exchange.room cimport Room


cdef class Desk(Room):
    @cython.locals(call=Call)
    cpdef receive(self, object notice, long long now_ns)
    cdef _offered(self, object notice, long long now_ns)
    cpdef list drain(self)
    cpdef fault(self, Call call, long long now_ns)
