import cython

from auction.book cimport Book
from auction.price cimport clearing_price
from auction.score cimport tie_hash

cdef int _EXPIRED
cdef int _BELOW_FLOOR
cdef int _BUDGET_SPENT
cdef int _FUNDS
cdef int _OUTBID
cdef long long _NO_SCORE


cdef class Outcome:
    cdef readonly list ladder
    cdef readonly list prices
    cdef readonly list scores
    cdef readonly Py_ssize_t runner_up
    cdef readonly long long runner_up_score
    cdef readonly object reasons
    cdef readonly dict histogram
    cdef readonly Py_ssize_t stands


@cython.final
cdef class Engine:
    cdef int[::1] _order
    cdef long long[::1] _parties
    cdef long long[::1] _cells
    cdef int[::1] _counts
    cdef Py_ssize_t _filled
    cdef Py_ssize_t _wanted
    cdef Py_ssize_t _stands
    cdef unsigned long long _key

    @cython.locals(outcome=Outcome, entries=Py_ssize_t, place=Py_ssize_t)
    cpdef Outcome run(
        self, Book book, Py_ssize_t n, const int[::1] matched, const unsigned char[::1] verdicts,
        const long long[::1] available, const long long[::1] target_scores,
        long long floor_micros, long long increment_micros, bint second_price, long long wall_s,
        Py_ssize_t ladder_max, unsigned long long key,
    )

    @cython.locals(
        words="long long[::1]", by_target=bint, ordinal=Py_ssize_t, slot=Py_ssize_t,
        at=Py_ssize_t, party="long long", reason=int, amount="long long", score="long long",
        worst="long long",
    )
    cdef int _sift(
        self, Book book, Py_ssize_t n, const int[::1] matched, const unsigned char[::1] verdicts,
        const long long[::1] available, const long long[::1] target_scores,
        long long floor_micros, long long wall_s, unsigned char[::1] reasons,
    ) except -1

    @cython.locals(
        won="long long", full=bint, own=Py_ssize_t, last=Py_ssize_t, cell=Py_ssize_t,
        place=Py_ssize_t,
    )
    cdef Py_ssize_t _offer(
        self, Book book, Py_ssize_t ordinal, Py_ssize_t slot, long long score, long long party,
    ) except? -2

    @cython.locals(low=Py_ssize_t, middle=Py_ssize_t)
    cdef Py_ssize_t _position(
        self, Book book, Py_ssize_t slot, long long score, long long won, Py_ssize_t last,
    ) except -1

    @cython.locals(
        cell=Py_ssize_t, rival=Py_ssize_t, mine="unsigned long long", other="unsigned long long",
    )
    cdef int _outranks(
        self, Book book, Py_ssize_t slot, long long score, long long won, Py_ssize_t place,
    ) except -1

    cdef long long _next_score(self) noexcept
    cdef long long _score(self, Py_ssize_t place) noexcept
    cdef Py_ssize_t _slot(self, Py_ssize_t place) noexcept
    cdef long long _buyer(self, Py_ssize_t place) noexcept

    @cython.locals(place=Py_ssize_t)
    cdef Py_ssize_t _place_of(self, long long party) noexcept

    @cython.locals(
        prices=list, beyond="long long", place=Py_ssize_t, at=Py_ssize_t, rival="long long",
        below=Py_ssize_t,
    )
    cdef list _prices(
        self, Book book, Py_ssize_t n, const int[::1] matched, const unsigned char[::1] reasons,
        Py_ssize_t entries, long long floor_micros, long long increment_micros, bint second,
    )

    @cython.locals(
        best="long long", buyer="long long", ordinal=Py_ssize_t, at=Py_ssize_t,
        party="long long", score="long long",
    )
    cdef long long _best_beyond(
        self, Book book, Py_ssize_t n, const int[::1] matched, const unsigned char[::1] reasons,
    ) noexcept

    @cython.locals(ordinal=Py_ssize_t, found=dict)
    cdef dict _histogram(self, Py_ssize_t entries)
