import cython


@cython.locals(length=Py_ssize_t, coded=bytearray, start=Py_ssize_t, end=Py_ssize_t,
               ordinal=int, rest=Py_ssize_t)
cpdef bytes encode(const unsigned char[::1] reasons)

@cython.locals(size=Py_ssize_t, at=Py_ssize_t, ordinal=int, octet=int, length=Py_ssize_t, shift=int,
               total="long long[::1]", found=dict)
cpdef dict tally(bytes data)
