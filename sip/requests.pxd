cimport cython

from sip.client_transaction cimport ClientTransaction
from sip.core cimport Core
from sip.dialog cimport Dialog, of_response, request_bytes
from sip.encode cimport checked
from sip.leg cimport Leg
from sip.message cimport Message


cpdef bytes reason_line(bytes reason)
@cython.locals(dialog=Dialog, tail=bytes, ack=bytes)
cpdef void acknowledge(
    Core core, Leg leg, ClientTransaction transaction, bytes body, bytes content_type
)
cpdef void acknowledge_failure(Core core, ClientTransaction transaction, Message message)
@cython.locals(dialog=Dialog, branch=bytes, tail=bytes, transaction=ClientTransaction)
cpdef tuple in_dialog(
    Core core, Leg leg, int method, bytes extra, bytes body, bytes content_type
)
@cython.locals(transaction=ClientTransaction, request=bytes)
cpdef void bye(Core core, Leg leg, int purpose, bytes reason, long long now_ns)
@cython.locals(transaction=ClientTransaction, extra=bytes, request=bytes)
cpdef void cancel(Core core, ClientTransaction invite, bytes reason, long long now_ns)
@cython.locals(tag=bytes, ack=bytes)
cpdef void acknowledge_again(
    Core core, ClientTransaction invite, Message message, long long now_ns
)
cpdef void lose_fork(Core core, ClientTransaction invite, Message message, long long now_ns)
