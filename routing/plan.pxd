import cython

from routing.area cimport Area, AreaTable
from routing.plan_objects cimport Buyer, Campaign, Gateway, NumberEntry, Publisher, Target
from routing.schedule cimport Schedule
from routing.trunk cimport Trunk, TrunkTable
from routing.zone_clock cimport ZoneClock

cdef class Plan:
    cdef readonly int version
    cdef readonly str currency
    cdef readonly dict trunks
    cdef readonly dict publishers
    cdef readonly dict buyers
    cdef readonly dict gateways
    cdef readonly dict targets
    cdef readonly dict campaigns
    cdef public list buyer_by_slot
    cdef public list campaign_by_slot
    cdef readonly list target_by_slot
    cdef readonly list clocks
    cdef readonly dict zone_index
    cdef public AreaTable areas
    cdef readonly list schedules
    cdef public object schedule_open
    cdef readonly object target_static
    cdef readonly object target_unlinked
    cdef readonly object target_schedule
    cdef readonly object target_reachable
    cdef readonly object target_hash
    cdef readonly object target_priority
    cdef readonly object target_weight
    cdef readonly object hour_caps
    cdef readonly object day_caps
    cdef readonly object live_caps
    cdef readonly object cap_zones
    cdef dict _numbers
    cdef TrunkTable _trunks
    cdef object _zone_hours
    cdef long long _zone_hours_from
    cdef long long _zone_hours_until

    cpdef object number(self, str e164)
    cpdef object trunk_of(self, str host)
    cpdef Area area_of(self, str e164)
    @cython.locals(clock=ZoneClock)
    cpdef int hour_of_week(self, int zone, long long wall_s)
    cpdef object zone_hours(self, long long wall_s)
