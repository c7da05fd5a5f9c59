import cython


cdef class Directory:
    cdef readonly Py_ssize_t count
    cdef public list ids
    cdef public unsigned long long[::1] hashes
    cdef Py_ssize_t _used
    cdef int[::1] _table

    @cython.locals(
        wanted="unsigned long long", last=Py_ssize_t, entry=Py_ssize_t, slot=Py_ssize_t,
    )
    cpdef Py_ssize_t find(self, str bid_id) except -2

    @cython.locals(last=Py_ssize_t, entry=Py_ssize_t)
    cpdef void drop(self, Py_ssize_t slot) except *

    @cython.locals(last=Py_ssize_t, entry=Py_ssize_t)
    cdef void _enter(self, Py_ssize_t slot) noexcept

    @cython.locals(size=Py_ssize_t, slot=Py_ssize_t)
    cdef void _rebuild(self) except *
