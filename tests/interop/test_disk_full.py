"""The journal's volume runs full under the real server with real calls, and is emptied again.

The volume is a small one in memory, mounted for the test: it needs the right to mount.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.outages import Outage
from tests.interop.plans import slots
from tests.interop.server import Settings, passable_folder

pytestmark = [pytest.mark.interop, pytest.mark.slow]

VOLUME_MB = 32
MONEY = {"amount": "5.00", "currency": "USD"}
TOP_UPS = "/api/v1/accounts/first/top-ups"


class SmallOutage(Outage):
    """With the smallest journal there is."""

    def settings(self, drain_s: int = 20) -> Settings:
        made = super().settings(drain_s)
        return Settings(made.t1_ms, {**(made.more or {}), "journal": {
            "segment_mb": 1, "reserve_mb": 1}})


@contextmanager
def small_volume(folder: Path) -> Iterator[Path]:
    """A volume of 32 MB; the test is skipped where it may not be mounted."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_MB}m,mode=0711", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a volume")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def outage() -> Iterator[SmallOutage]:
    """Server and database, the server's data on the small volume."""
    peers.require(peers.exchange(), peers.sipp())
    with passable_folder("dce-full-") as folder, small_volume(folder / "exchange" / "data"):
        made = SmallOutage(folder, slots(1)[0])
        try:
            made.up()
            yield made
        finally:
            made.close()


def fill(path: Path) -> None:
    """Take every free byte of a volume."""
    with (
        path.open("wb", buffering=0) as file,
        pytest.raises(OSError, match="No space left on device"),
    ):
        take_all(file)


def take_all(file: RawIOBase) -> None:
    block = bytes(65_536)
    while True:
        file.write(block)


def test_a_full_volume_ends_no_call_and_calls_come_again(outage: SmallOutage) -> None:
    before = outage.counts()
    ballast = outage.folder / "exchange" / "data" / "ballast"
    reserve = outage.folder / "exchange" / "data" / "journal" / "0" / "reserve"
    outage.until(reserve.exists)
    outage.exchange.token()  # made while there is room: it is kept in a file, too
    answered = 0
    with outage.calls("caller_stays", most=10, rate=100, hold_ms=12_000) as living:
        outage.until(lambda: outage.metric("dce_calls_live") == 10)
        fill(ballast)
        while not outage.metric("dce_journal_full"):
            with outage.callers("caller_stays", most=100, rate=200, hold_ms=50) as caller:
                caller.wait()
                answered += caller.stats().ok
            assert answered < 5_000
        assert outage.metric("dce_calls_live") >= 10, "the living go on"
        assert outage.metric("dce_journal_failed") == 0
        assert outage.exchange.page("/readyz")[0] == 503
        with outage.callers("caller_refused", most=3) as late:
            assert late.wait() == 0, late.last_lines()
        status, problem = outage.send("POST", TOP_UPS, MONEY, key="too-early")
        assert (status, problem["code"], problem["retry"]) == (503, "journal_full", True)
        assert living.wait() == 0, living.last_lines()
        assert outage.metric("dce_journal_full") == 1
        os.truncate(ballast, 0)
        outage.until(lambda: outage.metric("dce_journal_full") == 0)
        assert reserve.stat().st_size == 1_048_576
        outage.exchange.wait_page("/readyz")
        with outage.callers("caller_stays", most=5) as again:
            assert again.wait() == 0, again.last_lines()
    after = outage.counts()
    assert after.calls - before.calls >= answered + 15
    assert (after.recovered, after.rejected, after.balance) == (0, 0, 0)
    assert outage.held() == {"0.00"}
    assert outage.exchange.command("journal", "verify").splitlines()[-1].endswith(": whole")
