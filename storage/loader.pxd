import cython

cdef class DayRows:
    cdef public list calls
    cdef public list attempts
    cdef public list auctions
    cdef public list bids
    cdef public list facts

cdef class Rows:
    cdef public Py_ssize_t count
    cdef public dict days
    cdef public list ledger_entries
    cdef public list top_ups
    cdef public list plans
    cdef dict _kinds

    @cython.locals(day="long long")
    cpdef DayRows of_day(self, long long received_us)
    @cython.locals(us="long long", ms="long long", index=int)
    cpdef add_fact(self, int kind, long long seq, long long at_ns, bytes call_id)
    @cython.locals(us="long long")
    cpdef add_own_fact(self, int kind, long long seq, long long at_ns, object wall_ns)

@cython.locals(us="long long", place=int, day=DayRows, bids=list, counts=dict, head=bytes)
cpdef add_routed(object fact, Rows rows)
@cython.locals(us="long long", day=DayRows, attempts=list, call_id=bytes, sealed=bytes)
cpdef add_closed(object fact, Rows rows)
cpdef add_top_up(object fact, Rows rows)

cdef class Loader:
    cdef object _worker
    cdef object _decode
    cdef object _head
    cdef dict _loaded

    cpdef Rows rows(self, object records)

@cython.locals(us="long long", line=int, entries=list)
cdef _add_postings(
    Rows rows, bytes source_id, object posted_ns, str currency, tuple postings, bytes kind
)
cdef bytes _bid(bytes head, object entry, int place, bint runner_up)
cdef object _instant(object wall_ns)
