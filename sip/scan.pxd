cimport cython
from sip cimport check, grammar, headers, uri
from sip.message cimport Message

cdef int TOKEN, LWS, URI, FROM, TO, ACK, MESSAGE_MAX, HEADERS_MAX, LINE_MAX, URI_MAX
cdef unsigned char SCRATCH[1600]

@cython.locals(message=Message)
cpdef Message scan(bytes data, int start=*, int end=*)

@cython.locals(message=Message)
cpdef Message scan_stream(bytes data)

@cython.locals(message=Message)
cpdef object measure(bytes head)

cdef object _broken(Message message)

@cython.locals(message=Message, p="const unsigned char*", i=int)
cdef Message read(bytes data, int start, int end)

cdef int is_blank(const unsigned char* p, int i, int end) noexcept

@cython.locals(line_end=int)
cdef int start_line(Message message, const unsigned char* p, int i, int end) noexcept

cdef int is_sip(const unsigned char* p, int i, int end) noexcept
cdef int is_version_2(const unsigned char* p, int i, int end) noexcept

@cython.locals(code_at=int, code="long long")
cdef void status_line(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(last=int, version_at=int)
cdef void request_line(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(i=int, end=int, k=int, colon=int, out="int[9]")
cdef int request_uri_fault(Message message, const unsigned char* p) noexcept

cdef int is_sip_scheme(const unsigned char* p, int i, int end) noexcept

@cython.locals(name_at=int, name_end=int, value_at=int, h=int)
cdef void header_lines(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(at=int)
cdef void add_row(Message message, int h, int name_at, int value_at, int line_end_at) noexcept

@cython.locals(bad=int)
cdef int line_end(const unsigned char* p, int i, int end) noexcept

@cython.locals(quoted=int, octet="unsigned char")
cdef int is_escaped_only(const unsigned char* p, int i, int end) noexcept
