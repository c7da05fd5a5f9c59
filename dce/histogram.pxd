cpdef int bucket_of(long long value_ns)


cdef class Histogram:
    cdef public object counts
    cdef public str name
    cdef public long long total_ns

    cpdef add(self, long long value_ns)
