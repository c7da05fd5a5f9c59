import cython

@cython.locals(text=str, digits=str)
cpdef str normalise(str dialled, object rule)
@cython.locals(length=int, code=str, prefix=str)
cdef str _national(str text, object rule)
cpdef str format_outward(str e164, str form, str prefix=*)
