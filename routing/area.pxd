import cython

cdef class Area:
    cdef readonly int code
    cdef readonly str state
    cdef readonly str country
    cdef readonly int hour_zone

cdef class AreaTable:
    cdef readonly tuple zones
    cdef list _cells

    @cython.locals(code=cython.int, digit=cython.int, position=cython.int)
    cpdef Area area_of(self, str e164)
