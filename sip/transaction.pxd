cimport cython

from sip.timers cimport Lanes, Owner

cdef int _INPUTS, _STATE_BITS, _STATE_MASK, _ABSENT, _IGNORED, _TRYING, _TERMINATED, _KEEP
cdef int _RESEND, _LEFT, _ARM_ANY, _ARM_A, _ARM_B, _ARM_D, _ARM_E, _ARM_F
cdef int _ARM_G, _ARM_H, _ARM_I, _ARM_J, _ARM_K, _ARM_L, _ARM_M, _TIMER_A
cdef int _TIMER_B, _TIMER_D, _TIMER_E, _TIMER_F, _TIMER_G, _TIMER_H, _TIMER_I, _TIMER_J
cdef int _TIMER_K, _TIMER_L, _TIMER_M, _RETRANSMITS_MAX


cdef class Timing:
    cdef public long long t1_ns
    cdef public long long t2_ns
    cdef public long long t4_ns
    cdef public long long patience_ns


@cython.locals(gap_ns=cython.longlong)
cpdef long long retransmit_after_ns(long long sent, long long t1_ns, long long t2_ns)


cdef class Transaction(Owner):
    cdef public tuple cells
    cdef public int method
    cdef public object flow
    cdef public object leg
    cdef public bint reliable
    cdef public int state
    cdef public int sent

    @cython.locals(cell=cython.int)
    cpdef int step(self, int event) except? -2
    @cython.locals(before=cython.int, actions=cython.int)
    cpdef int advance(self, int event, Lanes lanes, Timing timing, long long now_ns) except? -2
    cpdef void arm(self, int actions, Lanes lanes, Timing timing, long long now_ns)
    @cython.locals(gap_ns=cython.longlong)
    cpdef void arm_resend(self, int actions, Lanes lanes, Timing timing, long long now_ns)
    cpdef int patience_kind(self, int actions)
