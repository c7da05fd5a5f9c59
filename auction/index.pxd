import cython

cdef unsigned long long _WORD_MASK
cdef unsigned long long _DE_BRUIJN
cdef const unsigned char[::1] _BIT_OF
cdef const unsigned long long[::1] _POWER
cdef Py_ssize_t _BLOCK_WORDS
cdef Py_ssize_t _SLOT_MASK
cdef Py_ssize_t _ANY_HOUR
cdef Py_ssize_t _ANY_VERTICAL
cdef Py_ssize_t _ANY_STATE
cdef Py_ssize_t _ANY_CODE
cdef Py_ssize_t _FOREIGN


cdef class Rows:
    cdef Py_ssize_t hour
    cdef Py_ssize_t vertical
    cdef Py_ssize_t state
    cdef Py_ssize_t code
    cdef Py_ssize_t attestation


cdef class Block:
    cdef public unsigned long long[::1] bits
    cdef public Py_ssize_t rows

    @cython.locals(word=Py_ssize_t)
    cdef void put(self, Py_ssize_t row, Py_ssize_t bit) noexcept

    cpdef bint has(self, Py_ssize_t row, Py_ssize_t bit) noexcept

    @cython.locals(keep="unsigned long long", word=Py_ssize_t, _=Py_ssize_t)
    cdef void clear(self, Py_ssize_t bit) noexcept

    cdef Py_ssize_t _at(self, Py_ssize_t row, Py_ssize_t otherwise) noexcept

    @cython.locals(
        hour=Py_ssize_t, vertical=Py_ssize_t, state=Py_ssize_t, code=Py_ssize_t,
        attestation=Py_ssize_t, any_hour=Py_ssize_t, any_vertical=Py_ssize_t,
        any_state=Py_ssize_t, any_code=Py_ssize_t, foreign=Py_ssize_t, room=Py_ssize_t,
        at=Py_ssize_t, word="unsigned long long", lowest="unsigned long long",
    )
    cdef Py_ssize_t scan(
        self, Rows wanted, Py_ssize_t words, Py_ssize_t base, int[::1] out, Py_ssize_t count,
        Index index, const int[::1] zone_hours,
    ) noexcept


cdef class Index:
    cdef public list zones
    cdef list _blocks
    cdef list _names
    cdef dict _verticals
    cdef dict _states
    cdef dict _codes
    cdef int[::1] _foreign_of
    cdef unsigned long long[::1] _foreign_masks
    cdef list _foreign_free
    cdef Rows _query

    @cython.locals(count=Py_ssize_t, base=Py_ssize_t, words=Py_ssize_t, block=Block, query=Rows)
    cdef Py_ssize_t match(
        self, str vertical, str state, object area_code, Py_ssize_t hour_of_week,
        int attestation, const int[::1] zone_hours, int[::1] out, Py_ssize_t slots,
    ) except -1

    @cython.locals(
        rest="unsigned long long", lowest="unsigned long long", bit=Py_ssize_t, at=Py_ssize_t,
        hour=Py_ssize_t,
    )
    cdef unsigned long long drop_closed(
        self, unsigned long long word, unsigned long long foreign, Py_ssize_t base,
        const int[::1] zone_hours,
    ) noexcept

    @cython.locals(block=Block, bit=Py_ssize_t)
    cpdef void insert(self, Py_ssize_t slot, object terms) except *

    @cython.locals(block=Block, entry=Py_ssize_t)
    cpdef void remove(self, Py_ssize_t slot) except *

    @cython.locals(bit=Py_ssize_t, hour=Py_ssize_t, open_hours="unsigned long long")
    cdef void _insert_hours(self, Block block, Py_ssize_t slot, object terms) except *
