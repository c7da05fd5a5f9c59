cimport cython
from sip cimport grammar

cdef int TOKEN, LWS, URI, HOST, DIGIT, IPV6, PARAM, DISPLAY, HOST_MAX
cdef long long NUMBER_MAX
cdef bytes TAG

cdef int skip_lws(const unsigned char* p, int i, int end) noexcept
cdef int skip_quoted(const unsigned char* p, int i, int end) noexcept

@cython.locals(value="long long")
cdef long long number_at(const unsigned char* p, int i, int end) noexcept

cdef int parameter(const unsigned char* p, int i, int end, int* out) noexcept

@cython.locals(k=int)
cdef int is_name(const unsigned char* p, int at, int end, const unsigned char* name,
                 int size) noexcept

cdef int has_scheme(const unsigned char* p, int i, int end) noexcept
cdef int address(const unsigned char* p, int i, int end, int* out) noexcept
cdef int bracketed(const unsigned char* p, int i, int end, int* out) noexcept

@cython.locals(end=int, k=int)
cdef int bare(const unsigned char* p, int i, int* out) noexcept

@cython.locals(cell="int[4]")
cdef int address_parameters(const unsigned char* p, int i, int end, int* out) noexcept

@cython.locals(port_at=int)
cdef int host_port(const unsigned char* p, int i, int end, int* out) noexcept

@cython.locals(_part=int, at=int)
cdef int protocol(const unsigned char* p, int i, int end, int* out) noexcept

@cython.locals(out="int[7]", end=int)
cpdef object parse_name_addr(bytes value)

@cython.locals(cell="int[4]", end=int, i=int)
cpdef dict parse_params(bytes value)

@cython.locals(out="int[3]", end=int, at=int)
cpdef object parse_via(bytes value)

cpdef tuple parse_cseq(bytes value)
cpdef object parse_seconds(bytes value)

@cython.locals(end=int, at=int, i=int, octet=int, inside=bint)
cpdef list split_list(bytes value)

@cython.locals(out="int[7]")
cpdef bytes tag_of(bytes value)
