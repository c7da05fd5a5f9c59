cdef long long _NONE
cdef long long _FIXED

cpdef bint is_qualified(object terms, long long connected_ns) except *
cpdef object revenue_micros(object terms, object price_micros, long long connected_ns)
cpdef object payout_micros(object terms, object revenue, long long connected_ns)
