"""A zone's local hour, and the windows that its hour and day caps count in.

A window is a UTC interval [start, end). An hour window begins where the local clock reads a full
hour and at each clock change; a day window at each local midnight. So a repeated local hour is
two windows, a day has 23 to 25 hours, and windows cover time without gap or overlap.
```
UTC      05:00   06:00   07:00        America/New_York, 1 November 2026
local    01:00   01:00   02:00
hours    [──────)[──────)[─────       the repeated hour: two windows
```
Each answer is kept until it ends, so that a call costs one comparison.
"""

from bisect import bisect_right

from routing.plan_file import ZoneEntry
from vocabulary.instants import S_PER_DAY, S_PER_HOUR

Window = tuple[int, int]
NEVER = -(2**62)


class ZoneClock:
    """One zone of a plan. wall_s: Unix seconds; outside the span the last offset holds."""

    __slots__ = ("_day_starts", "_hour", "_hour_from", "_hour_until", "_table", "name")

    def __init__(self, entry: ZoneEntry) -> None:
        self.name: str = entry.table.name
        self._table = entry.table
        self._day_starts = entry.day_starts_s
        self._hour = -1
        self._hour_from = NEVER
        self._hour_until = NEVER

    def hour_of_week(self, wall_s: int) -> int:
        """Local hour of the week, 0..167, Monday 00:00 is 0."""
        if self._hour_from <= wall_s < self._hour_until:
            return self._hour
        self._hour_from, self._hour_until = self.hour_window(wall_s)
        self._hour = self._table.hour_of_week(wall_s)
        return self._hour

    def hour_until(self, wall_s: int) -> int:
        """First second after the local hour that holds wall_s."""
        self.hour_of_week(wall_s)
        return self._hour_until

    def hour_window(self, wall_s: int) -> Window:
        """(start, end) of the local hour around an instant; cut by a clock change."""
        starts = self._table.starts_s
        index = max(0, bisect_right(starts, wall_s) - 1)
        offset = self._table.offsets_s[index]
        start = (wall_s + offset) // S_PER_HOUR * S_PER_HOUR - offset
        end = start + S_PER_HOUR
        if index:
            start = max(start, starts[index])
        if index + 1 < len(starts):
            end = min(end, starts[index + 1])
        return start, end

    def day_window(self, wall_s: int) -> Window:
        """(start, end) of the local day around an instant; 24 h days outside the span."""
        starts = self._day_starts
        index = bisect_right(starts, wall_s) - 1
        if 0 <= index < len(starts) - 1:
            return starts[index], starts[index + 1]
        anchor = starts[-1] if index >= 0 else starts[0]
        start = anchor + (wall_s - anchor) // S_PER_DAY * S_PER_DAY
        return start, start + S_PER_DAY
