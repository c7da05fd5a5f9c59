cimport cython


cdef class JournalCore:
    cdef public object directory
    cdef public str failed
    cdef public str full
    cdef public str short
    cdef public bint dead
    cdef public bint idle
    cdef public object guard
    cdef public object files
    cdef public long long sync_began_ns
    cdef public long long records
    cdef public long long bytes
    cdef public long long pending_bytes
    cdef public list syncs
    cdef public long long epoch
    cdef public long long next_seq
    cdef public long long durable_seq
    cdef public object _disk
    cdef public object _worker
    cdef public object _on_durable
    cdef public object _on_failed
    cdef public object _on_full
    cdef public object _wake
    cdef public long long _segment_bytes
    cdef public long long _reserve_bytes
    cdef public long long _pending_bytes_max
    cdef public object _clock_ns
    cdef public list _pieces
    cdef public object _spare
    cdef public object _claim
    cdef public object _mark
    cdef public long long _ordinal
    cdef public long long _offset
    cdef public object _reserve
    cdef public long long _capacity
    cdef public object _file
    cdef public long long _room

    @cython.locals(size="long long", piece=list, idle=bint)
    cpdef append(self, long long seq, int kind, bytes payload)
