"""What stands beside the children: words to the service manager, PostgreSQL on its own thread."""

import asyncio
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dce.database_keeper import DatabaseKeeper
from dce.server import forbid_core_dumps, raise_descriptors
from dce.service_notice import ServiceNotice
from dce.signal_link import StartingLink
from dce.warming import warm
from storage.postgres import EmbeddedPostgres
from tests.dce.signal_core import config_at, running, write_plan
from tests.routing.plans import written_plan
from vocabulary.commands import Health, ReadHealth, ReadStatistics, Refusal, Request, Response
from vocabulary.errors import StorageFailed


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(10)
        yield bound


def test_the_manager_hears_each_word(manager: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "PATH": "/bin"}
    notice = ServiceNotice.take(environ)
    assert environ == {"PATH": "/bin"}  # children are not the service
    notice.say("READY=1", "STATUS=fine")
    assert manager.recv(100) == b"READY=1\nSTATUS=fine"


async def test_the_watchdog_is_fed_as_long_as_the_loop_turns(manager: socket.socket) -> None:
    notice = ServiceNotice.take({
        "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "20000",
        "WATCHDOG_PID": str(os.getpid()),
    })
    assert notice.watchdog_s == 0.02
    feeding = asyncio.create_task(notice.keep_awake())
    for _ in range(3):
        assert await asyncio.to_thread(manager.recv, 100) == b"WATCHDOG=1"
    feeding.cancel()


async def test_without_a_manager_nothing_is_said() -> None:
    notice = ServiceNotice.take({"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"})
    assert notice.watchdog_s == 0
    notice.say("READY=1")
    await notice.keep_awake()


def test_a_manager_that_is_gone_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServiceNotice(str(tmp_path / "nobody"), 0).say("READY=1")
    assert "cannot be told READY=1" in caplog.text


class SlowPostgres(EmbeddedPostgres):
    """Starts when it is let, once; its threads are noted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "data", folder / "run")
        self.may_start = threading.Event()
        self.threads: set[str] = set()

    def start(self) -> str:
        self.threads.add(threading.current_thread().name)
        assert self.may_start.wait(60)
        raise StorageFailed("no luck")

    def abandon(self) -> None:
        self.may_start.set()

    def stop(self) -> None:
        self.threads.add(threading.current_thread().name)


async def test_a_slow_start_of_postgresql_holds_no_loop_up(tmp_path: Path) -> None:
    postgres = SlowPostgres(tmp_path)
    keeper = DatabaseKeeper(postgres)
    running = asyncio.create_task(keeper.run())
    while not postgres.threads:
        await asyncio.sleep(0)  # the loop turns while the start blocks
    assert not keeper.attempted.is_set()
    postgres.may_start.set()
    await keeper.attempted.wait()
    running.cancel()
    await keeper.close()
    assert len(postgres.threads) == 1  # the kernel ends the server with this thread
    assert threading.main_thread().name not in postgres.threads


async def test_the_end_does_not_wait_for_a_slow_start(tmp_path: Path) -> None:
    postgres = SlowPostgres(tmp_path)
    keeper = DatabaseKeeper(postgres)
    running = asyncio.create_task(keeper.run())
    while not postgres.threads:
        await asyncio.sleep(0)
    running.cancel()
    await keeper.close()  # or it would wait for the minute of SlowPostgres
    assert not keeper.attempted.is_set()


async def test_a_worker_that_starts_says_so_and_does_nothing_else() -> None:
    door = StartingLink()
    health = await door.handle(ReadHealth())
    assert isinstance(health, Health)
    assert (health.ready, health.reasons) == (False, ("starting",))
    refusal = await door.handle(ReadStatistics())
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.retry) == ("signal_away", True)

    async def behind(request: Request) -> Response:
        return Refusal("behind", "")

    door.open(behind)
    assert await door.handle(ReadHealth()) == Refusal("behind", "")


async def test_warming_decides_for_nobody(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    async with running(config) as core:
        assert warm(core) == 0
        await core.apply_plan(*write_plan(config, 1, written_plan(2)))
        seq, counted = core.desk.seq, core.desk.statistics()
        assert warm(core) > 0
        assert (core.desk.seq, core.desk.statistics()) == (seq, counted)


def test_core_dumps_are_off() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        forbid_core_dumps()
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def test_open_files_are_raised_as_far_as_the_hard_limit_goes() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert raise_descriptors(300) == 300
        assert raise_descriptors(200) == 300  # never lowered
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
