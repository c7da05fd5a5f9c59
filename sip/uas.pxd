cimport cython

from sip cimport ending
from sip.core cimport Core, server_key
from sip.dialog cimport Dialog, of_invite
from sip.encode cimport response
from sip.leg cimport Leg, Pending
from sip.message cimport Message
from sip.refuse cimport refuse
from sip.requests cimport reason_line
from sip.server_transaction cimport ServerTransaction
from sip.transaction cimport Timing, retransmit_after_ns


@cython.locals(pending=Pending, leg=Leg, transaction=ServerTransaction)
cpdef void offer(Core core, Message message, bytes key, object flow, long long now_ns)
cpdef object offered(Leg leg, Message message, object flow)
cpdef long long merge_key(Message message)
@cython.locals(dialog=Dialog, fresh=Dialog, tag=bytes)
cpdef Dialog dialog_for(Core core, Leg leg, int attempt)
cpdef Pending unanswered(Leg leg, str what)
@cython.locals(pending=Pending)
cpdef void trying(Core core, Leg leg, long long now_ns)
@cython.locals(pending=Pending, dialog=Dialog)
cpdef void ring(
    Core core, Leg leg, int status, int attempt, bytes body, bytes content_type, long long now_ns
)
@cython.locals(extra=bytes)
cpdef void provisional(
    Core core, Leg leg, Pending pending, int status, bytes tag, bytes body, bytes content_type,
    long long now_ns
)
@cython.locals(pending=Pending, dialog=Dialog, other=Dialog)
cpdef void answer(
    Core core, Leg leg, int attempt, bytes body, bytes content_type, long long now_ns
)
@cython.locals(extra=bytes)
cpdef void accept(
    Core core, Leg leg, Pending pending, int status, bytes tag, bytes body, bytes content_type,
    long long now_ns
)
@cython.locals(pending=Pending, extra=bytes, tag=bytes)
cpdef void reject(Core core, Leg leg, object command, long long now_ns)
@cython.locals(transaction=ServerTransaction, tag=bytes, data=bytes)
cpdef void reject_once(Core core, Pending pending, int status, bytes extra)
@cython.locals(transaction=ServerTransaction, leg=Leg, pending=Pending, tag=bytes)
cpdef Leg canceled(Core core, Message message, bytes key, object flow, long long now_ns)
cpdef bint same_source(object a, object b) except *
@cython.locals(pending=Pending)
cpdef bint acknowledged(Core core, Leg leg, Message message, long long now_ns) except *
@cython.locals(pending=Pending)
cpdef void not_acknowledged(
    Core core, Leg leg, ServerTransaction transaction, long long now_ns
)
@cython.locals(pending=Pending, timing=Timing, gap_ns=cython.longlong)
cpdef void timer(Core core, Leg leg, int kind, long long now_ns)
