"""`dce config show`: every setting with its value and where it was set; secrets are masked."""

import msgspec
from msgspec import Struct

from dce.config import NOT_USED, Config

VALUE_COLUMN = 26
ORIGIN_COLUMN = 66


class Shown(Struct, frozen=True):
    """One setting. not_used: why this version does nothing with it, "" where it is used."""

    key: str
    value: object
    origin: str
    not_used: str


def show(config: Config, *, as_json: bool) -> int:
    """Print all settings, one a line or as one JSON list; 0."""
    rows = rows_of(config)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return 0
    for row in rows:
        value = ", ".join(row.value) if isinstance(row.value, tuple) else str(row.value)
        line = f"{row.key:<{VALUE_COLUMN}}{value}"
        note = f"; not used by this version: {row.not_used}" if row.not_used and value else ""
        print(f"{line:<{ORIGIN_COLUMN}}  {row.origin}{note}")
    return 0


def rows_of(config: Config) -> list[Shown]:
    """In the order of configs/config.yaml. origin: "default" where nobody set it."""
    return [
        Shown(key, value, config.origins.get(key, "default"), NOT_USED.get(key, ""))
        for key, value in config.masked().items()
    ]
