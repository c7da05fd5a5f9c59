cimport cython
from sip cimport grammar, headers

cdef int VIA, FROM, TO, CONTACT, CONTENT_TYPE, RECORD_ROUTE
cdef unsigned char REPEATED[64]
cdef unsigned long long ONE

cdef class Message:
    cdef readonly bytes data
    cdef bytes rows
    cdef readonly int start, end, is_request, method, status
    cdef readonly int cseq, max_forwards, via_rport, content_length, sent_port
    cdef int fault, row_count, route_count, via_count
    cdef unsigned long long seen
    cdef int method_at, method_end, cseq_method_at, cseq_method_end
    cdef int uri_at, uri_end, scheme_end
    cdef readonly int body_at, body_end, to_tag_end
    cdef int branch_at, branch_end, host_at, host_end, transport_at, transport_end, via_end
    cdef int received_from, received_at, received_end, rport_at, rport_end
    cdef int call_id_at, call_id_end, from_tag_at, from_tag_end, to_tag_at

    cdef void _clear(self, bytes data, int start, int end) noexcept

    @cython.locals(p="const unsigned char*", at=int)
    cdef int _index(self, int row, int field) noexcept

    @cython.locals(p="const unsigned char*")
    cdef int _find(self, int h, int row) noexcept

    @cython.locals(text=bytes, at=int, end=int, p="const unsigned char*")
    cdef bytes _text(self, int row)

    cdef bytes _name(self, int row)

    cpdef bint has(self, int h)

    @cython.locals(row=int)
    cpdef object value(self, int h)

    @cython.locals(row=int, found=list)
    cpdef list values(self, int h)

    @cython.locals(row=int, wanted=bytes)
    cpdef object other(self, bytes name)

    @cython.locals(row=int, wanted=bytes, name=bytes, found=list)
    cpdef list others(self, bytes prefix)

    @cython.locals(row=int, found=list)
    cpdef bytes lines(self, int h)

    cpdef bytes to_line(self)

    @cython.locals(row=int, out="int[7]", p="const unsigned char*")
    cpdef bytes contact_uri(self)

    cpdef list record_routes(self)

    @cython.locals(found=list, p="const unsigned char*", taken="unsigned long long", run_at=int,
                   run_end=int, row=int, h=int, at=int, rewrite=bint, top=bint)
    cpdef bytes response_head(self, bytes source_host, int source_port)

    cdef bint _needs_rewrite(self, bytes source_host)

    @cython.locals(cut_at=int, cut_end=int, next_at=int, next_end=int)
    cdef void _top_via(self, list found, int at, bytes source_host, int source_port) except *
