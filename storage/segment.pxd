cimport cython

@cython.locals(size="long long", body=bytes)
cpdef bytes pack_record(long long epoch, long long seq, int kind, bytes payload)

@cython.locals(
    end=Py_ssize_t, stop=Py_ssize_t, size="long long", crc="long long", epoch="long long",
    found="long long", kind=int, epoch_here="long long",
)
cpdef Py_ssize_t parse_records(
    bytes data, Py_ssize_t at, object header, long long seq, Py_ssize_t base, list entries
) except -1
