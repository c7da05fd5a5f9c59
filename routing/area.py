"""The caller's place by area code (North American Numbering Plan, +1 NXX NXX XXXX).

```
"+12125550100" ──► 212 ──► Area(212, "NY", "US", hour_zone)
```
A table of 1,000 cells, one for each three digits; cells that no area code fills are UNKNOWN.
Area codes say where a number was issued, not where a phone is.
"""

from collections.abc import Iterable

NANP_LENGTH = 12  # "+1" and ten digits
CODES = 1_000


class Area:
    """An area code. state: "" outside the US and Canada; hour_zone: index of the caller's zone
    in the plan's zones, −1 if unknown."""

    __slots__ = ("code", "country", "hour_zone", "state")

    def __init__(self, code: int, state: str, country: str, hour_zone: int) -> None:
        self.code = code
        self.state = state
        self.country = country
        self.hour_zone = hour_zone


UNKNOWN = Area(0, "", "", -1)


class AreaTable:
    """Area codes of a numbering plan → Area, in one look at an array of 1,000 cells.

    zones: names that the areas' hour_zone indexes.
    """

    __slots__ = ("_cells", "zones")

    def __init__(self, areas: Iterable[Area], zones: tuple[str, ...]) -> None:
        self.zones = zones
        self._cells = [UNKNOWN] * CODES
        for area in areas:
            assert 200 <= area.code < CODES
            assert area.hour_zone < len(zones)
            self._cells[area.code] = area

    def area_of(self, e164: str) -> Area:
        """Area of a number with '+', UNKNOWN for one that is not of the table's codes."""
        if len(e164) != NANP_LENGTH or e164[0] != "+" or e164[1] != "1":
            return UNKNOWN
        code = 0
        for position in range(2, 5):
            digit = ord(e164[position]) - 48
            if digit < 0 or digit > 9:
                return UNKNOWN
            code = code * 10 + digit
        return self._cells[code]

    def areas(self) -> list[Area]:
        """Every known area, by code."""
        return [area for area in self._cells if area is not UNKNOWN]
