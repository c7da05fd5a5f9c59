from exchange.call cimport Call, Reservation

cpdef dial_next(object desk, Call call, long long now_ns)
cpdef release_held(object desk, Call call)
cpdef attempt_failed(object desk, Call call, object notice, long long now_ns)
cpdef attempt_timed_out(object desk, Call call, int kind, long long now_ns)
cpdef note_attempt(object desk, Call call, int status, str cause, long long now_ns)
