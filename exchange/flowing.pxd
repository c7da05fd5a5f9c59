from exchange.call cimport Call

cpdef progress(object desk, Call call, object notice, long long now_ns)
cpdef answered(object desk, Call call, object notice, long long now_ns)
cpdef durable(object desk, Call call, long long now_ns)
cpdef answer_sent(object desk, Call call, object notice, long long now_ns)
cpdef acked(object desk, Call call, object notice, long long now_ns)
cpdef ended(object desk, Call call, object notice, long long now_ns)
cpdef released(object desk, Call call, object notice, long long now_ns)
