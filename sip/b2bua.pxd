cimport cython

from sip cimport ending, requests, uas
from sip.client_transaction cimport ClientTransaction
from sip.core cimport Core
from sip.dialog cimport Dialog
from sip.encode cimport checked
from sip.leg cimport Leg, Pending
from sip.message cimport Message
from sip.refuse cimport content_fault, header_fault, refuse, refuse_method
from sip.uac cimport body_type, reason_of


@cython.locals(method=cython.int)
cpdef void requested(
    Core core, Leg leg, Dialog dialog, Message message, bytes key, object flow, long long now_ns
)
@cython.locals(pending=Pending)
cpdef void said_bye(
    Core core, Leg leg, Message message, bytes key, object flow, long long now_ns
)
@cython.locals(pending=Pending, peer=Leg, transaction=ClientTransaction)
cpdef void asked(Core core, Leg leg, Message message, bytes key, object flow, long long now_ns)
@cython.locals(pending=Pending, status=cython.int)
cpdef void relay_answered(
    Core core, ClientTransaction transaction, Message message, long long now_ns
)
@cython.locals(pending=Pending, leg=Leg)
cpdef void relay_unanswered(
    Core core, ClientTransaction transaction, object by, long long now_ns
)
@cython.locals(pending=Pending, peer=Leg, is_early=bint, is_peer_busy=bint)
cpdef void reinvited(
    Core core, Leg leg, Dialog dialog, Message message, bytes key, object flow, long long now_ns
)
@cython.locals(caller=Leg)
cpdef bint awaits_caller(Core core, Leg leg)
cpdef bint is_occupied(Leg leg)
@cython.locals(pending=Pending, peer=Leg, message=Message)
cpdef void resume(Core core, Leg leg, long long now_ns)
@cython.locals(pending=Pending)
cpdef void drop_held(Core core, Leg leg, int status, long long now_ns)
@cython.locals(pending=Pending)
cpdef bint is_being_answered(Leg leg)
@cython.locals(transaction=ClientTransaction)
cpdef void invite_again(Core core, Leg leg, bytes body, bytes content_type, long long now_ns)
cpdef void renegotiate(Core core, Leg leg, object command, long long now_ns)
@cython.locals(leg=Leg, status=cython.int)
cpdef void refreshed(
    Core core, ClientTransaction transaction, Message message, long long now_ns
)
@cython.locals(asker=Leg)
cpdef void refresh_progressed(Core core, Leg leg, Message message, long long now_ns)
@cython.locals(leg=Leg, asker=Leg, pending=Pending, body=bytes)
cpdef void refresh_accepted(
    Core core, ClientTransaction transaction, Message message, long long now_ns
)
@cython.locals(asker=Leg, pending=Pending, status=cython.int, relayed=cython.int)
cpdef void refresh_ended(Core core, Leg leg, Message message, long long now_ns)
cpdef void refresh_unanswered(Core core, Leg leg, object by, long long now_ns)
@cython.locals(peer=Leg)
cpdef void cancel_refresh(Core core, Leg leg, long long now_ns)
@cython.locals(peer=Leg)
cpdef void acknowledged(Core core, Leg leg, Message message, long long now_ns)
cpdef void acknowledge(Core core, Leg leg, object command)
@cython.locals(leg=Leg)
cpdef void join(Core core, Leg a, Leg b, long long now_ns)
