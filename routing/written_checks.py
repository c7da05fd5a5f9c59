"""The single checks that plan checks are made of; each appends its mistake with its path."""

from collections.abc import Callable
from typing import TypeVar

from routing.source_reading import Draft, ErrorList
from routing.source_structs import HoursSource
from routing.written_time import parse_days, parse_minute
from vocabulary.instants import zone_exists
from vocabulary.money import parse_micros

Parsed = TypeVar("Parsed")
SINGULAR = {
    "buyers": "buyer",
    "publishers": "publisher",
    "targets": "target",
    "campaigns": "campaign",
    "gateways": "gateway",
    "schedules": "schedule",
}


def amount_micros(written: str | int) -> int:
    """Micro-units of an amount in a plan. Raises ValueError: not an amount, or negative."""
    micros = parse_micros(str(written))
    if micros < 0:
        raise ValueError(f"must not be negative, got {written}")
    return micros


class Checks:
    """A draft, its errors so far, and what references are checked against."""

    __slots__ = ("_draft", "_errors", "_zones", "buyer_of_target", "currency")

    def __init__(self, draft: Draft, errors: ErrorList) -> None:
        self._draft = draft
        self._errors = errors
        self._zones: dict[str, bool] = {}
        self.currency = draft.currency
        self.buyer_of_target: dict[str, str] = {
            target.id: target.buyer
            for target in draft.sections.get("targets", [])
            if target is not None and target.buyer in draft.ids.get("buyers", ())
        }

    def fail(self, path: str, message: str) -> None:
        """Append one mistake, unless the type of that field is wrong already."""
        if not self._draft.broken or not self.is_broken(path):
            self._errors.append((path, message))

    def is_broken(self, path: str) -> bool:
        """Whether a field, what it stands in, or an item of its list has an error of type."""
        return any(
            path == broken
            or path.startswith((f"{broken}.", f"{broken}["))
            or broken.startswith(f"{path}[")
            for broken in self._draft.broken
        )

    def parsed(self, path: str, parse: Callable[[str], Parsed], text: str) -> Parsed | None:
        """parse(text), or None and an error where it raises ValueError."""
        try:
            return parse(text)
        except ValueError as wrong:
            self.fail(path, str(wrong))
            return None

    def amount(self, path: str, written: str | int, micros_max: int) -> int | None:
        """Micro-units of an amount from 0 to micros_max, or None and an error."""
        try:
            micros = amount_micros(written)
        except ValueError as wrong:
            self.fail(path, str(wrong))
            return None
        if micros > micros_max:
            self.fail(path, f"at most {micros_max // 1_000_000}, got {written}")
            return None
        return micros

    def zone(self, path: str, name: str) -> None:
        """A time zone that the zone database knows."""
        if name not in self._zones:
            self._zones[name] = zone_exists(name)
        if not self._zones[name]:
            self.fail(path, f"unknown time zone {name!r}, expected such as America/New_York")

    def optional_zone(self, path: str, name: str | None) -> None:
        """As zone, where one is given."""
        if name is not None:
            self.zone(path, name)

    def reference(self, path: str, section: str, plan_id: str) -> None:
        """An id that its section declares."""
        if plan_id not in self._draft.ids.get(section, ()):
            self.fail(path, f"no {SINGULAR[section]} {plan_id!r} in this plan")

    def optional_reference(self, path: str, section: str, plan_id: str | None) -> None:
        """As reference, where one is given."""
        if plan_id is not None:
            self.reference(path, section, plan_id)

    def references(self, path: str, section: str, plan_ids: list[str]) -> None:
        """Ids that their section declares, each at most once."""
        seen: set[str] = set()
        for index, plan_id in enumerate(plan_ids):
            self.reference(f"{path}[{index}]", section, plan_id)
            if plan_id in seen:
                self.fail(f"{path}[{index}]", f"{plan_id!r} is named twice")
            seen.add(plan_id)

    def hours(self, path: str, hours: HoursSource, *, whole: bool = False) -> None:
        """Days and times of open hours; whole: on the hour only, as bids have them."""
        try:
            parse_days(hours.days)
        except ValueError as wrong:
            self.fail(f"{path}.days", str(wrong))
        start = self.parsed(f"{path}.from", parse_minute, hours.from_)
        end = self.parsed(f"{path}.to", parse_minute, hours.to)
        for name, minute in (("from", start), ("to", end)):
            if whole and minute is not None and minute % 60:
                self.fail(f"{path}.{name}", "a bid's hours are whole hours")
        if start is not None and start == end:
            self.fail(f"{path}.to", 'the same as from; a whole day is "00:00" to "24:00"')
        elif start == 1_440:
            self.fail(f"{path}.from", '"24:00" can only end a day')
