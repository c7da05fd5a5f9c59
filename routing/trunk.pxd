from routing.prefix cimport PrefixTable

cdef class Trunk:
    cdef readonly str id
    cdef readonly object rule
    cdef readonly object caller_rule
    cdef readonly str number_from
    cdef readonly bint trusted
    cdef readonly object advertise
    cdef readonly tuple headers
    cdef readonly tuple uri_parameters
    cdef PrefixTable _prefixes

    cpdef bint may_dial(self, str e164)

cdef class TrunkTable:
    cdef dict _memo
    cdef dict _networks
    cdef dict _lengths

    cpdef object trunk_of(self, str host)
