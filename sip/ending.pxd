cimport cython

from sip cimport requests
from sip.client_transaction cimport ClientTransaction
from sip.core cimport Core
from sip.dialog cimport Dialog
from sip.leg cimport Leg, Pending


@cython.locals(dialog=Dialog)
cpdef void release(Core core, Leg leg, long long now_ns)
cpdef void bye_answered(Core core, Leg leg, ClientTransaction transaction, long long now_ns)
@cython.locals(invite=ClientTransaction)
cpdef void orphan(Core core, Leg leg, long long now_ns)
@cython.locals(peer=Leg)
cpdef void hang_up(Core core, Leg leg, object by, bytes reason, long long now_ns)
cpdef void end_peer(Core core, Leg leg, Leg peer, bytes reason, long long now_ns)
@cython.locals(pending=Pending)
cpdef void settle_invites(Core core, Leg leg, long long now_ns)
@cython.locals(peer=Leg)
cpdef void ended_by_remote(Core core, Leg leg, bytes reason, long long now_ns)
@cython.locals(peer=Leg, pending=Pending)
cpdef void cancel_offer(Core core, Leg leg, bytes reason, long long now_ns)
cpdef void give_up(Core core, Leg leg, bytes reason, long long now_ns)
cpdef void send_cancel(Core core, Leg leg, long long now_ns)
@cython.locals(peer=Leg)
cpdef void failed(
    Core core, Leg leg, int status, object cause, bytes reason, long long retry_after_s,
    long long now_ns
)
@cython.locals(peer=Leg, state=cython.int)
cpdef void fault(Core core, Leg leg, long long now_ns)
cpdef void part_with_remote(Core core, Leg leg, long long now_ns)
