"""decision.* and answer.*: percentiles from the server's own histograms, at 1,000 calls/s."""

from tests.bench.our_server import condition, our_server
from tests.bench.rows import Row, row
from tests.interop.metrics import DECISION_CPU, DECISION_WALL, DURABLE_WAIT, Metrics

RATE, SECONDS, WARM_S = 1_000, 20, 5
_FIGURES = (  # row, histogram, part, units per second, unit
    ("decision.cpu_p50_us", DECISION_CPU, 0.50, 1e6, "us"),
    ("decision.cpu_p99_us", DECISION_CPU, 0.99, 1e6, "us"),
    ("decision.wall_p50_us", DECISION_WALL, 0.50, 1e6, "us"),
    ("decision.wall_p99_us", DECISION_WALL, 0.99, 1e6, "us"),
    ("answer.durable_wait_p50_ms", DURABLE_WAIT, 0.50, 1e3, "ms"),
    ("answer.durable_wait_p99_ms", DURABLE_WAIT, 0.99, 1e3, "ms"),
)


def bench_decision() -> list[Row]:
    """One run; each figure is the upper bound of the bucket that holds the percentile."""
    with our_server() as server:
        server.play(server.load(RATE, WARM_S))
        load = server.load(RATE, SECONDS)
        spent = server.spend(load)
    return histogram_rows(spent.before, spent.after, condition(load, spent.outcome))


def histogram_rows(before: Metrics, after: Metrics, text: str) -> list[Row]:
    """The rows of what was observed between two scrapes."""
    rows = []
    for name, source, part, scale, unit in _FIGURES:
        seen = after.histogram(source).since(before.histogram(source))
        width = f"{seen.observed:,.0f} observations, bucket {seen.coarseness(part):.1%} wide"
        rows.append(row(name, seen.quantile(part) * scale, unit, "lower", f"{text}; {width}"))
    return rows
