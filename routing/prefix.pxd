import cython

cdef class PrefixTable:
    cdef object _cells
    cdef object _values
    cdef readonly int entries

    @cython.locals(
        cells="int[::1]", values="int[::1]", best=cython.int, node=cython.int,
        start=cython.Py_ssize_t, position=cython.Py_ssize_t, digit=cython.int,
    )
    cpdef int longest(self, str number)
