"""Our server under the bench plan: started once per group, its processes found by name.

CPU of the signal worker is read from the process whose command line holds
`worker signal`; the total is over the supervisor and everything below it, PostgreSQL included.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cpu import named, tree, tree_cpu_ns
from tests.bench.load import (
    BUYER_HOST,
    CALLER_HOST,
    BenchUnavailable,
    Load,
    Outcome,
    buyer,
    caller_order,
    play,
)
from tests.bench.plan import BIDS_PER_BUYER, NUMBER, plan
from tests.interop import server
from tests.interop.metrics import RECORD_LAG, Metrics
from tests.interop.ports import free_port
from tests.interop.server import Exchange, passable_folder
from tests.interop.sipp import Sipp

SIGNAL = "worker signal"
_CATCH_UP_S = 60
_TICK_S = 1.0


@dataclass(frozen=True)
class Spent:
    """What one run took. Times in ns of CPU; lag in s, the largest of one sample a second."""

    outcome: Outcome
    signal_ns: int
    total_ns: int
    lag_s: float
    before: Metrics
    after: Metrics

    @property
    def calls(self) -> int:
        """Completed calls."""
        return self.outcome.caller.ok


class OurServer:
    """The running server and where its load comes from."""

    def __init__(self, exchange: Exchange, buyer_port: int, folder: Path) -> None:
        self.exchange, self.buyer_port, self._folder = exchange, buyer_port, folder
        self.signal_pid = named(exchange.process.pid, SIGNAL)
        self._runs = 0

    def load(self, rate: int, seconds: int, hold_ms: int = 0, open_max: int = 3_000) -> Load:
        """A load on this server."""
        return Load(self.exchange.sip, self.buyer_port, free_port(CALLER_HOST), rate, seconds,
                    service=NUMBER, hold_ms=hold_ms, open_max=open_max)

    def folder(self) -> Path:
        """A new folder for one run."""
        self._runs += 1
        return self._folder / f"run-{self._runs}"

    def play(self, load: Load) -> Outcome:
        """One run without measuring, for warmth."""
        return play(load, self.folder())

    def spend(self, load: Load) -> Spent:
        """One run with its CPU; the total includes the record's catching up afterwards."""
        folder, root = self.folder(), self.exchange.process.pid
        with ExitStack() as stack:
            answering = stack.enter_context(buyer(load, folder / "buyer"))
            before = self.exchange.metrics()
            signal_ns, total_ns = tree_cpu_ns([self.signal_pid]), tree_cpu_ns(tree(root))
            calling = stack.enter_context(Sipp(caller_order(load), folder / "caller"))
            lag_s = self._watch(calling)
            caller = calling.stats()
            signal_ns = tree_cpu_ns([self.signal_pid]) - signal_ns
            after = self.exchange.metrics()
            answering.finish()
            outcome = Outcome(caller, answering.stats(), caller.elapsed_s)
        if not caller.ok:
            raise AssertionError(f"no call completed: {outcome.text()}\n"
                                 f"{self.exchange.last_lines()}")
        self.caught_up()
        return Spent(outcome, signal_ns, tree_cpu_ns(tree(root)) - total_ns, lag_s, before, after)

    def _watch(self, calling: Sipp) -> float:
        """Wait for the caller's end; the largest record lag of one sample a second."""
        largest = 0.0
        while not calling.ended(_TICK_S):
            largest = max(largest, self.exchange.metrics().total(RECORD_LAG))
        calling.wait()
        return largest

    def caught_up(self) -> None:
        """Wait until the record has no lag, at most a minute."""
        for _ in range(_CATCH_UP_S):
            if self.exchange.metrics().total(RECORD_LAG) < 1:
                return
            self.exchange.ended(_TICK_S)
        raise AssertionError("the record did not catch up within a minute")


@contextmanager
def our_server(bids_per_buyer: int = BIDS_PER_BUYER) -> Iterator[OurServer]:
    """A started server with the bench plan applied. BenchUnavailable without one."""
    reason = server.missing()
    if reason:
        raise BenchUnavailable(reason)
    port = free_port(BUYER_HOST)
    with (passable_folder("dce-bench-") as folder,
          Exchange(folder / "exchange") as exchange):
        exchange.apply(plan(port, bids_per_buyer=bids_per_buyer))
        yield OurServer(exchange, port, folder)


def condition(load: Load, outcome: Outcome, more: Sequence[str] = ()) -> str:
    """What a row says about its run."""
    words = [f"{load.rate:,} calls/s over UDP for {load.seconds} s", "100,000 bids, 1,000 pass",
             build(), outcome.text(), *more]
    return "; ".join(words)


def build() -> str:
    """'compiled' when the wire scanner is, else 'interpreted'."""
    import sip.scan

    return "interpreted" if sip.scan.__file__.endswith(".py") else "compiled"
