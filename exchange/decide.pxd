from exchange.call cimport Call
from exchange.room cimport Room

cpdef decide(Room desk, Call call, object entry, tuple tags, long long now_ns)
