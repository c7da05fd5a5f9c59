from exchange.call cimport Call, Reservation

cpdef long long connected_ns(Call call, bint acknowledged)
