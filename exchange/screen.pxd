from exchange.call cimport Call

cpdef offered(object desk, object offer, long long now_ns)
