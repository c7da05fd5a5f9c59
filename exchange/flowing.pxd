from exchange.call cimport Call
from exchange.room cimport Room

cpdef progress(Room desk, Call call, object notice, long long now_ns)
cpdef answered(Room desk, Call call, object notice, long long now_ns)
cpdef durable(Room desk, Call call, long long now_ns)
cpdef answer_sent(Room desk, Call call, object notice, long long now_ns)
cpdef acked(Room desk, Call call, object notice, long long now_ns)
cpdef ended(Room desk, Call call, object notice, long long now_ns)
cdef _caller_ended(Room desk, Call call, object notice, long long now_ns)
cdef _buyer_ended(Room desk, Call call, object notice, long long now_ns)
cpdef released(Room desk, Call call, object notice, long long now_ns)
