cimport cython

from sip.message cimport Message


cdef class Dialog:
    cdef public bytes local_tag
    cdef public bytes remote_tag
    cdef public bytes ids
    cdef public bytes to
    cdef public bytes target
    cdef public bytes uri
    cdef public bytes routes
    cdef public list strict
    cdef public long long local_cseq
    cdef public long long remote_cseq
    cdef public bint fixed

    cpdef void route(self, list routes, bytes target)
    cpdef void retarget(self, bytes target)
    @cython.locals(target=bytes, routes=list)
    cpdef void learn(self, Message message)
    cpdef bint has_call_id(self, bytes call_id) except *
    @cython.locals(other=Dialog)
    cpdef Dialog fork(self)
    cpdef bytes tail(self, bytes via, int max_forwards)


cpdef bytes first_hop(bytes route)
@cython.locals(dialog=Dialog, ids=bytes, to=bytes)
cpdef Dialog of_invite(Message message, bytes local_tag)
@cython.locals(dialog=Dialog, ids=bytes)
cpdef Dialog of_response(Message message)
cpdef bytes request_bytes(
    bytes method, bytes tail, bytes to, long long cseq, bytes extra, bytes body,
    bytes content_type
)
