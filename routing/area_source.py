"""Reading the area code table that ships with the exchange (routing/data, provenance inside)."""

import tomllib
from importlib.resources import files

from routing.area import Area, AreaTable


def parse_area_table(text: str) -> AreaTable:
    """AreaTable of TOML text with a table [npa]: code → country, state, zones.

    The first zone of a code is the caller's: the source puts it in no order of merit, so hours
    of a split area code are a best guess. Raises ValueError or KeyError for other text.
    """
    written = tomllib.loads(text)["npa"]
    zones: dict[str, int] = {}
    areas = [
        Area(
            int(code),
            entry.get("state", ""),
            entry["country"],
            zones.setdefault(entry["zones"][0], len(zones)),
        )
        for code, entry in written.items()
    ]
    return AreaTable(areas, tuple(zones))


def bundled_areas() -> AreaTable:
    """The table that ships with the exchange."""
    source = files("routing").joinpath("data/area_codes_us_ca.toml")
    return parse_area_table(source.read_text(encoding="utf-8"))
