"""Every wrong setting is named with where it was set, the key and what is expected."""

import json
import logging
import os
import re
from pathlib import Path

import pytest
import yaml

from dce.__main__ import main
from dce.addresses import Listen, parse_host_port, parse_listen
from dce.cli import build_parser, child_arguments, config_of
from dce.config import load, settings
from dce.reload import Reloader
from dce.secret_settings import masked_url, open_to_others
from vocabulary.errors import ConfigError

CONFIG_FILE = Path(__file__).parents[2] / "configs" / "config.yaml"


def refused(text: str, tmp_path: Path, **layers: dict[str, str]) -> list[str]:
    """Error lines of a file's text, its path replaced by FILE."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(str(path), environ=layers.get("environ", {}), flags=layers.get("flags", {}))
    return str(caught.value).replace(str(path), "FILE").splitlines()


def test_defaults_listen_on_loopback_only() -> None:
    config = load(str(CONFIG_FILE), environ={})
    assert config.sip.addresses() == (
        Listen("udp", "127.0.0.1", 5060), Listen("tcp", "127.0.0.1", 5060)
    )
    assert config.http.address() == ("127.0.0.1", 8080)
    assert config.origins == {}


def test_shipped_file_documents_every_key_with_its_default() -> None:
    lines = CONFIG_FILE.read_text().splitlines()
    shown = yaml.safe_load("\n".join(re.sub(r"^(\s*)# ", r"\1", line) for line in lines))
    defaults = load(str(CONFIG_FILE), environ={}).masked()
    for key in settings():
        section, _, name = key.rpartition(".")
        value = shown[section][name] if section else shown[name]
        if key not in ("data_dir", "runtime_dir"):
            default = defaults[key]
            assert value == (list(default) if isinstance(default, tuple) else default), key


def test_layers_override_in_order(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("sip:\n  t1_ms: 100\n  t2_ms: 100\n  t4_ms: 100\n")
    config = load(
        str(path), environ={"DCE_SIP__T2_MS": "200", "DCE_SIP__T4_MS": "200"},
        flags={"sip.t4_ms": "300"},
    )
    assert (config.sip.t1_ms, config.sip.t2_ms, config.sip.t4_ms) == (100, 200, 300)
    assert config.origins == {
        "sip.t1_ms": f"{path}:2", "sip.t2_ms": "environment DCE_SIP__T2_MS",
        "sip.t4_ms": "command line",
    }
    assert config.origin("sip.t1_ms") == f"sip.t1_ms ({path}:2)"


def test_every_mistake_of_every_layer_is_named(tmp_path: Path) -> None:
    text = "sip:\n  t1_ms: fast\n  t1ms: 5\n  listen: [udp:host:1]\nhttp: 3\nsignals: 1\n"
    lines = refused(
        text, tmp_path,
        environ={"DCE_SIP__T2_MS": "x", "DCE_FOO": "1", "DCE_COMPILE": "0"},
        flags={"http.listen": "8080"},
    )
    assert lines == [
        "FILE:2: sip.t1_ms: expected milliseconds, 10 to 60000, got 'fast'",
        "FILE:3: sip.t1ms: unknown key, did you mean sip.t1_ms?",
        "FILE:5: http: expected keys with values (a mapping)",
        "FILE:6: signals: unknown key, did you mean signal.workers?",
        "environment DCE_FOO: foo: unknown key, see configs/config.yaml for every key",
        "environment DCE_SIP__T2_MS: sip.t2_ms: expected milliseconds, 10 to 60000, got 'x'",
        "FILE:4: sip.listen[0]: expected a literal IP address, got 'host'",
        "command line: http.listen: expected ADDRESS:PORT such as 127.0.0.1:8080, got '8080'",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("signal:\n  workers: 2\n",
         "FILE:2: signal.workers: expected 1 (several workers on one machine are not supported"
         " yet), got 2"),
        ("sip:\n  t1_ms: 9\n", "FILE:2: sip.t1_ms: expected milliseconds, 10 to 60000, got 9"),
        ("sip:\n  t1_ms: true\n",
         "FILE:2: sip.t1_ms: expected milliseconds, 10 to 60000, got True"),
        ("sip:\n  listen: [udp:127.0.0.1:0]\n",
         "FILE:2: sip.listen[0]: expected a port of 1 to 65535, got 'udp:127.0.0.1:0'"),
        ("sip:\n  listen: []\n",
         "FILE:2: sip.listen: expected a list such as [udp:127.0.0.1:5060], got []"),
        ("log_level: loud\n",
         "FILE:1: log_level: expected debug, info, warning or error, got 'loud'"),
        ("sip:\n  t1_ms: 10\n  t1_ms: 20\n", "FILE:3: sip.t1_ms: set twice in this file"),
        ("- 1\n", "FILE:1: the file: expected keys with values (a mapping)"),
        ("sip: {t1_ms: 5\n", "FILE:2: not valid YAML: expected ',' or '}', but got '<stream end>'"),
        ("sip:\n  user_agent: \"a\\r\\nb\"\n",
         "FILE:2: sip.user_agent: expected printable ASCII text, got 'a\\r\\nb'"),
        ("database:\n  url: 7\n", "FILE:2: database.url: expected text"),
        ("sip.t1_ms: &a [*a]\n", "FILE:1: sip.t1_ms: expected milliseconds, 10 to 60000, got"
                                 " [[...]]"),
        ("origins: {a: b}\n", "FILE:1: origins: unknown key, did you mean signal.drain_s?"),
    ],
)
def test_one_mistake(text: str, line: str, tmp_path: Path) -> None:
    first = refused(text, tmp_path)[0]
    assert first == line or (": unknown key" in line and first.startswith(line.split(",")[0]))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^/nowhere/c\.yaml: cannot be read: No such file"):
        load("/nowhere/c.yaml", environ={})


def test_documented_environment_names_keep_working() -> None:
    config = load(str(CONFIG_FILE), environ={
        "DCE_DATABASE_URL": "postgresql://u:secret@h/d", "DCE_REDIS_URL": "redis://r",
        "DCE_KAFKA_BROKERS": "k:9092", "DCE_SECURITY_JWT_SECRET": "secret",
        "DCE_ENVIRONMENT": "production", "DCE_LOG_LEVEL": "debug",
    })
    assert config.database.url == "postgresql://u:secret@h/d"
    assert (config.redis.url, config.kafka.brokers) == ("redis://r", "k:9092")
    assert (config.environment, config.log_level) == ("production", "debug")
    assert "secret@" not in repr(config)
    assert "'secret'" not in repr(config)
    assert "'secret'" not in str(config.masked())
    assert config.masked()["database.url"] == "postgresql://u:***@h/d"
    assert config.masked()["security.jwt_secret"] == "***"


@pytest.mark.parametrize(("url", "shown"), [
    ("postgresql://dce@/dce?host=/run/pg", "postgresql://dce@/dce?host=/run/pg"),
    ("postgresql://u:p@ss@h:5432/d", "postgresql://u:***@h:5432/d"),
    ("postgresql://u@h/d?password=p&x=1&sslpassword=q", "postgresql://u@h/d?password=***&x=1"
     "&sslpassword=***"),
    ("postgres://h/d?password=p@q", "postgres://h/d?password=***"),
    ("redis://:p@h/0", "redis://:***@h/0"),
    ("host=h password=p", "***"),
    ("://u:p@h", "***"),
])
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked_url(url) == shown


@pytest.mark.parametrize("name", ["DCE_DATABASE_URL_FILE", "DCE_DATABASE__URL_FILE"])
def test_a_secret_comes_from_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://u:secret@h/d\n")
    config = load(str(CONFIG_FILE), environ={name: str(path)})
    assert config.database.url == "postgresql://u:secret@h/d"
    assert config.origins["database.url"] == f"file {path} (environment {name})"
    path.chmod(0o640)
    assert open_to_others(config.origins["database.url"]) == str(path)
    path.chmod(0o400)
    assert open_to_others(config.origins["database.url"]) == ""


@pytest.mark.parametrize(("text", "why"), [
    (None, "{path} cannot be read: No such file or directory"),
    (b"", "{path}: expected one line of text"), (b"a\nb", "{path}: expected one line of text"),
    (b"\xff", "{path}: expected UTF-8 text"),
])
def test_a_secret_file_that_is_wrong_is_named(
    tmp_path: Path, text: bytes | None, why: str
) -> None:
    path = tmp_path / "secret"
    if text is not None:
        path.write_bytes(text)
    lines = refused("", tmp_path, environ={"DCE_SECURITY_JWT_SECRET_FILE": str(path)})
    assert lines == ["environment DCE_SECURITY_JWT_SECRET_FILE: security.jwt_secret: "
                     + why.format(path=path)]


def test_what_is_set_twice_in_the_environment_is_refused(tmp_path: Path) -> None:
    lines = refused("", tmp_path, environ={
        "DCE_DATABASE_URL": "postgresql://h/d", "DCE_DATABASE_URL_FILE": "/nowhere"})
    assert lines == ["environment DCE_DATABASE_URL_FILE: database.url: set by DCE_DATABASE_URL"
                     " already"]


def test_only_secrets_have_files(tmp_path: Path) -> None:
    lines = refused("", tmp_path, environ={"DCE_SIP__T1_MS_FILE": "/nowhere"})
    assert lines[0].startswith("environment DCE_SIP__T1_MS_FILE: sip.t1_ms_file: unknown key")


def test_a_database_url_of_another_kind_is_refused_unseen(tmp_path: Path) -> None:
    (line,) = refused("database:\n  url: mysql://u:secret@h/d\n", tmp_path)
    assert line == ("FILE:2: database.url: expected postgresql://USER@HOST/DATABASE, or nothing"
                    " for the embedded PostgreSQL")


def test_what_nothing_reads_is_said(tmp_path: Path) -> None:
    config = load(os.devnull, environ={"DCE_REDIS_URL": "redis://:p@h", "DCE_KAFKA_BROKERS": ""})
    assert config.not_used() == [
        "redis.url (environment DCE_REDIS_URL) is not used by this version: nothing here talks to"
        " Redis yet"
    ]


def test_config_show_prints_every_value_with_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("sip:\n  t1_ms: 100\n")
    monkeypatch.setenv("DCE_DATABASE_URL", "postgresql://u:hidden@h/d")
    monkeypatch.setenv("DCE_SECURITY_JWT_SECRET", "hidden")
    given = ["config", "show", "-c", str(path), "--set", "sip.t2_ms=200"]
    assert main(given) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in said.splitlines()}
    assert list(rows) == list(settings())
    assert rows["sip.t1_ms"] == f"100 {path}:2"
    assert rows["sip.t2_ms"] == "200 command line"
    assert rows["sip.t4_ms"] == "5000 default"
    assert rows["database.url"] == "postgresql://u:***@h/d environment DCE_DATABASE_URL"
    assert rows["security.jwt_secret"] == (
        "*** environment DCE_SECURITY_JWT_SECRET; not used by this version: the API knows its own"
        " tokens only: dce admin create"
    )
    assert main([*given, "--json"]) == 0
    again = capsys.readouterr().out
    assert [row["key"] for row in json.loads(again)] == list(settings())
    assert "hidden" not in said + again


def test_environment_lists_are_comma_separated() -> None:
    config = load(
        str(CONFIG_FILE), environ={"DCE_SIP__LISTEN": "udp:[::1]:5062, tcp:0.0.0.0:5062"}
    )
    assert [address.text() for address in config.sip.addresses()] == [
        "udp:[::1]:5062", "tcp:0.0.0.0:5062"
    ]


def test_runtime_folder_is_short_enough_for_a_socket(tmp_path: Path) -> None:
    near = load(str(CONFIG_FILE), environ={"DCE_DATA_DIR": "/srv/dce"})
    assert near.runtime_dir == "/srv/dce/run"
    far = load(str(CONFIG_FILE), environ={"DCE_DATA_DIR": f"/srv/{'x' * 100}"})
    assert len(str(far.signal_socket)) < 100
    other = load(str(CONFIG_FILE), environ={"DCE_DATA_DIR": f"/srv/{'y' * 100}"})
    assert far.runtime_dir != other.runtime_dir


@pytest.mark.parametrize("text", [
    "", "udp", "udp:1.2.3.4", "udp:1.2.3.4:x", "sctp:1.2.3.4:5060", "udp:1.2.3.4:65536",
    "udp:localhost:5060", "udp:::1:5060", "udp:[1.2.3.4]:5060", "udp:1.2.3.4:5060:1", "udp:[::1]",
])
def test_wrong_listen_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="expected "):
        parse_listen(text)


def test_addresses_round_trip() -> None:
    for text in ("udp:127.0.0.1:0", "tcp:[2001:db8::1]:5061"):
        assert parse_listen(text).text() == text
    assert parse_host_port("[::]:80") == ("::", 80)


def test_lan_widens_what_is_configured_but_not_what_is_asked_for() -> None:
    parse = build_parser().parse_args
    wide = config_of(parse(["run", "--lan", "-c", str(CONFIG_FILE)]))
    assert wide.sip.listen == ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    chosen = parse(["run", "--lan", "--listen", "udp:127.0.0.9:5", "-c", str(CONFIG_FILE)])
    assert config_of(chosen).sip.listen == ("udp:127.0.0.9:5",)


def test_a_child_gets_the_same_configuration_without_secrets() -> None:
    parse = build_parser().parse_args
    args = parse([
        "run", "-c", str(CONFIG_FILE), "--listen", "udp:127.0.0.1:1", "--listen", "tcp:127.0.0.1:1",
        "--set", "sip.t1_ms=100", "--http", "127.0.0.1:9",
    ])
    config = config_of(args)
    given = child_arguments(args, config)
    child = config_of(parse(["worker", "signal", *given]))
    assert child == config
    assert not any("database" in part for part in given)


def test_settings_are_read_again_and_wrong_ones_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("log_level: info\n")
    root = logging.getLogger()
    handlers = list(root.handlers)
    reloader = Reloader(load(str(path), environ={}), lambda: load(str(path), environ={}), "test")
    try:
        path.write_text("log_level: loud\nsip:\n  t1_ms: 1\n")
        assert not reloader.reload()
        assert reloader.config.log_level == "info"
        assert [record.message.replace(str(path), "FILE") for record in caplog.records] == [
            "FILE:1: log_level: expected debug, info, warning or error, got 'loud'",
            "FILE:3: sip.t1_ms: expected milliseconds, 10 to 60000, got 1",
            "the settings are wrong, the old ones stay",
        ]
        path.write_text("log_level: debug\nsip:\n  t1_ms: 100\ndatabase:\n  url: postgres://h/d\n")
        root.handlers[:] = handlers
        assert reloader.reload()
        assert root.level == logging.DEBUG
        assert reloader.config.sip.t1_ms == 100
    finally:
        root.handlers[:] = handlers
        root.setLevel(logging.WARNING)


def test_what_waits_for_the_next_start_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    first = load(os.devnull, environ={})
    second = load(os.devnull, environ={"DCE_SIP__T1_MS": "100", "DCE_DATABASE_URL": "postgres://p"})
    try:
        assert Reloader(first, lambda: second, "test").reload()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    said = capsys.readouterr().err
    assert "these take effect at the next start: database.url, sip.t1_ms" in said
