"""Open hours by the local clock → UTC intervals and hour masks.

An instant is open if the local clock then reads an open weekday and time on a date that is not
closed. So in the night of a clock change a repeated hour is open twice, a skipped hour never.
```
local   00:30   01:30 │ 01:00   01:30      open 01:15-01:45 (the clock goes back at 02:00)
open            ██████│    ████████
```
"""

from collections.abc import Iterable

from routing.source_structs import HoursSource
from routing.written_time import MINUTES_PER_DAY, parse_days, parse_minute
from vocabulary.instants import S_PER_DAY, THURSDAY, ZoneTable

HOURS_PER_WEEK = 168
Spans = list[tuple[int, int]]


def week_spans(hours: Iterable[HoursSource]) -> list[Spans]:
    """Open (from, to) minutes of each weekday, Monday first, sorted and merged.

    Hours past midnight are split: "mon 22:00-02:00" opens Tuesday 00:00-02:00.
    """
    week: list[Spans] = [[] for _ in range(7)]
    for entry in hours:
        start, end = parse_minute(entry.from_), parse_minute(entry.to)
        for day in parse_days(entry.days):
            if start < end:
                week[day].append((start, end))
                continue
            week[day].append((start, MINUTES_PER_DAY))
            if end:
                week[(day + 1) % 7].append((0, end))
    return [merged(spans) for spans in week]


def hours_mask(hours: Iterable[HoursSource]) -> int:
    """Bit h is set if hour h of the week (Monday 00:00 is 0) is open; whole hours only."""
    mask = 0
    for day, spans in enumerate(week_spans(hours)):
        for start, end in spans:
            assert start % 60 == end % 60 == 0, "the check of bids refuses part hours"
            for hour in range(start // 60, end // 60):
                mask |= 1 << (day * 24 + hour)
    return mask


def open_intervals(
    zone: ZoneTable, week: list[Spans], closed_days: frozenset[int], end_s: int
) -> Spans:
    """UTC [start, end) seconds that are open from the table's start to end_s, in order.

    closed_days: local dates as days since 1970-01-01.
    """
    found: Spans = []
    for index, start_s in enumerate(zone.starts_s):
        stop_s = zone.starts_s[index + 1] if index + 1 < len(zone.starts_s) else end_s
        offset = zone.offsets_s[index]
        for day in range((start_s + offset) // S_PER_DAY, (stop_s + offset) // S_PER_DAY + 1):
            if day in closed_days:
                continue
            midnight = day * S_PER_DAY - offset
            for start, end in week[(day + THURSDAY) % 7]:
                low = max(midnight + start * 60, start_s)
                high = min(midnight + end * 60, stop_s)
                if low < high:
                    found.append((low, high))
    return merged(found)


def merged(spans: Spans) -> Spans:
    """Spans sorted, those that touch or overlap joined."""
    joined: Spans = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
