"""The load of every call figure: SIPp caller → system under test → SIPp buyer.

Scenario (both of tests/interop/scenarios): INVITE with 12 lines of SDP, 100, 180, 200, ACK,
BYE, 200, no pause, UDP. The caller's numbers go round 10,000 of one area code, so that no
cache of numbers can live on a single one.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.cpu import NS_PER_S, tree, tree_cpu_ns
from tests.interop.ports import bound
from tests.interop.sipp import Order, Sipp, Stats, scenario

CALLER_HOST, BUYER_HOST = "127.0.0.3", "127.0.0.2"
CALLERS = tuple(f"+1212555{line:04d}" for line in range(10_000))
WARM_S = 3
_POLL_S = 0.02


class BenchUnavailable(Exception):
    """The bench cannot run here; the text says what is missing."""


@dataclass(frozen=True)
class Load:
    """What is asked of SIPp. hold_ms: 0 plays caller.xml, else the call is held so long.

    texts: replaced in both scenarios, for a peer that cannot take them as they are.
    """

    target: str  # host:port of the system under test
    buyer_port: int
    caller_port: int
    rate: int
    seconds: int
    service: str = "+18005550100"
    hold_ms: int = 0
    open_max: int = 3_000
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> int:
        """Calls of the whole run."""
        return self.rate * self.seconds


@dataclass(frozen=True)
class Outcome:
    """Both ends of one run."""

    caller: Stats
    buyer: Stats
    wall_s: float  # from the first call to the last BYE, as the caller counts

    @property
    def clean(self) -> bool:
        """No failed or stuck call, retransmissions ≤ 0.01 % of all messages of both ends."""
        messages = self.caller.messages + self.buyer.messages
        again = self.caller.retransmissions + self.buyer.retransmissions
        whole = self.caller.failed == self.buyer.failed == self.buyer.open == 0
        return whole and again <= messages / 10_000

    def text(self) -> str:
        """One line for a condition or an error."""
        again = self.caller.retransmissions + self.buyer.retransmissions
        return (f"{self.caller.ok} ok, {self.caller.failed} failed, {again} retransmissions "
                f"of {self.caller.messages + self.buyer.messages} messages")


def caller_order(load: Load) -> Order:
    """SIPp order of the calling end."""
    name = "caller_stays" if load.hold_ms else "caller"
    return Order(scenario(name), CALLER_HOST, load.caller_port, remote=load.target,
                 service=load.service, calls_max=load.calls, rate=load.rate,
                 open_max=load.open_max, hold_ms=load.hold_ms, callers=CALLERS, texts=load.texts,
                 timeout_s=load.seconds + load.hold_ms // 1_000 + 30)


def buyer_order(load: Load) -> Order:
    """SIPp order of the answering end; runs until stopped."""
    return Order(scenario("buyer"), BUYER_HOST, load.buyer_port, calls_max=0,
                 open_max=load.open_max, texts=load.texts,
                 timeout_s=load.seconds + load.hold_ms // 1_000 + 120)


@contextmanager
def buyer(load: Load, folder: Path) -> Iterator[Sipp]:
    """A bound buyer end, ended on leaving."""
    with Sipp(buyer_order(load), folder) as running:
        yield running.ready()


def play(load: Load, folder: Path) -> Outcome:
    """One run to its end, buyer included. SippFailed when an end dies or stalls."""
    with buyer(load, folder / "buyer") as answering:
        with Sipp(caller_order(load), folder / "caller") as calling:
            calling.wait()
            caller = calling.stats()
        answering.finish()
        return Outcome(caller, answering.stats(), caller.elapsed_s)


@dataclass(frozen=True)
class Cost:
    """CPU of a system under test per call, with the run it was measured in."""

    cpu_us: float
    rate: int
    outcome: Outcome


def measure(load: Load, root: int, pids: Callable[[], Sequence[int]] | None = None) -> Cost:
    """CPU µs per completed call of the processes `pids()` (default: root and below).

    A short warm-up at the same rate comes first and is not counted.
    """
    chosen = pids or (lambda: tree(root))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        play(replace(load, seconds=min(WARM_S, load.seconds)), folder / "warm")
        before = tree_cpu_ns(chosen())
        outcome = play(load, folder / "run")
        spent = tree_cpu_ns(chosen()) - before
    if not outcome.caller.ok:
        raise AssertionError(f"no call completed: {outcome.text()}")
    return Cost(spent / outcome.caller.ok / 1_000, load.rate, outcome)


@contextmanager
def system(words: Sequence[str], host: str, port: int, folder: Path,
           environment: dict[str, str] | None = None) -> Iterator[int]:
    """A system under test in its own process group, once its UDP port is bound; its pid."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "screen.log").open("wb") as screen:
        process = subprocess.Popen(
            list(words), cwd=folder, env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=screen, stderr=subprocess.STDOUT,
            start_new_session=True)
    try:
        for _ in range(500):
            if bound(host, port):
                break
            if process.poll() is not None:
                raise BenchUnavailable(f"{words[0]} ended: {_tail(folder / 'screen.log')}")
            _pause(process)
        else:
            raise BenchUnavailable(f"{words[0]} bound no port: {_tail(folder / 'screen.log')}")
        yield process.pid
    finally:
        _end(process)


def executable(name: str, hint: str) -> str:
    """Path of a program on PATH; BenchUnavailable with the hint when there is none."""
    path = shutil.which(name)
    if path is None:
        raise BenchUnavailable(f"{name} is not installed ({hint})")
    return path


def per_second(ns_per_call: float) -> float:
    """Calls that one second of CPU pays for."""
    return NS_PER_S / ns_per_call


def _pause(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the group, SIGKILL after 10 s. The group is ours: a session of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-800:].strip()
