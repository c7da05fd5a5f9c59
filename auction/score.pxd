import cython

cdef unsigned long long _WORD
cdef unsigned long long _FIRST
cdef unsigned long long _SECOND

cpdef long long score_of(long long amount_micros, long long quality_ppm) noexcept

@cython.locals(word="unsigned long long")
cpdef unsigned long long tie_hash(unsigned long long key, unsigned long long bid) noexcept
