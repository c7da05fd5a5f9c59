"""Times as people write them in a plan: "09:00", mon-fri, 2026-12-25, 2027-01-01T00:00:00Z."""

import re

from vocabulary.instants import S_PER_DAY, day_number

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 1_440

_TIME = re.compile(r"([0-9]{2}):([0-9]{2})", re.ASCII)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_INSTANT = re.compile(
    r"([0-9-]{10})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.0+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


def parse_minute(text: str) -> int:
    """Minute of the day, 0..1440, of "HH:MM"; "24:00" is the end of the day. Raises ValueError."""
    match = _TIME.fullmatch(text)
    if match:
        minute = int(match[1]) * 60 + int(match[2])
        if int(match[2]) < 60 and minute <= MINUTES_PER_DAY:
            return minute
    raise ValueError(f'expected a time from "00:00" to "24:00", got {text!r}')


def parse_days(written: str | list[str]) -> tuple[int, ...]:
    """Weekdays (Monday is 0) of a list of names, one name, or a range such as "mon-fri".

    A range may wrap the week ("sat-mon"). Raises ValueError.
    """
    if isinstance(written, list):
        return tuple(dict.fromkeys(_weekday(name) for name in written))
    first, dash, last = written.partition("-")
    start = _weekday(first)
    end = _weekday(last) if dash else start
    return tuple((start + step) % 7 for step in range((end - start) % 7 + 1))


def parse_date(text: str) -> int:
    """Days since 1970-01-01 of "YYYY-MM-DD". Raises ValueError."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a date such as 2026-12-25, got {text!r}")
    try:
        return day_number(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        raise ValueError(f"no such date: {text!r}") from None


def parse_instant_s(text: str) -> int:
    """Unix second of an ISO 8601 instant with its offset, "Z" or "+02:00". Raises ValueError."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"expected an instant such as 2027-01-01T00:00:00Z, got {text!r}")
    hour, minute, second = int(match[2]), int(match[3]), int(match[4])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"no such time of day: {text!r}")
    local = parse_date(match[1]) * S_PER_DAY + hour * 3_600 + minute * 60 + second
    return local - _offset_s(match[5], text)


def _offset_s(written: str, text: str) -> int:
    if written == "Z":
        return 0
    hours, minutes = int(written[1:3]), int(written[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(f"no such offset: {text!r}")
    offset = hours * 3_600 + minutes * 60
    return -offset if written[0] == "-" else offset


def _weekday(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"expected one of {', '.join(DAYS)} or a range mon-fri, got {name!r}")
    return DAYS.index(name)
