cdef class Tokens:
    cdef public bytes prefix
    cdef public object state
    cdef public long long count

    cpdef tuple tag_and_call_id(self)
    cpdef bytes derived_tag(self, bytes about)
    cpdef tuple cut(self, bytes about)
