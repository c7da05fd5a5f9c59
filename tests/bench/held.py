"""call.*: memory of held calls, a second wave of the same, and what is left afterwards.

Resident memory of the signal worker: before any held call, 40 s after the last answer with
10,000 calls up, and the same in a second wave. Then all calls end, 64·T1 passes, and every
leak gauge must be 0.

The plan here holds only the 1,000 bids that pass: reading 100,000 leaves tens of megabytes of
free heap behind, into which the held calls would vanish.
"""

from contextlib import ExitStack

from tests.bench.cpu import memory
from tests.bench.load import Load, buyer, caller_order
from tests.bench.our_server import OurServer, build, our_server
from tests.bench.rows import Row, row
from tests.interop.metrics import CALLS_LIVE, LEAK_GAUGES
from tests.interop.sipp import Sipp

CALLS, RATE = 10_000, 500
SETTLE_S = 40
HOLD_MS = (CALLS // RATE + SETTLE_S + 15) * 1_000
LINGER_S = 64 * 0.5 + 8  # 64·T1 and the sweep
_TICK_S = 1.0


def bench_held() -> list[Row]:
    """About four minutes: two waves of 10,000 held calls."""
    with our_server(bids_per_buyer=2) as server:
        server.play(server.load(50, 2))
        base = memory(server.signal_pid).rss_bytes
        held = [_wave(server) - base for _ in range(2)]
        leaks = _left(server)
    text = f"{CALLS:,} held, {SETTLE_S} s after the last answer, RSS of the signal worker; "
    text += f"1,000 bids, all pass; {build()}"
    rows = [row("call.bytes", held[0] / CALLS, "bytes", "lower", text),
            row("call.second_wave", held[1] / held[0], "x", "lower", text)]
    rows += [row(f"leak.{name.removeprefix('dce_')}", left, "count", "lower",
                 f"all calls ended, {LINGER_S:.0f} s passed") for name, left in leaks.items()]
    return rows


def _wave(server: OurServer) -> int:
    """Resident bytes with all calls of one wave up; returns once all have ended."""
    load = server.load(RATE, CALLS // RATE, HOLD_MS, open_max=CALLS + 1_000)
    folder = server.folder()
    with ExitStack() as stack:
        answering = stack.enter_context(buyer(load, folder / "buyer"))
        calling = stack.enter_context(Sipp(caller_order(load), folder / "caller"))
        _until_up(server, calling, load)
        calling.ended(SETTLE_S)
        held = memory(server.signal_pid).rss_bytes
        live = server.exchange.metrics().total(CALLS_LIVE)
        if live != CALLS:
            raise AssertionError(f"{live} live calls, not {CALLS}: {calling.stats()}")
        calling.wait()
        if calling.stats().failed:
            raise AssertionError(f"calls failed: {calling.stats()}")
        answering.finish()
    return held


def _until_up(server: OurServer, calling: Sipp, load: Load) -> None:
    """Wait until every call of the wave is live."""
    for _ in range(load.seconds + 30):
        if server.exchange.metrics().total(CALLS_LIVE) >= CALLS:
            return
        if calling.ended(_TICK_S):
            break
    raise AssertionError(f"the wave did not come up: {calling.stats()} {calling.last_lines()}")


def _left(server: OurServer) -> dict[str, float]:
    """The leak gauges once 64·T1 has passed."""
    server.exchange.ended(LINGER_S)
    metrics = server.exchange.metrics()
    return {name: metrics.total(name) for name in LEAK_GAUGES}
