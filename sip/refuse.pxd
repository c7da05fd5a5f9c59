cimport cython

from sip.core cimport Core, response_flow
from sip.encode cimport response
from sip.message cimport Message


@cython.locals(about=bytes, data=bytes)
cpdef void refuse(Core core, Message message, object flow, int status, bytes extra)
cpdef void refuse_method(Core core, Message message, object flow)
cpdef void answer_options(Core core, Message message, object flow)
@cython.locals(tags=list)
cpdef bint header_fault(Core core, Message message, object flow) except *
@cython.locals(encodings=list, accepted=list)
cpdef bint content_fault(Core core, Message message, object flow) except *
cpdef bytes media_type(bytes value)
