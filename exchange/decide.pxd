from exchange.call cimport Call

cpdef decide(object desk, Call call, object entry, tuple tags, long long now_ns)
