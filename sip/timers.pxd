cimport cython


cdef class Owner:
    cdef public int generation
    cdef public int armed
    cdef public int lane
    cdef public unsigned int place


cdef class Block:
    cdef long long[::1] cells
    cdef list owners


cdef class Lane:
    cdef public long long duration_ns
    cdef public int number
    cdef public Block first
    cdef public Block last
    cdef public list blocks
    cdef public Py_ssize_t head
    cdef public Py_ssize_t tail
    cdef public long long base
    cdef public long long head_due_ns

    @cython.locals(tail=Py_ssize_t, last=Block)
    cpdef unsigned int append(self, long long due_ns, Owner owner, long long tag)
    cpdef void advance(self)
    @cython.locals(at=cython.longlong, block=Block)
    cpdef void forget(self, Owner owner)
    @cython.locals(owner=Owner)
    cpdef Owner live_head(self)


cdef class Lanes:
    cdef public dict lanes
    cdef public list order
    cdef public long long live
    cdef public int kind
    cdef public long long late_ns_max

    @cython.locals(lane=Lane, place=cython.uint, tag=cython.longlong)
    cpdef void arm(self, long long now_ns, long long duration_ns, Owner owner, int kind)
    cpdef Lane lane_of(self, Owner owner)
    cpdef void cancel(self, Owner owner)
    @cython.locals(lane=Lane, owner=Owner)
    cpdef Owner pop(self, long long now_ns)
    @cython.locals(lane=Lane)
    cpdef object deadline(self)
    @cython.locals(lane=Lane, best=Lane, best_due_ns=cython.longlong)
    cpdef Lane earliest(self)
