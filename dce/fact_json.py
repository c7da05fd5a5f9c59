"""Facts as JSON lines, for `dce journal tail` and `export`.

```
{"seq":41,"epoch":3,"kind":"call_closed","at_ns":…,"call_id":"01a2…","disposition":"completed",…}
```
One object a line, fields by the names of vocabulary/facts.py; ids and other bytes in hexadecimal
digits, members of an enum by name in small letters. What is personal stays sealed, as hexadecimal
digits, unless a sealer is given that opens it: then an object of five texts.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec
from msgspec import Struct

from storage.segment import Entry
from vocabulary.codec import fact_decoder
from vocabulary.facts import Fact, Personal
from vocabulary.ids import uuid_text

Open = Callable[[bytes], tuple[str, str, str, str, str] | None]
PERSONAL = ("caller", "display", "dialled", "sip_call_id", "source")
UUIDS = frozenset(("call_id", "auction_id", "top_up_id"))


class FactLines:
    """Makes one line of each journal record."""

    def __init__(self, open_sealed: Open | None = None) -> None:
        """open_sealed: gives the five texts of sealed bytes, None where no key opens them."""
        self._open = open_sealed
        self._decode = fact_decoder().decode
        self._encode = msgspec.json.Encoder().encode

    def line(self, entry: Entry) -> str:
        """Without line end. A record that is no fact shows its bytes and says so."""
        head: dict[str, Any] = {"seq": entry.seq, "epoch": entry.epoch}
        try:
            fact = self._decode(entry.payload)
        except msgspec.MsgspecError as error:
            head |= {"kind": "unreadable", "error": str(error), "payload": entry.payload.hex()}
        else:
            head |= {"kind": _tag(fact), **self._fields(fact)}
        return self._encode(head).decode()

    def _fields(self, value: Struct) -> dict[str, Any]:
        return {
            name: self._shown(name, getattr(value, name)) for name in value.__struct_fields__
        }

    def _shown(self, name: str, value: Any) -> Any:
        if isinstance(value, IntEnum):
            return value.name.lower()
        if isinstance(value, bytes):
            return uuid_text(value) if name in UUIDS else value.hex()
        if isinstance(value, Personal):
            return self._personal(value.sealed)
        if isinstance(value, Struct):
            return self._fields(value)
        if isinstance(value, tuple | list):
            return [self._shown("", each) for each in value]
        return value

    def _personal(self, sealed: bytes) -> Any:
        plain = self._open(sealed) if self._open is not None else None
        return dict(zip(PERSONAL, plain, strict=True)) if plain is not None else sealed.hex()


def _tag(fact: Fact) -> str:
    return str(fact.__struct_config__.tag)
