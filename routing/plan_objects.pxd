from routing.schedule cimport Schedule

cdef class Publisher:
    cdef readonly int slot
    cdef readonly str id
    cdef readonly str name
    cdef readonly bint active

cdef class Buyer:
    cdef readonly int slot
    cdef readonly str id
    cdef readonly str name
    cdef readonly bint active
    cdef readonly long long credit_limit_micros

cdef class Gateway:
    cdef readonly int slot
    cdef readonly str id
    cdef readonly str host
    cdef readonly int port
    cdef readonly str transport
    cdef public str number_format
    cdef public str prefix

cdef class Target:
    cdef readonly int slot
    cdef readonly str id
    cdef readonly str buyer
    cdef readonly int buyer_slot
    cdef readonly bytes uri
    cdef readonly tuple uris
    cdef public str number
    cdef public tuple gateways
    cdef public tuple hosts
    cdef public Schedule schedule
    cdef public long long ring_ns
    cdef public int priority
    cdef public int weight
    cdef public bint active

cdef class Campaign:
    cdef readonly int slot
    cdef readonly str id
    cdef readonly object targets
    cdef public list schedules
    cdef public Schedule schedule
    cdef public str name
    cdef public str vertical
    cdef public str strategy
    cdef public bint second_price
    cdef public long long increment_micros
    cdef public long long floor_micros
    cdef public bint active
    cdef public int ladder
    cdef public long long ring_ns
    cdef public long long no_response_ns
    cdef public long long ladder_ns
    cdef public long long setup_ns
    cdef public int qualify_s
    cdef public str payout_kind
    cdef public long long payout_micros
    cdef public int payout_basis_points
    cdef public int payout_qualify_s

cdef class NumberEntry:
    cdef readonly Campaign campaign
    cdef readonly Publisher publisher
