cdef unsigned char CLASS[256]
cdef unsigned char METHOD_SLOT[512]
cdef unsigned char METHOD_TEXT[240]
cdef unsigned char HEADER_SLOT[256]
cdef unsigned char HEADER_TEXT[2048]
cdef unsigned char COMPACT_SLOT[32]
cdef unsigned char SINGLE[64]
cdef unsigned char LIST[64]

cimport cython

@cython.locals(size=int, number=int, base=int, k=int)
cdef int method_id(const unsigned char* p, int at, int end) noexcept

@cython.locals(size=int, slot=int)
cdef int header_id(const unsigned char* p, int at, int end) noexcept

@cython.locals(k=int)
cdef int _same_name(const unsigned char* p, int at, int size, int base) noexcept
