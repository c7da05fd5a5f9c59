"""Instants: engine time, wall time, and time zones expanded into integer tables.

now_ns is monotonic engine time; wall time is now_ns + offset_ns. Cores know no calendar: zones
become tables when a plan is compiled. This is the one pure module that may use datetime; it
never asks for the time.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

S_PER_DAY = 86_400
S_PER_HOUR = 3_600
NS_PER_S = 1_000_000_000
THURSDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


class ZoneTable(Struct, frozen=True, gc=False):
    """One zone over a span: from starts_s[i] (Unix seconds) on, local = UTC + offsets_s[i]."""

    name: str
    starts_s: tuple[int, ...]
    offsets_s: tuple[int, ...]

    def offset_s(self, wall_s: int) -> int:
        """Seconds to add to UTC at that instant; outside the span the nearest entry holds."""
        return self.offsets_s[max(0, bisect_right(self.starts_s, wall_s) - 1)]

    def hour_of_week(self, wall_s: int) -> int:
        """0..167, Monday 00:00 local is 0."""
        local = wall_s + self.offset_s(wall_s)
        return ((local // S_PER_DAY + THURSDAY) % 7) * 24 + (local % S_PER_DAY) // S_PER_HOUR


def zone_exists(name: str) -> bool:
    """Whether the zone database has that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def expand_zone(name: str, from_s: int, to_s: int) -> ZoneTable:
    """Table of a zone between two Unix seconds, exact to the second of each change.

    Raises ValueError for a zone that does not exist.
    """
    if not zone_exists(name):
        raise ValueError(f"unknown time zone {name!r}, expected a name such as America/New_York")
    zone = ZoneInfo(name)
    starts = [from_s]
    offsets = [_offset_s(zone, from_s)]
    at = from_s
    while at < to_s:
        step = min(at + S_PER_DAY, to_s)
        if _offset_s(zone, step) != offsets[-1]:
            change = _first_change(zone, at, step)
            starts.append(change)
            offsets.append(_offset_s(zone, change))
        at = step
    return ZoneTable(name, tuple(starts), tuple(offsets))


def local_midnights(zone: ZoneTable, from_s: int, to_s: int) -> list[tuple[int, int]]:
    """(local day number since 1970-01-01, Unix second of its first instant), in order.

    Days have 23 to 25 hours; a day that the zone skips is absent.
    """
    found: list[tuple[int, int]] = []
    day = (from_s + zone.offset_s(from_s)) // S_PER_DAY
    last = (to_s + zone.offset_s(to_s)) // S_PER_DAY
    while day <= last:
        found.append((day, utc_of_local(zone, day * S_PER_DAY)))
        day += 1
    return found


def utc_of_local(zone: ZoneTable, local_s: int) -> int:
    """First Unix second whose local clock reads local_s; the change itself if it is skipped."""
    for index, offset in enumerate(zone.offsets_s):
        wall = local_s - offset
        end = zone.starts_s[index + 1] if index + 1 < len(zone.starts_s) else None
        if end is None or wall < end:
            return max(wall, zone.starts_s[index]) if index else wall
    raise AssertionError("a zone table always has a last entry")


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a calendar date. Raises ValueError for a date that is none."""
    return (datetime(year, month, day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days


def format_wall(wall_ns: int) -> str:
    """ISO 8601 text of a wall instant in UTC, with milliseconds."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall_ns // 1_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _offset_s(zone: ZoneInfo, wall_s: int) -> int:
    offset = datetime.fromtimestamp(wall_s, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _first_change(zone: ZoneInfo, low: int, high: int) -> int:
    """First second in (low, high] whose offset differs from that at low, by bisection."""
    before = _offset_s(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high
