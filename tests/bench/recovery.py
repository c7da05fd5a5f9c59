"""recovery.*: from the start of a signal process to its first 200, a million records behind it.

The journal is a killed process's: 1,750 calls live, the last segment open, the newest checkpoint
as far back as production lets it come (100,000 records). A start is measured from the fork to
the 200 at the caller's phone: interpreter, imports, replay, book, plan, sockets, one call.
recovery.replay_records_per_s is the same journal read without any checkpoint.
"""

import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
import yaml

from dce import plan_files
from dce.child import READY_LINE, REPORT_FD
from dce.collector import collector_resting
from dce.config import Config, load
from dce.demo_phones import BuyerPhone, Call, CallerPhone, Manner
from dce.demo_trace import Trace
from dce.folders import prepare_folders
from dce.recovery import recover
from routing.plan_file import decode_bids
from tests.bench.history import ANSWERED, History, journal_bytes, write_checkpoints
from tests.bench.load import BUYER_HOST, CALLER_HOST, CALLERS
from tests.bench.our_server import build
from tests.bench.plan import NUMBER, plan
from tests.bench.rows import ROOT, Row, row
from tests.dce.signal_core import write_plan
from tests.interop.ports import free_port
from vocabulary.limits import checkpoint_every_records

RECORDS = 1_000_000
STARTS = 3
START_S = 60.0
HOST = "127.0.0.1"


def bench_recovery() -> list[Row]:
    """About a minute and a half: the history, three starts, one replay of all of it."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recovery-", dir=ROOT / "build") as name:
        config_file, buyer_port = _configure(Path(name))
        config = load(str(config_file), environ={})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            last_seq = runner.run(write_history(config, buyer_port, RECORDS))
            newest = write_checkpoints(config, last_seq)
            text = (f"{last_seq:,} records in {journal_bytes(config.journal_dir) // 2**20} MB, "
                    f"100,000 bids, {ANSWERED:,} calls live at the kill; {build()}")
            taken = [runner.run(_first_200_s(config, config_file, buyer_port))
                     for _ in range(STARTS)]
        rate = _replay_rate(config)
        shutil.rmtree(config.runtime)
    assert newest == last_seq - checkpoint_every_records
    shown = ", ".join(f"{seconds:.2f}" for seconds in taken)
    return [
        row("recovery.first_200_s", statistics.median(taken), "s", "lower",
            f"median of {STARTS} starts ({shown}); checkpoint {checkpoint_every_records:,} "
            f"records back; {text}"),
        row("recovery.replay_records_per_s", rate, "1/s", "higher", f"no checkpoint; {text}"),
    ]


def _configure(folder: Path) -> tuple[Path, int]:
    """Configuration file of a server of its own, and a port for its buyer."""
    path = folder / "config.yaml"
    values = {
        "data_dir": str(folder / "data"),
        "runtime_dir": tempfile.mkdtemp(prefix="dce-", dir="/tmp"),
        "sip": {"listen": [f"udp:{HOST}:{free_port(HOST)}"]},
        "http": {"listen": f"{HOST}:{free_port(HOST)}"},
    }
    path.write_text(yaml.safe_dump(values))
    return path, free_port(BUYER_HOST)


async def write_history(config: Config, buyer_port: int, records: int) -> int:
    """The plan as an apply leaves it, and the journal that a killed process leaves."""
    prepare_folders(config)
    _, bids_file = write_plan(config, 1, plan(buyer_port))
    bids = [bid for chunk in decode_bids(bids_file.read_bytes()) for bid in chunk]
    plan_files.write_book(config.plans_dir, 1, bids)
    plan_files.write_current(config.plans_dir, 1)
    return await History(config, time.time_ns()).write(records)


async def _first_200_s(config: Config, config_file: Path, buyer_port: int) -> float:
    """Seconds from the fork of a worker to the 200 of its first call; then kill -9."""
    caller = CALLERS[7]
    buyer = await BuyerPhone("buyer", Trace(), {caller: Manner(ring_s=0)}).open(
        BUYER_HOST, buyer_port, "buyer")
    phone = await CallerPhone("caller", Trace()).open(CALLER_HOST, 0, "caller")
    ready, tell = os.pipe()
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dce", "worker", "signal", "-c", str(config_file)], cwd=ROOT,
        pass_fds=(tell,), env={**_environment(), REPORT_FD: str(tell)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(tell)
    try:
        async with asyncio.timeout(START_S):
            assert await asyncio.to_thread(_is_ready, ready), _said(process)
            host, _, port = config.sip.listen[0].removeprefix("udp:").partition(":")
            flow = phone.flow_to("UDP", host, int(port))
            await phone.place(Call(caller, NUMBER), flow).answered.wait()
        return time.perf_counter() - began_s
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(ready)
        await phone.close()
        await buyer.close()


def _is_ready(report: int) -> bool:
    """Wait until the worker says so; False if it ended."""
    heard = b""
    while READY_LINE not in heard:
        more = os.read(report, 4_096)
        if not more:
            return False
        heard += more
    return True


def _said(process: "subprocess.Popen[bytes]") -> str:
    """What a worker that did not come up wrote."""
    assert process.stderr is not None
    return process.stderr.read().decode(errors="replace")[-2_000:]


def _replay_rate(config: Config) -> float:
    """Records a second of CPU when the whole journal is replayed."""
    with collector_resting():
        began_ns = time.process_time_ns()
        replay = recover(config.journal_dir, config.journal_dir / "none")
        spent_ns = time.process_time_ns() - began_ns
    return replay.state.seq * 1e9 / spent_ns


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("DCE_")}
