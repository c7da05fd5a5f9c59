"""`dce demo --exit` as a stranger starts it: real processes, real calls, exit status 0."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dce.demo_calls import CALLS
from tests.interop.ports import free_port
from tests.postgres_fixture import open_folder, require_postgres

ROOT = Path(__file__).parents[2]
DEMO_S = 120  # a slow machine starts PostgreSQL in that
pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.fixture
def folder() -> Iterator[Path]:
    require_postgres()
    made = open_folder()
    yield made
    shutil.rmtree(made)


async def demo(*words: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `dce demo`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DCE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dce", "demo", *words, cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(DEMO_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def flags(folder: Path, sip: int, http: int) -> list[str]:
    return [
        "--exit", "--set", f"data_dir={folder / 'data'}", "--listen", f"udp:127.0.0.1:{sip}",
        "--listen", f"tcp:127.0.0.1:{sip}", "--http", f"127.0.0.1:{http}",
    ]


async def test_every_call_of_the_demo_goes_as_planned(folder: Path) -> None:
    status, out, err = await demo(*flags(folder, free_port(), free_port()))
    assert status == 0, out + err
    assert err == ""
    lines = out.splitlines()
    assert sum(line.startswith("  ✓ ") and "+1" in line for line in lines) == len(CALLS)
    assert "✗" not in out
    assert all(len(line) <= 100 for line in lines)
    for text in (
        "486 Busy Here", "dialled: 200, it pays 12.00", "below the floor of 5.00",
        "completed, SIP 200, ended by the caller", "publisher_pending", "= 0.00",
        "every call went as planned",
    ):
        assert text in out, text
    assert "your turn" not in out
    assert (folder / "data" / "demo" / "exchange.log").exists()


async def test_a_busy_port_names_its_key_and_its_owner(folder: Path) -> None:
    sip = free_port()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", sip)
    )
    try:
        status, out, err = await demo(*flags(folder, sip, free_port()))
    finally:
        transport.close()
    assert status == 2
    assert out == ""
    assert f"udp:127.0.0.1:{sip} is in use by" in err
    assert str(os.getpid()) in err
