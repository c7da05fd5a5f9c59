cimport cython

from sip.client_transaction cimport ClientTransaction
from sip.dialog cimport Dialog
from sip.encode cimport response
from sip.leg cimport Leg, Local, Pending
from sip.message cimport Message
from sip.server_transaction cimport ServerTransaction
from sip.timers cimport Lanes
from sip.tokens cimport Tokens
from sip.transaction cimport Timing


cdef class Core:
    cdef public Tokens tokens
    cdef public Timing timing
    cdef public Lanes lanes
    cdef public bytes agent_line
    cdef public dict servers
    cdef public dict merged
    cdef public dict offers
    cdef public dict clients
    cdef public dict waiting
    cdef public dict legs
    cdef public dict tags
    cdef public dict streams
    cdef public dict parted
    cdef public dict locals
    cdef public list sends
    cdef public list notices
    cdef public list counts
    cdef public long long last_leg
    cdef public Leg current

    cpdef void count(self, int counter)
    cpdef void send(self, object flow, bytes data)
    cpdef void send_request(self, object flow, bytes data, int method)
    cpdef void send_response(self, object flow, bytes data, int status)
    cpdef void notify(self, object notice)
    @cython.locals(local=Local, key=tuple)
    cpdef Local local_of(self, object flow)
    @cython.locals(there=dict, address=tuple)
    cpdef void place(self, Leg leg, object flow)
    @cython.locals(there=dict, address=tuple)
    cpdef void displace(self, Leg leg)
    @cython.locals(transaction=ServerTransaction)
    cpdef ServerTransaction open_server(self, Message message, bytes key, object flow, bint invite)
    @cython.locals(transaction=ServerTransaction, head=bytes)
    cpdef Pending pending(self, Message message, bytes key, object flow, bint invite)
    @cython.locals(transaction=ServerTransaction, actions=cython.int, data=bytes)
    cpdef bytes respond(
        self, Pending pending, int status, bytes to_tag, bytes extra, bytes body,
        bytes content_type, long long now_ns
    )
    @cython.locals(actions=cython.int)
    cpdef int absorb(self, ServerTransaction transaction, int event, long long now_ns) except? -2
    @cython.locals(leg=Leg)
    @cython.locals(actions=cython.int, head=bytes, data=bytes)
    cpdef void copied(
        self, ServerTransaction transaction, Message message, object flow, long long now_ns
    )
    cpdef void close_server(self, ServerTransaction transaction)
    @cython.locals(there=dict, address=tuple)
    cpdef void start(self, ClientTransaction transaction, bytes request, long long now_ns)
    @cython.locals(there=dict, address=tuple)
    cpdef void answered(self, ClientTransaction transaction)
    cpdef void close_client(self, ClientTransaction transaction)
    cpdef bytes branch_of(self, Leg leg)
    cpdef bytes tail_of(self, Leg leg, Dialog dialog, bytes branch, int max_forwards)


cpdef object response_flow(Message message, object flow)
@cython.locals(branch=bytes)
cpdef bytes server_key(Message message, int method)
@cython.locals(branch=bytes)
cpdef bytes client_key(Message message)
