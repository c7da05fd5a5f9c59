cdef class Reservation:
    cdef public str target
    cdef public Py_ssize_t buyer_slot
    cdef public str bid_id
    cdef public Py_ssize_t bid_slot
    cdef public long long price_micros
    cdef public long long hold_micros
    cdef public tuple caps
    cdef public bint unit


cdef class Call:
    cdef public long long a_leg
    cdef public bytes answer_body
    cdef public bytes answer_type
    cdef public long long answered_ns
    cdef public long long arrived_ns
    cdef public int attempt_no
    cdef public tuple attempts
    cdef public bytes auction_id
    cdef public long long b_leg
    cdef public int best_status
    cdef public tuple bid_slots
    cdef public bytes body
    cdef public bytes body_type
    cdef public bytes call_id
    cdef public str campaign
    cdef public tuple campaign_caps
    cdef public bint campaign_unit
    cdef public str caller
    cdef public str currency
    cdef public long long decided_ns
    cdef public bytes display
    cdef public long long ended_ns
    cdef public int entry
    cdef public int gateway_at
    cdef public int hangup
    cdef public bint heard
    cdef public Reservation held
    cdef public long long invited_ns
    cdef public tuple ladder
    cdef public long long ladder_end_ns
    cdef public object ladder_timer
    cdef public int max_forwards
    cdef public long long no_response_ns
    cdef public str number
    cdef public object personal
    cdef public str publisher
    cdef public long long rang_ns
    cdef public long long ring_ns
    cdef public long long ringing_ns
    cdef public long long serial
    cdef public bint sent
    cdef public long long setup_end_ns
    cdef public long long start_seq
    cdef public int state
    cdef public bytes subject
    cdef public object terms
    cdef public object timer
    cdef public str trunk
    cdef public long long wall_ns
    cdef public tuple ways

    cpdef bint advance(self, int what)
    cpdef long long offset_us(self, long long instant_ns)
    cpdef object attempt(self, int status, str cause, long long ended_ns)
