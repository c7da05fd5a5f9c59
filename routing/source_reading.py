"""Reading a document against Structs so that every mistake is found, not the first only.

msgspec stops at the first error. A good plan takes that fast way; a bad one is walked here once
more, field by field. What did convert goes on to the cross checks, so that a wrong type in one
place does not hide a dangling reference in another.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct

ErrorList = list[tuple[str, str]]
DEPTH_MAX = 12


class Draft:
    """A plan under check: entries that converted, at their index, and every id that was written.

    sections: section name → [Struct, or None where the entry is broken]. ids: section name →
    ids as written, broken entries included, so that one mistake is not reported twice.
    """

    __slots__ = ("currency", "ids", "sections")

    def __init__(
        self, currency: str, sections: dict[str, list[Any]], ids: dict[str, set[str]]
    ) -> None:
        self.currency = currency
        self.sections = sections
        self.ids = ids

    @classmethod
    def of(cls, source: Struct) -> "Draft":
        """Draft of a plan that converted as a whole."""
        names = [info.name for info in msgspec.structs.fields(type(source))]
        sections = {
            name: value
            for name in names
            if isinstance(value := getattr(source, name), list)
        }
        ids = {
            name: {getattr(entry, "id", "") for entry in entries}
            for name, entries in sections.items()
        }
        return cls(source.currency, sections, ids)  # type: ignore[attr-defined]


def plain_values(value: object, depth: int = 0) -> object:
    """The document with dates as ISO text: YAML reads an unquoted 2026-12-25 as a date."""
    if depth > DEPTH_MAX:
        return value
    if isinstance(value, dict):
        return {key: plain_values(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_values(item, depth + 1) for item in value]
    written = getattr(value, "isoformat", None)
    return written() if callable(written) else value


def read_collecting(plain: object, kind: type[Struct], errors: ErrorList) -> Draft:
    """Walk a document that does not convert; append every mistake to errors."""
    _read(plain, kind, "", errors)
    document = plain if isinstance(plain, dict) else {}
    sections: dict[str, list[Any]] = {}
    ids: dict[str, set[str]] = {}
    for info in msgspec.structs.fields(kind):
        entry_kind = _entry_kind(info.type)
        if entry_kind is None:
            continue
        written = document.get(info.encode_name, [])
        entries = written if isinstance(written, list) else []
        sections[info.name] = [_converted(entry, entry_kind) for entry in entries]
        ids[info.name] = {
            entry["id"]
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
    currency = document.get("currency")
    return Draft(currency if isinstance(currency, str) else "", sections, ids)


def _converted(entry: object, kind: type[Struct]) -> Struct | None:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError:
        return None


def _entry_kind(kind: Any) -> type[Struct] | None:
    """The Struct of a section's entries; None for a field that is no section."""
    bare = _bare(kind)
    if get_origin(bare) is not list:
        return None
    entry = _bare(get_args(bare)[0])
    return entry if isinstance(entry, type) and issubclass(entry, Struct) else None


def _read(value: object, kind: Any, path: str, errors: ErrorList) -> None:
    """Append the mistakes of one value, going down into Structs, lists and mappings."""
    bare = _bare(kind)
    before = len(errors)
    if isinstance(bare, type) and issubclass(bare, Struct) and isinstance(value, dict):
        _read_struct(value, bare, path, errors)
    elif get_origin(bare) is list and isinstance(value, list):
        for index, item in enumerate(value):
            _read(item, get_args(bare)[0], f"{path}[{index}]", errors)
    elif get_origin(bare) is dict and isinstance(value, dict):
        for key, item in value.items():
            _read(item, get_args(bare)[1], f"{path}.{key}", errors)
    if len(errors) == before:
        _convert(value, kind, path, errors)


def _read_struct(value: dict[Any, Any], kind: type[Struct], path: str, errors: ErrorList) -> None:
    dot = f"{path}." if path else ""
    known = {info.encode_name: info for info in msgspec.structs.fields(kind)}
    for key in value:
        if key not in known:
            errors.append((f"{dot}{key}" or repr(key), f"unknown key, expected one of {', '.join(known)}"))
    for name, info in known.items():
        if name in value:
            _read(value[name], info.type, f"{dot}{name}", errors)
        elif info.required:
            errors.append((f"{dot}{name}", "missing"))


def _convert(value: object, kind: Any, path: str, errors: ErrorList) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        message, _, inner = str(wrong).partition(" - at `")
        if inner.startswith("$"):
            path += inner[1:].rstrip("`")
        if "`str" in message and isinstance(value, int | float):
            message += "; put it in quotes"
        errors.append((path or "plan", message))


def _bare(kind: Any) -> Any:
    """The type without its bounds, and without None where it is optional."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        choices = [choice for choice in get_args(kind) if choice is not NoneType]
        if len(choices) == 1:
            return _bare(choices[0])
        # "all" or a list: a list is read item by item, anything else is converted whole
        lists = [_bare(choice) for choice in choices if get_origin(_bare(choice)) is list]
        if len(lists) == 1:
            return lists[0]
    return kind
