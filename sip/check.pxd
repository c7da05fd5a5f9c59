cimport cython
from sip cimport grammar, headers
from sip.message cimport Message

cdef int LWS, DIGIT, TOKEN
cdef int VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, RECORD_ROUTE, MAX_FORWARDS, CONTENT_TYPE
cdef int CONTENT_LENGTH, REGISTER
cdef int VIA_MAX, ROUTE_MAX, URI_MAX, BRANCH_MAX, CALL_ID_MAX, TAG_MAX, LENGTH_MAX, HEADERS_MAX
cdef long long CSEQ_MAX
cdef unsigned long long MANDATORY, ONE
cdef bytes BRANCH, RPORT, RECEIVED

cdef int KEEP_ALIVE, NOT_SIP, TRUNCATED, NO_VIA, BAD_VERSION, BAD_REQUEST_LINE, BAD_URI, LONG_URI
cdef int TOO_LARGE, BAD_LINE, REPEATED_HEADER, BAD_VIA, BAD_FROM, BAD_TO, BAD_CALL_ID, BAD_CSEQ
cdef int BAD_CONTACT, BAD_MAX_FORWARDS, BAD_ROUTE, BAD_LENGTH, MISSING, MISMATCH, SHORT_BODY
cdef int NO_LENGTH, BAD_STATUS

cdef void blame(Message message, int fault) noexcept

@cython.locals(good=int, fault=int)
cdef void note(Message message, int h, const unsigned char* p, int i, int end) noexcept

cdef int vias(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(out="int[3]", top=int)
cdef int via(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(cell="int[4]", at=int)
cdef int via_parameters(Message message, const unsigned char* p, int i, int end,
                        int top) noexcept

cdef int via_parameter(Message message, const unsigned char* p, int at, int* cell) noexcept

@cython.locals(out="int[7]")
cdef int from_value(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(out="int[7]")
cdef int to_value(Message message, const unsigned char* p, int i, int end) noexcept

cdef int one_address(const unsigned char* p, int i, int end, int* out) noexcept

@cython.locals(out="int[7]", count=int)
cdef int addresses(const unsigned char* p, int i, int end, int in_brackets) noexcept

cdef int is_star(Message message, const unsigned char* p, int i, int end) noexcept
cdef int call_id(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(at=int, number="long long")
cdef int cseq(Message message, const unsigned char* p, int i, int end) noexcept

cdef long long plain_number(const unsigned char* p, int i, int end) noexcept

@cython.locals(number="long long")
cdef int max_forwards(Message message, const unsigned char* p, int i, int end) noexcept

@cython.locals(number="long long")
cdef int content_length(Message message, const unsigned char* p, int i, int end) noexcept

cdef void finish(Message message, const unsigned char* p, int end) noexcept

@cython.locals(at=int)
cdef int same_method(Message message, const unsigned char* p) noexcept
