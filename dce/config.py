"""Configuration: defaults → YAML file → DCE_* variables → flags, the later one wins.

Every key is documented in configs/config.yaml. Wrong keys and values are collected and raised
together as one ConfigError; each line names where it was set, the key and what is expected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from dce.addresses import Listen, parse_host_port, parse_listen
from dce.config_layers import Layer, Settings, environment_layer, file_layer, flag_layer
from dce.secret_settings import MASK, shown
from vocabulary import limits
from vocabulary.errors import ConfigError

DEFAULT_FILE = "configs/config.yaml"
DATABASE_SCHEMES = ("postgresql://", "postgres://")
NOT_USED = {  # settings whose names stand, but which nothing reads yet: said wherever one is set
    "redis.url": "nothing here talks to Redis yet",
    "kafka.brokers": "nothing here talks to Kafka yet",
    "security.jwt_secret": "the API knows its own tokens only: dce admin create",
}
SOCKET_DIR_BYTES_MAX = 80  # a socket path holds 107 bytes and "/" + its name comes after

Milliseconds = Annotated[int, Meta(ge=10, le=60_000, description="milliseconds, 10 to 60000")]
Text = Annotated[str, Meta(max_length=1_000, description="text")]


class Sip(Struct, frozen=True):
    """Section sip. t1, t2, t4: RFC 3261 §17.1.1.1; calls_per_s_max 0 is no limit of its own."""

    listen: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=64, description="a list such as [udp:127.0.0.1:5060]"),
    ] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    advertise: Text = ""
    t1_ms: Milliseconds = 500
    t2_ms: Milliseconds = 4_000
    t4_ms: Milliseconds = 5_000
    calls_per_s_max: Annotated[
        int,
        Meta(ge=0, le=limits.calls_per_s_max,
             description=f"calls per second, 0 to {limits.calls_per_s_max}"),
    ] = 0
    user_agent: Annotated[
        str, Meta(max_length=200, pattern=r"^[ -~]*$", description="printable ASCII text")
    ] = ""

    def addresses(self) -> tuple[Listen, ...]:
        """The listen addresses, parsed; `load` has validated them."""
        return tuple(parse_listen(text) for text in self.listen)


class Http(Struct, frozen=True):
    """Section http."""

    listen: Text = "127.0.0.1:8080"

    def address(self) -> tuple[str, int]:
        """(host, port); `load` has validated it."""
        return parse_host_port(self.listen)


class Signal(Struct, frozen=True):
    """Section signal. drain_s: how long live calls may go on once the server is told to end."""

    workers: Annotated[int, Meta(ge=1, le=64, description="a whole number of workers")] = 1
    drain_s: Annotated[int, Meta(ge=0, le=3_600, description="seconds, 0 to 3600")] = 120


class Journal(Struct, frozen=True):
    """Section journal."""

    segment_mb: Annotated[int, Meta(ge=1, le=64, description="megabytes, 1 to 64")] = 64
    reserve_mb: Annotated[int, Meta(ge=1, le=4_095, description="megabytes, 1 to 4095")] = (
        limits.journal_reserve_bytes // 1_048_576
    )
    keep_days: Annotated[int, Meta(ge=0, le=36_500, description="days, 0 to 36500")] = 30
    checkpoint_s: Annotated[int, Meta(ge=1, le=3_600, description="seconds, 1 to 3600")] = (
        limits.checkpoint_every_ns // limits.NS_PER_S
    )


class Database(Struct, frozen=True):
    """Section database. url "": the embedded PostgreSQL.

    record_url, migration_url: logins of the record process and of whoever owns the tables; "":
    the same as url. retention_days: days older than this leave the record; reasons_days: those of
    its reason vectors leave a histogram; 0: none does.
    """

    url: Text = ""
    record_url: Text = ""
    migration_url: Text = ""
    retention_days: Annotated[
        int, Meta(ge=0, le=36_500, description="days, 0 to 36500; 0 keeps everything")
    ] = 1_826
    reasons_days: Annotated[
        int, Meta(ge=0, le=36_500, description="days, 0 to 36500; 0 keeps everything")
    ] = 30

    def __repr__(self) -> str:
        return f"Database(url={MASK if self.url else ''!r}, retention_days={self.retention_days})"


class Redis(Struct, frozen=True):
    """Section redis."""

    url: Text = ""

    def __repr__(self) -> str:
        return f"Redis(url={MASK if self.url else ''!r})"


class Kafka(Struct, frozen=True):
    """Section kafka. brokers: host:port, comma separated."""

    brokers: Text = ""


class Security(Struct, frozen=True):
    """Section security."""

    jwt_secret: Text = ""

    def __repr__(self) -> str:
        return f"Security(jwt_secret={MASK if self.jwt_secret else ''!r})"


class Privacy(Struct, frozen=True):
    """Section privacy. subject_key_file "": keys/subject.key under data_dir."""

    subject_key_file: Text = ""


class Config(Struct, frozen=True):
    """The whole configuration. origins: where each key that is no default was set."""

    environment: Annotated[str, Meta(max_length=64, description="text")] = "development"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="debug, info, warning or error"),
    ] = "info"
    data_dir: Text = ""
    runtime_dir: Text = ""
    sip: Sip = Sip()
    http: Http = Http()
    signal: Signal = Signal()
    journal: Journal = Journal()
    database: Database = Database()
    redis: Redis = Redis()
    kafka: Kafka = Kafka()
    security: Security = Security()
    privacy: Privacy = Privacy()
    origins: dict[str, str] = {}

    @property
    def data(self) -> Path:
        """Folder of everything that must survive a restart; `load` has filled it in."""
        return Path(self.data_dir)

    @property
    def runtime(self) -> Path:
        """Folder of the Unix sockets, its path short enough for them."""
        return Path(self.runtime_dir)

    @property
    def journal_dir(self) -> Path:
        """Journal of signal worker 0."""
        return self.data / "journal" / "0"

    @property
    def checkpoint_dir(self) -> Path:
        """Checkpoints of signal worker 0."""
        return self.data / "checkpoints" / "0"

    @property
    def keys_dir(self) -> Path:
        """Sealing keys; apart from the journal, mode 0700."""
        return self.data / "keys"

    @property
    def plans_dir(self) -> Path:
        """Compiled plans NNNNNN.plan, NNNNNN.bids and the pointer file `current`."""
        return self.data / "plans"

    @property
    def postgres_dir(self) -> Path:
        """Home of the embedded PostgreSQL."""
        return self.data / "postgres"

    @property
    def tokens_file(self) -> Path:
        """Cache of the bearer tokens' hashes, so that they work while PostgreSQL is away."""
        return self.data / "tokens.json"

    @property
    def signal_socket(self) -> Path:
        """Link of signal worker 0."""
        return self.runtime / "signal-0.sock"

    @property
    def record_socket(self) -> Path:
        """Link of the record worker."""
        return self.runtime / "record.sock"

    @property
    def supervisor_socket(self) -> Path:
        """Link of the supervisor, for its counters."""
        return self.runtime / "supervisor.sock"

    def origin(self, key: str) -> str:
        """Key and where it was set: "sip.listen (configs/config.yaml:12)"."""
        where = self.origins.get(key)
        return f"{key} ({where})" if where else f"{key} (default)"

    def values(self) -> dict[str, object]:
        """Every key in dotted form with its value, secrets too."""
        return {key: _value_of(self, key) for key in settings()}

    def masked(self) -> dict[str, object]:
        """The same; of a secret what may be printed."""
        return {key: shown(key, value) for key, value in self.values().items()}

    def not_used(self) -> list[str]:
        """One line for each setting that is set and that this version does not use."""
        return [
            f"{self.origin(key)} is not used by this version: {why}"
            for key, why in NOT_USED.items() if _value_of(self, key)
        ]


def settings() -> Settings:
    """Dotted key → type of every setting, in the order of the Structs."""
    return dict(_KEYS)


def load(
    path: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Config:
    """The configuration in force. path: YAML file (must exist); None: configs/config.yaml if any.

    environ: None reads os.environ. flags: dotted key → value, the strongest layer.
    Raises ConfigError with one line for every wrong key or value.
    """
    layers = []
    if path is not None or os.path.exists(DEFAULT_FILE):
        layers.append(file_layer(path or DEFAULT_FILE, _KEYS))
    layers.append(environment_layer(os.environ if environ is None else environ, _KEYS))
    layers.append(flag_layer(flags or {}, _KEYS))
    values, origins, errors = _merge(layers)
    errors += _check(values, origins)
    if errors:
        raise ConfigError("\n".join(errors))
    return _build(values, origins)


def _merge(layers: list[Layer]) -> tuple[dict[str, object], dict[str, str], list[str]]:
    """Values and origins by dotted key, the later layer on top; errors of all of them."""
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    errors: list[str] = []
    for layer in layers:
        values.update(layer.values)
        origins.update(layer.origins)
        errors += layer.errors
    return values, origins, errors


def _check(values: Mapping[str, object], origins: Mapping[str, str]) -> list[str]:
    """What the types cannot say: addresses, and what is not built yet."""
    errors = []
    listen = values.get("sip.listen", ())
    assert isinstance(listen, tuple)
    for index, text in enumerate(listen):
        try:
            if not parse_listen(text).port:  # peers must know where we are
                raise ValueError(f"expected a port of 1 to 65535, got {text!r}")
        except ValueError as error:
            errors.append(f"{origins['sip.listen']}: sip.listen[{index}]: {error}")
    try:
        parse_host_port(str(values.get("http.listen", "127.0.0.1:8080")))
    except ValueError as error:
        errors.append(f"{origins['http.listen']}: http.listen: {error}")
    errors += _check_database(values, origins)
    if values.get("signal.workers", 1) != 1:
        errors.append(
            f"{origins['signal.workers']}: signal.workers: expected 1 (several workers on one"
            f" machine are not supported yet), got {values['signal.workers']!r}"
        )
    return errors


def _check_database(values: Mapping[str, object], origins: Mapping[str, str]) -> list[str]:
    """Addresses of PostgreSQL; further logins go with one of your own only."""
    errors = []
    for key, otherwise in (
        ("database.url", "nothing for the embedded PostgreSQL"),
        ("database.record_url", "nothing for database.url"),
        ("database.migration_url", "nothing for database.url"),
    ):
        text = str(values.get(key, ""))
        if text and not text.startswith(DATABASE_SCHEMES):
            errors.append(
                f"{origins[key]}: {key}: expected postgresql://USER@HOST/DATABASE, or {otherwise}"
            )
        elif text and not values.get("database.url"):
            errors.append(f"{origins[key]}: {key}: expected database.url beside it")
    return errors


def _build(values: Mapping[str, object], origins: dict[str, str]) -> Config:
    """The Structs of dotted keys; data_dir and runtime_dir get their default rule."""
    tree: dict[str, object] = {"origins": origins}
    for key, value in values.items():
        section, dot, name = key.partition(".")
        if dot:
            part = tree.setdefault(section, {})
            assert isinstance(part, dict)
            part[name] = value
        else:
            tree[key] = value
    data_dir = os.path.abspath(str(tree.get("data_dir") or _default_data_dir()))
    tree["data_dir"] = data_dir
    tree["runtime_dir"] = os.path.abspath(str(tree.get("runtime_dir") or _runtime_dir(data_dir)))
    return msgspec.convert(tree, Config)


def _default_data_dir() -> str:
    return "/var/lib/dce" if os.geteuid() == 0 else os.path.expanduser("~/.local/share/dce")


def _runtime_dir(data_dir: str) -> str:
    """Beside the data where a socket path fits; else a short folder of this user and data_dir."""
    beside = os.path.join(data_dir, "run")
    if len(os.fsencode(beside)) <= SOCKET_DIR_BYTES_MAX:
        return beside
    digest = blake2b(os.fsencode(data_dir), digest_size=6).hexdigest()
    return f"/tmp/dce-{os.geteuid()}-{digest}"


def _value_of(config: Config, key: str) -> object:
    value: object = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _keys_of(kind: type[Struct], prefix: str = "") -> Settings:
    found: Settings = {}
    for field in msgspec.structs.fields(kind):
        if field.name == "origins":
            continue
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            found.update(_keys_of(field.type, f"{field.name}."))
        else:
            found[prefix + field.name] = field.type
    return found


_KEYS = _keys_of(Config)
