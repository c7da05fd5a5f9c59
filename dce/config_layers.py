"""The layers of the configuration: YAML with line numbers, DCE_* variables and files, flags.

Each layer gives values by dotted key ("sip.t1_ms"), where each was set, and errors; a wrong
value never hides the next one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta, Struct

from dce.secret_settings import FROM_FILE, SECRETS, SUFFIX, read_secret
from vocabulary import limits
from vocabulary.errors import ConfigError

Settings = dict[str, Any]  # dotted key → type
PREFIX = "DCE_"
# Variables of ours that are no settings: build switch, test switches, supervisor → child.
RESERVED = ("DCE_COMPILE", "DCE_TEST_", "DCE_BENCH_", "DCE_CHILD_")


class Layer(Struct):
    """Values of one layer by dotted key, their origins ("config.yaml:12"), its errors."""

    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    errors: list[str] = []

    def put(self, key: str, value: object, where: str, keys: Settings, *, text: bool) -> None:
        """Convert one value to its type. text: it is a string that may stand for anything."""
        if key not in keys:
            self.errors.append(f"{where}: {unknown_key(key, keys)}")
            return
        if text and isinstance(value, str) and _is_list(keys[key]):
            value = [part.strip() for part in value.split(",") if part.strip()]
        try:
            self.values[key] = msgspec.convert(value, keys[key], strict=not text)
        except msgspec.ValidationError:
            shown = "" if key in SECRETS else f", got {_shown(value)}"
            self.errors.append(f"{where}: {key}: expected {expected(keys[key])}{shown}")
        self.origins[key] = where


def file_layer(path: str, keys: Settings) -> Layer:
    """Settings of a YAML file; origins are "path:line". Raises ConfigError if it is unreadable."""
    layer = Layer()
    root = _compose(path)
    if root is not None:
        _walk(layer, root, "", path, keys)
    return layer


def environment_layer(environ: Mapping[str, str], keys: Settings) -> Layer:
    """Settings of DCE_SECTION__KEY; DCE_DATABASE_URL and its like with one underscore.

    A secret may also come from the file that the variable with _FILE behind its name gives.
    """
    names: dict[str, str] = {}
    for key in keys:
        upper = key.upper()
        names[PREFIX + upper.replace(".", "__")] = key
        names.setdefault(PREFIX + upper.replace(".", "_"), key)
    files = {name + SUFFIX: key for name, key in names.items() if key in SECRETS}
    layer = Layer()
    given: dict[str, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name.startswith(RESERVED):
            continue
        key = names.get(name) or files.get(name) or name[len(PREFIX) :].lower().replace("__", ".")
        if key in given:
            layer.errors.append(f"environment {name}: {key}: set by {given[key]} already")
            continue
        given[key] = name
        if name in files:
            _put_secret(layer, key, name, environ[name], keys)
        else:
            layer.put(key, environ[name], f"environment {name}", keys, text=True)
    return layer


def _put_secret(layer: Layer, key: str, name: str, path: str, keys: Settings) -> None:
    """Enter the text of the file that a variable names."""
    try:
        text = read_secret(path)
    except ConfigError as error:
        layer.errors.append(f"environment {name}: {key}: {error}")
        return
    layer.put(key, text, f"{FROM_FILE}{path} (environment {name})", keys, text=True)


def flag_layer(flags: Mapping[str, object], keys: Settings) -> Layer:
    """Settings given on the command line."""
    layer = Layer()
    for key, value in flags.items():
        layer.put(key, value, "command line", keys, text=True)
    return layer


def expected(kind: Any) -> str:
    """What a setting wants, in words: the description in its type."""
    if get_origin(kind) is Annotated:
        for note in get_args(kind)[1:]:
            if isinstance(note, Meta) and note.description:
                return note.description
    return getattr(kind, "__name__", str(kind))


def unknown_key(key: str, keys: Settings) -> str:
    """Message for a key that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(key, list(keys), n=1)
    hint = f"did you mean {near[0]}?" if near else "see configs/config.yaml for every key"
    return f"{key}: unknown key, {hint}"


def _is_list(kind: Any) -> bool:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_origin(bare) is tuple


def _shown(value: object) -> str:
    text = repr(value)
    longest = limits.setting_shown_characters_max
    return text if len(text) <= longest else text[:longest] + "…"


def _compose(path: str) -> yaml.Node | None:
    try:
        with Path(path).open("rb") as file:
            data = file.read(limits.config_bytes_max + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > limits.config_bytes_max:
        raise ConfigError(f"{path}: expected at most {limits.config_bytes_max} bytes")
    try:
        return yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise ConfigError(f"{path}: not valid YAML: expected UTF-8 text") from None


def _walk(layer: Layer, node: yaml.Node, prefix: str, path: str, keys: Settings) -> None:
    """Enter every key below a mapping node; a null section is an empty one."""
    if not isinstance(node, yaml.MappingNode):
        where = f"{path}:{node.start_mark.line + 1}"
        name = prefix.rstrip(".") or "the file"
        if node.tag != "tag:yaml.org,2002:null":
            layer.errors.append(f"{where}: {name}: expected keys with values (a mapping)")
        return
    seen: set[str] = set()
    for key_node, value_node in node.value:
        where = f"{path}:{key_node.start_mark.line + 1}"
        key = prefix + str(key_node.value)
        if key in seen:
            layer.errors.append(f"{where}: {key}: set twice in this file")
            continue
        seen.add(key)
        if any(name.startswith(key + ".") for name in keys):
            _walk(layer, value_node, key + ".", path, keys)
        else:
            layer.put(key, _value(value_node), where, keys, text=False)


def _value(node: yaml.Node) -> object:
    """Plain Python value of a node, by YAML's own safe rules."""
    loader = yaml.SafeLoader("")
    try:
        value: object = loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = None
    finally:
        loader.dispose()
    return value
