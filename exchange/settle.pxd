import cython

from exchange.call cimport Call, Reservation
from exchange.room cimport Room

cpdef long long connected_ns(Call call, bint acknowledged)
@cython.locals(held=Reservation, talked_ns="long long", revenue="long long", payout="long long",
               qualified=bint)
cpdef settle_answered(
    Room desk, Call call, object disposition, bint chargeable, long long now_ns
)
cdef _emit_closed(
    Room desk, Call call, long long now_ns, object disposition, object refused, int status,
    long long talked_ns, bint qualified, long long revenue, long long payout, tuple postings,
    tuple caps,
)
