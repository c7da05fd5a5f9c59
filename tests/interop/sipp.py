"""Driver of the SIPp process (3.6.1): start, wait for its end, read its counts.

Everything of one run lies in its own folder: SIPp writes beside its scenario file, so the
file is copied there. It is waited for by its end and ended by its id.
"""

import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.ports import bound, free_port, media_port

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
_POLL_S = 0.02
_FLUSH_S = 1


class SippFailed(AssertionError):
    """SIPp could not be started or did not end in time; the text holds its last lines."""


@dataclass(frozen=True)
class Order:
    """One SIPp run. Caller: `remote` is the target host:port; buyer: `remote` is empty.

    calls_max: calls after which it ends, 0 = until stopped. rate: new calls per second.
    transport: SIPp's -t ("u1", "t1"). hold_ms: length of pauses without their own length.
    keys: values of [name] in the scenario; `contact` is always set (own host:port), so a
    test can put a wire between the two ends. texts: replaced in the copy of the scenario,
    for places where SIPp takes no key (@status@). callers: numbers used in turn, [field0].
    """

    scenario: Path
    host: str
    port: int
    remote: str = ""
    service: str = "service"
    calls_max: int = 1
    rate: float = 10
    open_max: int = 3_000
    transport: str = "u1"
    hold_ms: int = 0
    timeout_s: int = 60
    keys: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    callers: tuple[str, ...] = ("+12125550100",)
    extra: tuple[str, ...] = ()
    trace: bool = False  # also write every message to messages.log


@dataclass(frozen=True)
class Stats:
    """Cumulated counts of one end, from the last line of its statistics files."""

    created: int
    ok: int
    failed: int
    open: int
    retransmissions: int  # sent again by SIPp, or received again by it
    messages: int  # sent and received, without retransmissions
    unexpected: int
    response_ms: float  # mean of the timer `rtd="1"`, 0 without one
    elapsed_s: float
    reasons: Mapping[str, int] = field(default_factory=dict)  # of the failed calls

    @property
    def retransmitted_part(self) -> float:
        """Retransmissions per message, 0..1."""
        return self.retransmissions / self.messages if self.messages else 0.0


def scenario(name: str) -> Path:
    """Path of one of our own scenario files, by its name without .xml."""
    return SCENARIOS / f"{name}.xml"


def command(order: Order) -> list[str]:
    """Arguments of one run; files are relative to the run's folder."""
    words = ["sipp"] + ([order.remote] if order.remote else [])
    words += ["-sf", order.scenario.name, "-i", order.host, "-p", str(order.port),
              "-mi", order.host, "-mp", str(media_port(order.host)),
              "-ci", "127.0.0.1", "-cp", str(free_port()), "-bind_local",
              "-t", order.transport, "-s", order.service, "-buff_size", "2000000",
              "-l", str(order.open_max), "-nostdin", "-d", str(order.hold_ms),
              "-trace_stat", "-stf", "stat.csv", "-fd", str(_FLUSH_S), "-trace_counts",
              "-trace_err", "-error_file", "errors.log",
              "-timeout", f"{order.timeout_s}s", "-timeout_error"]
    if order.calls_max:
        words += ["-m", str(order.calls_max)]
    if order.remote:
        words += ["-r", str(order.rate), "-inf", "callers.csv"]
    if order.trace:
        words += ["-trace_msg", "-message_file", "messages.log"]
    keys = {"contact": f"{order.host}:{order.port}", **order.keys}
    for key, value in keys.items():
        words += ["-key", key, value]
    return [*words, *order.extra]


class Sipp:
    """One running SIPp. Leave the context to end it whatever happened."""

    def __init__(self, order: Order, folder: Path,
                 wrap: Callable[[list[str]], list[str]] | None = None) -> None:
        """Start in `folder` (made, must be new). wrap: puts words before the command."""
        folder.mkdir(parents=True)
        _write_inputs(order, folder)
        self.order, self.folder = order, folder
        words = command(order)
        with (folder / "screen.log").open("wb") as screen:
            self.process = subprocess.Popen(
                wrap(words) if wrap else words, cwd=folder, stdin=subprocess.DEVNULL,
                stdout=screen, stderr=subprocess.STDOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def ready(self, timeout_s: float = 10) -> Self:
        """Wait until its socket is bound. Raises SippFailed when it ends or stalls before."""
        tcp = self.order.transport.startswith("t")
        for _ in range(int(timeout_s / _POLL_S)):
            if bound(self.order.host, self.order.port, tcp=tcp):
                return self
            if self.ended(_POLL_S):
                break
        raise SippFailed(f"SIPp is not ready: {self.last_lines()}")

    def wait(self, timeout_s: float | None = None) -> int:
        """Exit status once it has ended. Raises SippFailed after its own timeout + 20 s."""
        if not self.ended(self.order.timeout_s + 20 if timeout_s is None else timeout_s):
            raise SippFailed(f"SIPp did not end in time: {self.last_lines()}")
        return self.process.returncode

    def finish(self, timeout_s: float = 20) -> int:
        """Ask a buyer to end after its open calls (SIGUSR1); exit status.

        Calls that stay open are cut after `timeout_s`; `stats` counts them as open.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
        if not self.ended(timeout_s):
            self.process.kill()
        return self.process.wait()

    def stats(self) -> Stats:
        """Counts as of the last flush (each second, and at the end)."""
        return read_stats(self.folder)

    def messages(self) -> str:
        """Text of the message log; the order must have set `trace`."""
        return (self.folder / "messages.log").read_text(errors="replace")

    def last_lines(self, lines_max: int = 25) -> str:
        """What it wrote last: error log, then screen."""
        text = ""
        for name in ("errors.log", "screen.log"):
            path = self.folder / name
            if path.exists():
                tail = path.read_text(errors="replace").splitlines()[-lines_max:]
                text += f"\n--- {path}\n" + "\n".join(tail)
        return text or "(no output)"

    def ended(self, timeout_s: float) -> bool:
        """Whether it has ended, at the latest after `timeout_s`."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def _write_inputs(order: Order, folder: Path) -> None:
    text = order.scenario.read_text()
    for old, new in order.texts.items():
        text = text.replace(old, new)
    (folder / order.scenario.name).write_text(text)
    (folder / "callers.csv").write_text("\n".join(["SEQUENTIAL", *order.callers]) + "\n")


def read_stats(folder: Path) -> Stats:
    """Stats from stat.csv and *_counts.csv of a run's folder; all 0 before its first flush."""
    last = _last_record(folder / "stat.csv")
    counts: Mapping[str, str] = {}
    for path in folder.glob("*_counts.csv"):
        counts = _last_record(path)
    total = {kind: _sum(counts, kind) for kind in ("Sent", "Recv", "Retrans", "Unexp")}
    reasons = {key[6:-3]: int(value) for key, value in last.items()
               if key.startswith("Failed") and key.endswith("(C)") and int(value)}
    reasons.pop("Call", None)
    return Stats(
        created=int(last.get("TotalCallCreated", 0)), ok=int(last.get("SuccessfulCall(C)", 0)),
        failed=int(last.get("FailedCall(C)", 0)), open=int(last.get("CurrentCall", 0)),
        retransmissions=max(total["Retrans"], int(last.get("Retransmissions(C)", 0))),
        messages=total["Sent"] + total["Recv"], unexpected=total["Unexp"],
        response_ms=seconds(last.get("ResponseTime1(C)", "")) * 1_000,
        elapsed_s=seconds(last.get("ElapsedTime(C)", "")), reasons=reasons)


def seconds(text: str) -> float:
    """Seconds of SIPp's HH:MM:SS[:micros]; 0 for anything else."""
    parts = text.split(":")
    if len(parts) < 3 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, whole = (int(part) for part in parts[:3])
    return hours * 3600 + minutes * 60 + whole + (int(parts[3]) / 1e6 if len(parts) > 3 else 0)


def _sum(counts: Mapping[str, str], kind: str) -> int:
    return sum(int(value) for key, value in counts.items()
               if key.endswith(f"_{kind}") and value.isdigit())


def _last_record(path: Path) -> dict[str, str]:
    """Last whole line of a file with ';' and a head line, as head → value."""
    if not path.exists():
        return {}
    lines = [line for line in path.read_text().split("\n")[:-1] if line]
    if len(lines) < 2:
        return {}
    return dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))
