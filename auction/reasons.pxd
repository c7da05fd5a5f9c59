import cython


@cython.locals(length=Py_ssize_t, coded=bytearray, start=Py_ssize_t, end=Py_ssize_t,
               ordinal=int, rest=Py_ssize_t)
cpdef bytes encode(const unsigned char[::1] reasons)
