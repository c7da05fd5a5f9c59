"""Instants: zone tables against the zone database itself, nights on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from vocabulary.instants import (
    S_PER_DAY,
    S_PER_HOUR,
    day_number,
    expand_zone,
    format_wall,
    local_midnights,
    utc_of_local,
    zone_exists,
)

ZONES = ("UTC", "America/New_York", "America/Phoenix", "America/St_Johns", "Europe/London",
         "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo")
FROM_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
TO_S = FROM_S + 500 * S_PER_DAY
TABLES = {name: expand_zone(name, FROM_S, TO_S) for name in ZONES}


def at(text: str) -> int:
    """Unix second of an ISO text in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@seed(7)
@settings(max_examples=500, deadline=None)
@given(st.sampled_from(ZONES), st.integers(FROM_S, TO_S))
def test_offset_and_hour_agree_with_the_database(name: str, wall_s: int) -> None:
    local = datetime.fromtimestamp(wall_s, ZoneInfo(name))
    offset = local.utcoffset()
    assert offset is not None
    table = TABLES[name]
    assert table.offset_s(wall_s) == offset.total_seconds()
    assert table.hour_of_week(wall_s) == local.weekday() * 24 + local.hour


@pytest.mark.parametrize(
    ("name", "change", "before_s", "after_s"),
    [
        ("America/New_York", "2026-03-08T07:00:00", -5 * S_PER_HOUR, -4 * S_PER_HOUR),
        ("America/New_York", "2026-11-01T06:00:00", -4 * S_PER_HOUR, -5 * S_PER_HOUR),
        ("Europe/London", "2026-10-25T01:00:00", S_PER_HOUR, 0),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00", 11 * S_PER_HOUR, 10 * S_PER_HOUR + 1_800),
    ],
)
def test_a_change_is_exact_to_the_second(
    name: str, change: str, before_s: int, after_s: int
) -> None:
    instant = at(change)
    assert TABLES[name].offset_s(instant - 1) == before_s
    assert TABLES[name].offset_s(instant) == after_s
    assert instant in TABLES[name].starts_s


def test_a_night_of_23_and_one_of_25_hours() -> None:
    table = TABLES["America/New_York"]
    midnights = dict(local_midnights(table, at("2026-03-07T12:00:00"), at("2026-11-03T12:00:00")))

    def hours(year: int, month: int, day: int) -> float:
        number = day_number(year, month, day)
        return (midnights[number + 1] - midnights[number]) / S_PER_HOUR

    assert hours(2026, 3, 8) == 23
    assert hours(2026, 11, 1) == 25
    assert hours(2026, 7, 1) == 24


def test_a_skipped_local_hour_is_the_change_and_a_repeated_one_its_first() -> None:
    table = TABLES["America/New_York"]
    skipped = day_number(2026, 3, 8) * S_PER_DAY + 2 * S_PER_HOUR + 1_800  # 02:30 is not
    assert utc_of_local(table, skipped) == at("2026-03-08T07:00:00")
    twice = day_number(2026, 11, 1) * S_PER_DAY + S_PER_HOUR + 1_800  # 01:30 EDT, then EST
    assert utc_of_local(table, twice) == at("2026-11-01T05:30:00")


@seed(8)
@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ZONES), st.integers(FROM_S + S_PER_DAY, TO_S - S_PER_DAY))
def test_utc_of_local_is_the_first_instant_that_reads_so(name: str, wall_s: int) -> None:
    table = TABLES[name]
    local_s = wall_s + table.offset_s(wall_s)
    found = utc_of_local(table, local_s)
    assert found <= wall_s
    assert found + table.offset_s(found) == local_s


def test_outside_its_span_a_table_holds_its_nearest_entry() -> None:
    table = TABLES["America/New_York"]
    assert table.offset_s(FROM_S - 10**9) == table.offsets_s[0]
    assert table.offset_s(TO_S + 10**9) == table.offsets_s[-1]


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "US", "/etc/localtime"])
def test_unknown_zones(name: str) -> None:
    assert not zone_exists(name)
    with pytest.raises(ValueError, match="unknown time zone"):
        expand_zone(name, FROM_S, TO_S)


def test_day_numbers_and_text() -> None:
    assert day_number(1970, 1, 1) == 0
    assert day_number(2026, 11, 24) == (datetime(2026, 11, 24) - datetime(1970, 1, 1)) // timedelta(
        days=1)
    with pytest.raises(ValueError, match="day"):
        day_number(2026, 2, 29)
    assert format_wall(0) == "1970-01-01T00:00:00.000Z"
    assert format_wall(at("2026-11-24T12:00:00") * 10**9 + 123_456_789) == (
        "2026-11-24T12:00:00.123Z")
