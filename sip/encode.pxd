cimport cython

cdef int CR, LF, NUL
cdef dict STATUS_LINES

cpdef bytes checked(bytes raw)
cpdef bytes address_value(bytes raw)
cpdef bytes token(bytes raw)
cpdef bytes lines_checked(bytes extra)

@cython.locals(i=int, at=int)
cdef int are_lines(const unsigned char* p, int size) noexcept

cpdef bytes status_line(object code, bytes reason=*)

@cython.locals(kind=bytes)
cpdef bytes tail(bytes body, bytes content_type)

@cython.locals(parts=list)
cpdef bytes response(bytes head, object code, bytes to_line, bytes to_tag, bytes extra, bytes body,
                     bytes content_type, bytes reason=*)
