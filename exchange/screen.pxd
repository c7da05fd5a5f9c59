import cython

from exchange.call cimport Call
from exchange.room cimport Room

cpdef offered(Room desk, object offer, long long now_ns)
@cython.locals(call=Call)
cdef Call _open(Room desk, object offer, object trunk, long long now_ns)
cdef _route(Room desk, Call call, object offer, object trunk, long long now_ns)
cdef _name_caller(Room desk, Call call, object offer, object trunk)
cpdef str user_text(bytes uri)
