cimport cython

cpdef tuple top_up_postings(str buyer, long long amount_micros)

@cython.locals(lines=list)
cpdef tuple call_postings(
    str buyer, long long revenue_micros, str publisher, long long payout_micros
)
