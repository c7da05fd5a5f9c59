cimport cython

from sip cimport ending, requests, uas
from sip.client_transaction cimport ClientTransaction
from sip.core cimport Core
from sip.dialog cimport Dialog, request_bytes
from sip.encode cimport checked
from sip.leg cimport Leg, Local
from sip.message cimport Message


@cython.locals(
    local=Local, tag=bytes, call_id=bytes, ids=bytes, to=bytes, dialog=Dialog, leg=Leg,
    branch=bytes, transaction=ClientTransaction, extra=bytes, request=bytes, parent=Leg
)
cpdef void dial(Core core, object command, long long now_ns)
cpdef bytes caller(object command, bytes host)
cpdef bytes more_lines(object command)
cpdef bytes body_type(Message message)
@cython.locals(leg=Leg, status=cython.int)
cpdef void responded(
    Core core, ClientTransaction transaction, Message message, long long now_ns
)
@cython.locals(tag=bytes)
cpdef void progressed(Core core, Leg leg, Message message, long long now_ns)
@cython.locals(dialog=Dialog, found=Dialog)
cpdef Dialog early(Leg leg, Message message, bytes tag)
@cython.locals(leg=Leg)
cpdef void accepted(
    Core core, ClientTransaction transaction, Message message, long long now_ns
)
cpdef void won(
    Core core, Leg leg, ClientTransaction transaction, Message message, long long now_ns
)
cpdef void end_unwanted(Core core, Leg leg, long long now_ns)
cpdef void refused(Core core, Leg leg, Message message, long long now_ns)
cpdef bytes reason_of(Message message)
cpdef void gave_no_answer(Core core, Leg leg, object cause, long long now_ns)
@cython.locals(invite=ClientTransaction)
cpdef void cancel_expired(Core core, Leg leg, long long now_ns)
