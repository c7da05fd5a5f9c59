"""`dce check` says of each part whether it is right, and why not."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dce import plan_files
from dce.__main__ import main
from dce.check import CHECKS, check
from dce.check_disk import filesystem_of, measure
from dce.check_machine import judge_clock
from dce.config import Config, load
from dce.database import Database
from dce.folders import lock_data, prepare_folders, secret_file
from dce.plan_store import PlanStore
from exchange.signals import Beat
from storage.copying import MOVE_CURSOR
from storage.migrate import load_migrations, migrate_up
from storage.session import open_session
from tests.dce.signal_core import running
from tests.interop.ports import free_port
from tests.routing.plans import written_plan
from vocabulary.commands import ApplyPlan, PlanSwapped, Request, Response
from vocabulary.errors import ConfigError


def config_at(folder: Path, dsn: str, http_port: int = 0) -> Config:
    """Free ports, a real database, a folder of its own."""
    return load(
        os.devnull, environ={"DCE_DATABASE_URL": dsn},
        flags={
            "data_dir": str(folder / "data"), "sip.listen": f"udp:127.0.0.1:{free_port()}",
            "http.listen": f"127.0.0.1:{http_port}",
        },
    )


async def swapped(request: Request) -> Response:
    assert isinstance(request, ApplyPlan)
    plan_files.write_current(Path(request.plan_path).parent, request.version)
    return PlanSwapped(request.version, 0, 0)


async def store_plan(config: Config, dsn: str) -> None:
    """A plan as a running exchange leaves it."""
    prepare_folders(config)
    database = Database(dsn)
    await PlanStore(config.plans_dir, database, swapped).apply(written_plan(2), None)
    await database.close()


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """First line of each finding by its name."""
    lines = capsys.readouterr().out.splitlines()
    return {line[7:23].strip(): line for line in lines if line[:7].strip()}


MACHINE = ("build", "storage", "clock", "open files", "receive buffer")  # differ by machine


async def test_all_is_right(
    tmp_path: Path, database_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_at(tmp_path, database_dsn)
    await store_plan(config, database_dsn)
    assert await asyncio.to_thread(check, config) == 0
    lines = said(capsys)
    assert list(lines) == [name for name, _ in CHECKS]
    assert not {name for name, line in lines.items()
                if not line.startswith("ok ") and name not in MACHINE}
    assert not any(line.startswith("fail") for line in lines.values())
    known = len(load_migrations())
    assert lines["database"].endswith(f"schema {known} of {known}")
    assert "***" not in lines["database"]
    assert lines["plan"].endswith("version 1: 1 campaigns, 2 standing bids")
    assert lines["journal"].startswith("ok     journal         a durable write takes ")


async def test_a_database_of_another_journal_is_found(
    tmp_path: Path, database_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_at(tmp_path, database_dsn)
    async with running(config) as core:
        core.pump.tell(Beat())
        await core.durable.wait(core.desk.seq)
        last = core.desk.seq
    session = await open_session(database_dsn, name="test")
    try:
        await migrate_up(session)
        for before, cursor, state in ((0, last, "ok "), (last, last + 1, "fail")):
            await session.execute(MOVE_CURSOR, 0, cursor, before)
            await asyncio.to_thread(check, config)
            assert said(capsys)["database"].startswith(state), cursor
    finally:
        await session.close()


async def test_as_json_it_is_one_document(
    tmp_path: Path, database_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_at(tmp_path, database_dsn)
    assert await asyncio.to_thread(check, config, as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["check"] for row in rows] == [name for name, _ in CHECKS]
    (plan,) = [row for row in rows if row["check"] == "plan"]
    assert plan == {"check": "plan", "state": "warn", "text": "none yet: every call gets 503",
                    "advice": "dce run, then dce plan apply FILE"}


def test_what_nothing_reads_and_open_secrets_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "url"
    secret.write_text(f"postgresql://u:hidden@/d?host={tmp_path}")
    secret.chmod(0o644)
    config = load(
        os.devnull, environ={"DCE_DATABASE_URL_FILE": str(secret), "DCE_REDIS_URL": "redis://h"},
        flags={"data_dir": str(tmp_path / "data"), "sip.listen": f"udp:127.0.0.1:{free_port()}",
               "http.listen": "127.0.0.1:0"},
    )
    assert check(config) == 1  # the database is away
    text = capsys.readouterr().out
    assert "warn   configuration   redis.url (environment DCE_REDIS_URL) is not used" in text
    assert f"{secret} holds a secret and is open to others" in text
    assert f"chmod 600 {secret}" in text
    assert "hidden" not in text
    assert f"fail   database        postgresql://u:***@/d?host={tmp_path}: " in text


@pytest.mark.parametrize(("answer", "status", "error_ns", "state"), [
    (0, 0x2001, 5_000_000, "ok"), (5, 0x41, 16_000_000_000, "warn"), (0, 0x40, 0, "warn"),
    (0, 0, 1_000_000_001, "warn"),
])
def test_the_clock_is_judged(answer: int, status: int, error_ns: int, state: str) -> None:
    assert judge_clock(answer, status, error_ns).state == state


def test_durable_writes_are_measured_and_leave_nothing(tmp_path: Path) -> None:
    times = measure(tmp_path)
    assert 0 < times.median_ns <= times.slowest_ns
    assert list(tmp_path.iterdir()) == []


def test_the_file_system_of_a_path_is_found() -> None:
    assert filesystem_of(Path("/proc/self/status")) == "proc"
    assert filesystem_of(Path("/proc/no/such/thing")) == "proc"


def test_a_full_disk_is_no_place_for_a_journal(tmp_path: Path) -> None:
    """A namespace of our own may mount a small disk; where that is not allowed, nothing is told."""
    program = (
        f"mount -t tmpfs -o size=64m none {tmp_path} && {sys.executable} -m dce check"
        f" --set data_dir={tmp_path}/data --set sip.listen=udp:127.0.0.1:{free_port()}"
        " --set http.listen=127.0.0.1:0"
    )
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", program]
    done = subprocess.run(unshare, capture_output=True, text=True, timeout=60, check=False)
    if "configuration" not in done.stdout:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.returncode == 1
    assert "fail   storage         64 MB free on tmpfs; without 128 MB for segment" in done.stdout


async def test_what_is_wrong_is_named_and_the_rest_still_checked(
    tmp_path: Path, database_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        config = config_at(tmp_path, f"postgresql://dce@/dce?host={tmp_path}", port)
        await store_plan(config, database_dsn)
        path = plan_files.plan_path(config.plans_dir, 1)
        path.write_bytes(path.read_bytes()[:-1])
        assert await asyncio.to_thread(check, config) == 1
    lines = said(capsys)
    assert lines["configuration"].startswith("ok ")
    assert lines["ports"].startswith(
        f"fail   ports           http.listen (command line): tcp:127.0.0.1:{port} is in use by "
    )
    assert lines["database"].startswith("fail ")
    assert lines["plan"].startswith("fail ")


@pytest.mark.parametrize("text", ["x", "", "-"])
def test_a_pointer_that_is_no_number_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    config = config_at(tmp_path, f"postgresql://dce@/dce?host={tmp_path}")
    prepare_folders(config)
    (config.plans_dir / plan_files.CURRENT_NAME).write_text(text)
    assert check(config) == 1
    assert said(capsys)["plan"].startswith("fail ")


def test_folders_that_cannot_be_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = load(os.devnull, environ={}, flags={"data_dir": str(tmp_path / "file" / "data")})
    with pytest.raises(ConfigError, match=r"^data_dir \(command line\): .* cannot be made: Not a"):
        prepare_folders(wrong)
    wrong = load(os.devnull, environ={}, flags={"data_dir": str(tmp_path / "file")})
    with pytest.raises(ConfigError, match="is no folder"):
        prepare_folders(wrong)


def test_one_exchange_at_a_time_over_its_data(tmp_path: Path) -> None:
    config = config_at(tmp_path, "")
    prepare_folders(config)
    with (
        lock_data(config),
        pytest.raises(ConfigError, match=rf"is in use by dce run \(pid {os.getpid()}\)"),
    ):
        lock_data(config)
    lock_data(config).close()


def test_private_folders_and_keys_are_private(tmp_path: Path) -> None:
    config = config_at(tmp_path, "")
    prepare_folders(config)
    prepare_folders(config)
    for folder in (config.keys_dir, config.journal_dir, config.plans_dir):
        assert folder.stat().st_mode & 0o777 == 0o700
    key = secret_file(config.keys_dir / "cursor.key", 32)
    assert len(key) == 32
    assert secret_file(config.keys_dir / "cursor.key", 32) == key
    assert (config.keys_dir / "cursor.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("text", "code", "message"), [
    ("a: [", 2, "plan.yaml: line 2, column 1: "),
    (None, 2, "plan.yaml: cannot be read: No such file or directory"),
    ("version: 1\n", 1, "no exchange runs on "),
])
def test_plan_apply_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, message: str
) -> None:
    path = tmp_path / "plan.yaml"
    if text is not None:
        path.write_text(text)
    given = ["plan", "apply", str(path), "--set", f"data_dir={tmp_path / 'data'}"]
    assert main(given) == code
    assert message in capsys.readouterr().err


def test_call_show_wants_an_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "show", "xyz"]) == 2
    assert "expected an id of 32 hexadecimal digits" in capsys.readouterr().err
