"""Wrong use: one clear line and exit code 2; the command line imports no heavy module."""

import subprocess
import sys

import pytest

from dce.__main__ import main


@pytest.mark.parametrize("argv", [
    [], ["nonsense"], ["run", "--nonsense"], ["call"], ["call", "show"], ["plan", "apply"],
    ["admin", "create"], ["admin", "revoke"], ["migrate"], ["migrate", "sideways"],
    ["migrate", "down"],
    ["migrate", "down", "--steps", "0"], ["migrate", "down", "--steps", "many"],
    ["worker", "kitchen"], ["run", "extra"], ["demo", "--exit=1"], ["config"], ["config", "hide"],
])
def test_wrong_use_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(("argv", "line"), [
    (["run", "--set", "sip.t1=5"],
     "dce: command line: sip.t1: unknown key, did you mean sip.t1_ms?\n"),
    (["run", "--set", "sip.t1_ms"],
     "dce: command line: --set: expected KEY=VALUE, got 'sip.t1_ms'\n"),
    (["run", "--listen", "5060"],
     "dce: command line: sip.listen[0]: expected udp:ADDRESS:PORT or tcp:ADDRESS:PORT,"
     " got '5060'\n"),
    (["check", "-c", "/nowhere.yaml"],
     "dce: /nowhere.yaml: cannot be read: No such file or directory\n"),
    (["run", "--set", "signal.workers=2"],
     "dce: command line: signal.workers: expected 1 (several workers on one machine are not"
     " supported yet), got 2\n"),
    (["run", "--set", "database.url=postgresql://x"],
     "dce: command line: database.url: every user of the machine can read a command line; set"
     " DCE_DATABASE_URL or DCE_DATABASE_URL_FILE instead, or a file given with -c\n"),
])
def test_wrong_settings_exit_with_2(
    argv: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err == line


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from dce.cli import build_parser; build_parser();"
        "print([m for m in ('asyncio', 'aiohttp', 'asyncpg', 'uvloop', 'structlog', 'routing')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"
