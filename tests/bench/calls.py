"""b2bua.*, total.*, record.*: CPU and cleanliness of whole calls through our server."""

from functools import cache

from tests.bench.load import Load, per_second
from tests.bench.others import measure_kamailio, measure_sippy, other_row
from tests.bench.our_server import OurServer, Spent, condition, our_server
from tests.bench.rows import Row, row
from tests.interop.metrics import JOURNAL_BYTES

RATE, SECONDS, WARM_S = 2_000, 20, 5
CLEAN_SECONDS = 60
CLEAN_RATES = (2_000, 3_000, 4_000)


def bench_calls() -> list[Row]:
    """CPU per call of the signal worker and of everything, journal bytes, record lag."""
    spent = measured_calls()
    load_text = _condition(spent)
    signal_us = spent.signal_ns / spent.calls / 1_000
    size = spent.after.total(JOURNAL_BYTES) - spent.before.total(JOURNAL_BYTES)
    return [
        row("b2bua.calls_per_cpu_s", per_second(signal_us * 1_000), "calls/s", "higher",
            load_text),
        row("b2bua.cpu_us_per_call", signal_us, "us", "lower", load_text),
        row("total.cpu_us_per_call", spent.total_ns / spent.calls / 1_000, "us", "lower",
            load_text),
        row("record.lag_s", spent.lag_s, "s", "lower", load_text),
        row("record.bytes_per_call", size / spent.calls, "bytes", "lower", load_text),
    ]


def bench_beside() -> list[Row]:
    """Our CPU per call beside sippy's and kamailio's; > 1 means that we need less."""
    spent = measured_calls()
    ours_us = spent.signal_ns / spent.calls / 1_000
    rows = []
    for name, cost in (("sippy", measure_sippy()), ("kamailio", measure_kamailio())):
        rows.append(other_row(name, cost))
        text = (f"ours {ours_us:,.1f} us at {RATE:,} calls/s ({_condition(spent)}), "
                f"{name} {cost.cpu_us:,.1f} us at {cost.rate:,} calls/s")
        rows.append(row(f"b2bua.vs_{name}", cost.cpu_us / ours_us, "x", "higher", text))
    return rows


def bench_clean() -> list[Row]:
    """The highest of CLEAN_RATES that runs 60 s without a failed call; 0 if none does."""
    best, text = 0, ""
    with our_server() as server:
        server.play(server.load(RATE // 2, WARM_S))
        for rate in CLEAN_RATES:
            load = server.load(rate, CLEAN_SECONDS)
            outcome = server.play(load)
            reached = outcome.caller.ok / max(outcome.wall_s, 1)
            clean = outcome.clean and reached >= 0.98 * rate
            if clean or not text:
                text = condition(load, outcome, [f"{reached:,.0f} calls/s reached"])
            if not clean:
                break
            best = rate
    return [row("b2bua.clean_calls_per_s", best, "calls/s", "higher", text)]


@cache
def measured_calls() -> Spent:
    """One run at RATE, shared by the benches of one start of the runner."""
    with our_server() as server:
        return _spent(server)


def _spent(server: OurServer) -> Spent:
    server.play(server.load(RATE, WARM_S))
    return server.spend(server.load(RATE, SECONDS))


def _condition(spent: Spent) -> str:
    return condition(Load("", 0, 0, RATE, SECONDS), spent.outcome)
