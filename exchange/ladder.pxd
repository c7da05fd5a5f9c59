import cython

from exchange.call cimport Call, Reservation
from exchange.room cimport Room

@cython.locals(held=Reservation, entry=int, wall_s="long long", dialled_ns="long long")
cpdef dial_next(Room desk, Call call, long long now_ns)
@cython.locals(held=Reservation, at=int)
cdef bint _dial_gateway(Room desk, Call call, long long now_ns) except -1
@cython.locals(leg="long long")
cdef _dial(Room desk, Call call, str target_id, object flow, long long now_ns)
cdef bytes _from_user(Call call, str form, str prefix)
@cython.locals(ring_ns="long long", no_response_ns="long long", left_ns="long long")
cdef _arm(Room desk, Call call, long long now_ns)
cpdef attempt_failed(Room desk, Call call, object notice, long long now_ns)
cpdef attempt_timed_out(Room desk, Call call, int kind, long long now_ns)
cpdef note_attempt(Room desk, Call call, int status, str cause, long long now_ns)
