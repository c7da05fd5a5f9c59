cimport cython


cdef class Owner:
    cdef public long long generation
    cdef public int armed


cdef class Lane:
    cdef public list dues
    cdef public list owners
    cdef public list tags
    cdef public Py_ssize_t head
    cdef public long long head_due_ns

    cpdef void append(self, long long due_ns, Owner owner, long long tag)
    cpdef void advance(self)
    cpdef void give_back(self)
    @cython.locals(owner=Owner, tag=cython.longlong)
    cpdef Owner live_head(self)


cdef class Lanes:
    cdef public dict lanes
    cdef public list order
    cdef public long long live
    cdef public int kind
    cdef public long long late_ns_max

    @cython.locals(lane=Lane)
    cpdef void arm(self, long long now_ns, long long duration_ns, Owner owner, int kind)
    cpdef void cancel(self, Owner owner)
    @cython.locals(lane=Lane, owner=Owner)
    cpdef Owner pop(self, long long now_ns)
    @cython.locals(lane=Lane)
    cpdef object deadline(self)
    @cython.locals(lane=Lane, best=Lane, best_due_ns=cython.longlong)
    cpdef Lane earliest(self)
