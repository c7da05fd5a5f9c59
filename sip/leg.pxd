cimport cython

from sip.client_transaction cimport ClientTransaction
from sip.dialog cimport Dialog
from sip.message cimport Message
from sip.server_transaction cimport ServerTransaction
from sip.timers cimport Owner


cdef class Local:
    cdef public bytes host
    cdef public bytes contact_line
    cdef public bytes via_head


cdef class Pending:
    cdef public ServerTransaction transaction
    cdef public Message message
    cdef public bytes head
    cdef public Local local
    cdef public bytes branch
    cdef public bytes final
    cdef public int repeats


cdef class Leg(Owner):
    cdef public long long id
    cdef public object flow
    cdef public Local local
    cdef public Dialog dialog
    cdef public list forks
    cdef public Leg peer
    cdef public Pending invitation
    cdef public ClientTransaction invite
    cdef public bytes reason
    cdef public bytes body
    cdef public bytes content_type
    cdef public int attempt
    cdef public int requests
    cdef public int asking
    cdef public long long parent
    cdef public tuple address
    cdef public int state
    cdef public bint incoming
    cdef public bint ack_held
    cdef public bint sdp_up
    cdef public bint offer_sent
    cdef public bint canceled
    cdef public bint cancel_sent
    cdef public bint hang_up
    cdef public bint held

    @cython.locals(dialog=Dialog, other=Dialog)
    cpdef Dialog dialog_of(self, bytes local_tag, bytes remote_tag)
    cpdef bint is_renegotiating(self)
