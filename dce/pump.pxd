cdef class Pump:
    cdef public object append
    cdef public long long armed_ns
    cdef public object clock
    cdef public object decision_cpu
    cdef public object decision_wall
    cdef public object desk
    cdef public object encode
    cdef public object endpoint
    cdef public object handle
    cdef public dict kinds
    cdef public object late
    cdef public object loop
    cdef public object on_closed
    cdef public object on_durable
    cdef public long long overruns
    cdef public long long refused
    cdef public object send
    cdef public long long turns
    cdef public list unsent
    cdef public object wait_durable
    cdef public dict waits

    cpdef turn(self, long long now_ns)
    cdef _flush(self)
    cdef _notify(self, list notices, long long now_ns)
    cdef _carry(self, list outputs, long long now_ns)
    cdef _refused(self, object command, long long now_ns)
    cdef _expire(self, long long now_ns)
    cdef _arm(self, long long now_ns)
