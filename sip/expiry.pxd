cimport cython

from sip cimport b2bua, ending, uac, uas
from sip.client_transaction cimport ClientTransaction
from sip.core cimport Core
from sip.leg cimport Leg, Pending
from sip.server_transaction cimport ServerTransaction
from sip.timers cimport Owner


@cython.locals(leg=Leg)
cpdef void fire(Core core, Owner owner, int kind, long long now_ns)
@cython.locals(actions=cython.int)
cpdef void fire_client(Core core, ClientTransaction transaction, int kind, long long now_ns)
@cython.locals(leg=Leg, purpose=cython.int)
cpdef void gave_up(Core core, ClientTransaction transaction, object by, long long now_ns)
@cython.locals(
    transaction=ClientTransaction, leg=Leg, actions=cython.int, address=tuple, there=dict, legs=dict
)
cpdef void flow_lost(Core core, object flow, long long now_ns)
cpdef bint lives_on(object mine, object lost) except *
@cython.locals(pending=Pending)
cpdef void connection_lost(Core core, Leg leg, long long now_ns)
