"""Schedules and windows against the zone database, above all in the nights the clock changes."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from routing.plan_file import ScheduleEntry, ZoneEntry
from routing.schedule import Schedule
from routing.source_structs import HoursSource
from routing.weekly import hours_mask, open_intervals, week_spans
from routing.zone_clock import ZoneClock
from vocabulary.instants import expand_zone, local_midnights

DAY_S = 86_400
FROM_S = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp())
TO_S = FROM_S + 200 * DAY_S  # both clock changes of the northern winter
NEW_YORK = "America/New_York"
BACK_S = int(datetime(2026, 11, 1, 6, tzinfo=UTC).timestamp())  # 02:00 EDT → 01:00 EST
FORWARD_S = int(datetime(2027, 3, 14, 7, tzinfo=UTC).timestamp())  # 02:00 EST → 03:00 EDT


def hours(days: str, start: str, end: str) -> HoursSource:
    """Written hours."""
    return HoursSource(days=days, from_=start, to=end)


def schedule(
    written: list[HoursSource], zone: str = NEW_YORK, closed: tuple[int, ...] = ()
) -> Schedule:
    """A running schedule over the span."""
    table = expand_zone(zone, FROM_S, TO_S)
    found = open_intervals(table, week_spans(written), frozenset(closed), TO_S)
    starts = tuple(start for start, _ in found)
    ends = tuple(end for _, end in found)
    return Schedule(ScheduleEntry("s", starts, ends), 1)


def clock(zone: str) -> ZoneClock:
    """A zone's clock over the span."""
    table = expand_zone(zone, FROM_S, TO_S)
    midnights = tuple(start for _, start in local_midnights(table, FROM_S, TO_S))
    return ZoneClock(ZoneEntry(table, midnights))


def edges(found: Schedule, around_s: int, hours_around: int = 4) -> list[tuple[int, bool]]:
    """(minutes from the change, open) at every switch around a change, by the minute."""
    switches: list[tuple[int, bool]] = []
    for minute in range(-60 * hours_around, 60 * hours_around):
        is_open = found.is_open(around_s + 60 * minute)
        if not switches or switches[-1][1] != is_open:
            switches.append((minute, is_open))
    return switches[1:]


def test_hours_over_the_repeated_hour_are_one_stretch() -> None:
    found = schedule([hours("sun", "00:30", "02:30")])
    # 00:30 EDT is 90 minutes before the change, 02:30 EST is 90 minutes after it
    assert edges(found, BACK_S) == [(-90, True), (90, False)]


def test_a_boundary_inside_the_repeated_hour_holds_both_times() -> None:
    opening = schedule([hours("sun", "01:30", "03:00")])
    assert edges(opening, BACK_S) == [(-30, True), (0, False), (30, True), (120, False)]
    closing = schedule([hours("sun", "00:00", "01:30")])
    assert edges(closing, BACK_S) == [(-120, True), (-30, False), (0, True), (30, False)]


def test_hours_over_the_skipped_hour_lose_it() -> None:
    found = schedule([hours("sun", "01:00", "04:00")])
    assert edges(found, FORWARD_S) == [(-60, True), (60, False)]


def test_boundaries_inside_the_skipped_hour_move_to_the_change() -> None:
    assert edges(schedule([hours("sun", "02:30", "04:00")]), FORWARD_S) == [(0, True), (60, False)]
    assert edges(schedule([hours("sun", "01:00", "02:30")]), FORWARD_S) == [(-60, True), (0, False)]
    assert edges(schedule([hours("sun", "02:15", "02:45")]), FORWARD_S) == []


def test_the_second_of_each_boundary() -> None:
    found = schedule([hours("mon", "09:00", "17:00")])
    opens_s = int(datetime(2026, 11, 2, 9, tzinfo=ZoneInfo(NEW_YORK)).timestamp())
    for second, expected in ((-1, False), (0, True), (8 * 3_600 - 1, True), (8 * 3_600, False)):
        assert found.is_open(opens_s + second) is expected


WEEKS = [
    [hours("mon-fri", "09:00", "17:00")],
    [hours("sat-sun", "22:00", "02:00"), hours("tue", "00:00", "24:00")],
    [hours("mon-sun", "01:15", "01:45"), hours("sun", "02:30", "03:30")],
]
ZONES = [NEW_YORK, "Australia/Lord_Howe", "America/Havana", "Asia/Kolkata", "Europe/Berlin"]


def plainly_open(written: list[HoursSource], local: datetime, closed: int) -> bool:
    """The rule as it is told: the local clock reads an open time on a date that is not closed."""
    if (local.date() - datetime(1970, 1, 1).date()).days == closed:
        return False
    minute = local.hour * 60 + local.minute
    return any(
        start <= minute < end for start, end in week_spans(written)[local.weekday()]
    )


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("week", range(len(WEEKS)))
def test_a_schedule_equals_the_local_clock(zone: str, week: int) -> None:
    random = Random(f"{zone}{week}")
    closed = FROM_S // DAY_S + 12  # 2026-11-01
    found = schedule(WEEKS[week], zone, (closed,))
    table = expand_zone(zone, FROM_S, TO_S)
    instants = [random.randrange(FROM_S + DAY_S, TO_S) for _ in range(1_500)]
    for change_s in table.starts_s[1:]:
        instants += [change_s + random.randrange(-3 * 3_600, 3 * 3_600) for _ in range(400)]
        instants += [change_s - 1, change_s, change_s + 1]
    for wall_s in instants:
        local = datetime.fromtimestamp(wall_s, ZoneInfo(zone))
        assert found.is_open(wall_s) is plainly_open(WEEKS[week], local, closed), local


@pytest.mark.parametrize("zone", ZONES)
def test_the_hour_of_the_week_equals_the_local_clock(zone: str) -> None:
    random = Random(zone)
    found = clock(zone)
    for _ in range(2_000):
        wall_s = random.randrange(FROM_S, TO_S)
        local = datetime.fromtimestamp(wall_s, ZoneInfo(zone))
        assert found.hour_of_week(wall_s) == local.weekday() * 24 + local.hour


@pytest.mark.parametrize("zone", ZONES)
def test_windows_cover_time_without_gap_or_overlap(zone: str) -> None:
    found = clock(zone)
    for window in (found.hour_window, found.day_window):
        start_s, end_s = window(FROM_S + 2 * DAY_S)
        while end_s < TO_S + 3 * DAY_S:
            assert start_s < end_s
            assert window(start_s) == window(end_s - 1) == (start_s, end_s)
            following = window(end_s)
            assert following[0] == end_s
            start_s, end_s = following


def test_a_day_has_23_to_25_hours_and_a_repeated_hour_two_windows() -> None:
    found = clock(NEW_YORK)
    lengths = [
        (end - start) // 3_600
        for start, end in (found.day_window(s) for s in (BACK_S, FORWARD_S, FORWARD_S + DAY_S))
    ]
    assert lengths == [25, 23, 24]
    assert found.hour_window(BACK_S - 1)[1] == BACK_S == found.hour_window(BACK_S)[0]
    day = datetime.fromtimestamp(found.day_window(BACK_S)[0], ZoneInfo(NEW_YORK))
    assert (day.day, day.hour) == (1, 0)


def test_hours_of_bids_are_bits_of_the_week() -> None:
    mask = hours_mask([hours("sun", "23:00", "02:00"), hours("wed", "00:00", "24:00")])
    monday, wednesday, sunday = 0, 2 * 24, 6 * 24
    expected = {sunday + 23, monday, monday + 1, *range(wednesday, wednesday + 24)}
    assert {hour for hour in range(168) if mask >> hour & 1} == expected


def test_a_schedule_is_closed_outside_its_span() -> None:
    found = schedule([hours("mon-sun", "00:00", "24:00")])
    assert [found.is_open(s) for s in (FROM_S - 1, FROM_S, TO_S - 1, TO_S)] == [
        False,
        True,
        True,
        False,
    ]
    assert timedelta(seconds=TO_S - FROM_S).days == 200
    never = schedule([])
    assert not never.is_open(FROM_S)
