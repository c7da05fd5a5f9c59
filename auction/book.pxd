import cython

from auction.directory cimport Directory
from auction.index cimport Index

cdef Py_ssize_t _AMOUNT
cdef Py_ssize_t _LEFT
cdef Py_ssize_t _SPENT
cdef Py_ssize_t _LAST_WON
cdef Py_ssize_t _PARTY
cdef Py_ssize_t _META
cdef Py_ssize_t _EXPIRES


cdef class Book:
    cdef public long long seq
    cdef public str currency
    cdef public str basis
    cdef list _currencies
    cdef list _bases
    cdef public Index index
    cdef public long long[::1] words
    cdef public unsigned long long[::1] digests
    cdef public Directory directory
    cdef list _free
    cdef Py_ssize_t _used
    cdef dict _per_buyer
    cdef public dict past
    cdef readonly Py_ssize_t buyer_slots
    cdef readonly Py_ssize_t target_slots

    cpdef Py_ssize_t match(
        self, str vertical, str state, int area_code, int hour_of_week, int attestation,
        const int[::1] zone_hours, int[::1] out,
    ) except -1

    cpdef void spend(self, Py_ssize_t slot, long long micros) except *
    @cython.locals(at=Py_ssize_t)
    cpdef void mark_won(self, Py_ssize_t slot, long long order) noexcept
    cpdef Py_ssize_t slot_of(self, str bid_id) except -2
    cpdef Py_ssize_t slot_near(self, str bid_id, Py_ssize_t hint) except -2
    @cython.locals(slot=Py_ssize_t, at=Py_ssize_t, party="long long")
    cpdef Py_ssize_t dialable(
        self, str bid_id, Py_ssize_t hint, Py_ssize_t buyer_slot, Py_ssize_t target_slot,
        long long expires_after_s,
    ) except -2
    cpdef unspend(self, str bid_id, long long micros, Py_ssize_t hint=*)
    cpdef str id_of(self, Py_ssize_t slot)
    cpdef Py_ssize_t buyer_of(self, Py_ssize_t slot) noexcept
    cpdef Py_ssize_t target_of(self, Py_ssize_t slot) noexcept
    cpdef long long amount_micros(self, Py_ssize_t slot) noexcept
    cpdef long long quality_ppm(self, Py_ssize_t slot) noexcept
    cpdef long long last_won(self, Py_ssize_t slot) noexcept
    cpdef long long spent_micros(self, Py_ssize_t slot) noexcept
    @cython.locals(left="long long")
    cpdef long long budget_left_micros(self, Py_ssize_t slot) except -2
