cimport cython

from sip cimport b2bua, ending, expiry, uac, uas
from sip.admission cimport Admission
from sip.core cimport Core
from sip.leg cimport Leg


@cython.locals(leg=Leg, a=Leg, b=Leg)
cpdef void carry_out(Core core, Admission admission, object command, long long now_ns)
cpdef void for_leg(Core core, Leg leg, object command, long long now_ns)
cpdef void canceled(Core core, Leg leg, bytes reason, long long now_ns)
cpdef void hung_up(Core core, Leg leg, bytes reason, long long now_ns)
