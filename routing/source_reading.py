"""Reading a document against Structs so that every mistake is found, not the first only.

msgspec stops at the first error. A good plan takes that fast way; a bad one is walked here once
more, field by field. Then everything that did convert goes on to the cross checks, with defaults
in place of broken fields, so that a wrong type in one field does not hide a dangling reference in
the next. What the checks say about a broken field itself is dropped: it has its error already.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from vocabulary import limits

ErrorList = list[tuple[str, str]]


class Draft:
    """A plan under check.

    sections: section name → [Struct, or None where the entry is no mapping], at their index.
    ids: section name → ids as written, so that one mistake is not reported twice.
    broken: paths that have an error of type already.
    """

    __slots__ = ("broken", "currency", "ids", "sections")

    def __init__(
        self,
        currency: str,
        sections: dict[str, list[Any]],
        ids: dict[str, set[str]],
        broken: frozenset[str] = frozenset(),
    ) -> None:
        self.currency = currency
        self.sections = sections
        self.ids = ids
        self.broken = broken

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
    if depth > limits.plan_depth_max:
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
        sections[info.name] = [
            _lenient(entry, entry_kind) if isinstance(entry, dict) else None for entry in entries
        ]
        ids[info.name] = {
            entry["id"]
            for entry in entries
            if isinstance(entry, dict) and isinstance(entry.get("id"), str)
        }
    currency = document.get("currency")
    broken = frozenset(path for path, _ in errors)
    return Draft(currency if isinstance(currency, str) else "", sections, ids, broken)


def _lenient(value: object, kind: Any) -> Any:
    """The value converted as far as it can be; "" where a part is broken and has no default."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        bare = _bare(kind)
    if get_origin(bare) is list and isinstance(value, list):
        item_kind = get_args(bare)[0]
        structs = _is_struct(item_kind)
        return [
            _lenient({} if structs and not isinstance(item, dict) else item, item_kind)
            for item in value
        ]
    if not (_is_struct(bare) and isinstance(value, dict)):
        return ""
    fields = {}
    for info in msgspec.structs.fields(bare):
        found = _lenient(value.get(info.encode_name), info.type)
        if found != "":
            fields[info.name] = found
        elif info.required:
            fields[info.name] = [] if get_origin(_bare(info.type)) is list else ""
    return bare(**fields)


def _entry_kind(kind: Any) -> type[Struct] | None:
    """The Struct of a section's entries; None for a field that is no section."""
    bare = _bare(kind)
    if get_origin(bare) is not list:
        return None
    entry = _bare(get_args(bare)[0])
    return entry if _is_struct(entry) else None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _read(value: object, kind: Any, path: str, errors: ErrorList) -> None:
    """Append the mistakes of one value, going down into Structs, lists and mappings."""
    bare = _bare(kind)
    before = len(errors)
    if _is_struct(bare) and isinstance(value, dict):
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
            message = f"unknown key, expected one of {', '.join(known)}"
            errors.append((f"{dot}{key}" or repr(key), message))
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
