cimport cython

from sip cimport b2bua, commands, ending, expiry, refuse, requests, uac, uas
from sip.admission cimport Admission, shed
from sip.client_transaction cimport ClientTransaction
from sip.core cimport Core, client_key, server_key
from sip.dialog cimport Dialog
from sip.leg cimport Leg
from sip.message cimport Message
from sip.scan cimport scan, scan_stream
from sip.server_transaction cimport ServerTransaction
from sip.timers cimport Lanes, Owner


cdef class Endpoint:
    cdef public Core core
    cdef public Admission admission

    @cython.locals(core=Core, message=Message)
    cpdef void receive(self, bytes data, object flow, long long now_ns)
    @cython.locals(core=Core)
    cpdef void perform(self, object command, long long now_ns)
    @cython.locals(lanes=Lanes, owner=Owner)
    cpdef void expire(self, long long now_ns)
    @cython.locals(core=Core, sends=list, notices=list)
    cpdef tuple drain(self)
    cpdef object deadline(self)
    cpdef void broken(self, object broken, object flow)
    @cython.locals(leg=Leg)
    cpdef void fault(self, long long now_ns)
    @cython.locals(
        core=Core, method=cython.int, key=bytes, transaction=ServerTransaction, leg=Leg
    )
    cpdef void request(self, Message message, object flow, long long now_ns)
    @cython.locals(core=Core, leg=Leg, actions=cython.int)
    cpdef void ack(self, Message message, ServerTransaction transaction, long long now_ns)
    @cython.locals(core=Core, tag=bytes, leg=Leg, dialog=Dialog)
    cpdef void within_dialog(self, Message message, bytes key, object flow, long long now_ns)
    @cython.locals(core=Core, method=cython.int)
    cpdef void outside_dialog(self, Message message, bytes key, object flow, long long now_ns)
    @cython.locals(core=Core)
    cpdef void invite(self, Message message, bytes key, object flow, long long now_ns)
    @cython.locals(
        core=Core, transaction=ClientTransaction, status=cython.int, actions=cython.int, leg=Leg
    )
    cpdef void response(self, Message message, long long now_ns)
    @cython.locals(purpose=cython.int)
    cpdef void tell(self, ClientTransaction transaction, Message message, long long now_ns)
