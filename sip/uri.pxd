cimport cython
from sip cimport grammar, headers

cdef int find(const unsigned char* p, int i, int end, int octet) noexcept
cdef int is_hex(int octet) noexcept
cdef int escapes_valid(const unsigned char* p, int i, int end) noexcept

@cython.locals(at=int)
cdef int sip_parts(const unsigned char* p, int i, int end, int* out) noexcept

cpdef bytes unescape(bytes value)
cpdef bytes escape_user(bytes user)

@cython.locals(out="int[9]")
cdef object _parse_sip(bytes scheme, bytes value, int start)

@cython.locals(start=int, out="int[9]")
cpdef bytes user_of(bytes uri)

@cython.locals(start=int, out="int[9]", host=bytes, transport=bytes, part=bytes)
cpdef tuple hostport_of(bytes uri)
