"""PostgreSQL is taken away under load, twice: stopped, then hung by SIGSTOP; no call may notice.

    python -m tests.bench.outage [--minutes 3] [--rate 300]

```
load     ─┬─ before ─┬──── stopped ────┬─ after ─┬───── hung ─────┬─ after ─┬─ callers end
lag       0          ╱                 ╲ drained 0                ╲ drained 0   then compared
```
One load runs through it all. For each blow: set-up times before and during it, failed calls,
how straight the journal grew, what /readyz and the metrics said, how fast the backlog went when
PostgreSQL was back. At the end every placed call has exactly one row, as in the soak. Status 1
if one row is below its bar.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dce.config import load
from storage.postgres import EmbeddedPostgres
from tests.bench.books import Verdict, compare, read_books, shown
from tests.bench.fleet import Fleet, kept_folder
from tests.bench.mix import MEASURED, OUTAGE, plan
from tests.bench.our_server import build
from tests.bench.rows import Better, Row, merge, row, table, verdict
from tests.bench.seen import Seen, read_calls
from tests.bench.soak import caught_up
from tests.bench.watch import Point, straightness
from tests.interop.outages import children_of
from tests.interop.server import Exchange, ServerFailed, Settings, passable_folder
from tests.postgres_fixture import tell

CONNECTED, LAG, CURSOR = "dce_record_connected", "dce_record_lag_records", "dce_record_cursor"
DURABLE, JOURNAL_BYTES = "dce_journal_durable_seq", "dce_journal_bytes_total"
BEFORE_S, WARM_S = 60, 15
_SAMPLE_S, _DRAIN_SAMPLE_S = 2.0, 0.2
_NOTICE_S = 35  # until a silent server is given up
_DRAIN_LOAD_S = 45  # calls are still placed so long after PostgreSQL is back
_DRAIN_MOST_S = 120
_US = 1_000_000


@dataclass
class Blow:
    """One outage as it was seen. Times in Unix s; drained_*: facts a second while it drained."""

    name: str
    before_s: tuple[float, float]
    began_s: float
    ended_s: float = 0.0
    journal: list[Point] = field(default_factory=list)
    facts: list[Point] = field(default_factory=list)
    unready: int = 0  # looks at /readyz that were not 200
    undegraded: int = 0  # looks, once it had to be noticed, that did not say so
    lag_most: float = 0.0
    reconnect_s: float = 0.0
    drained_per_s: float = 0.0
    drain_s: float = 0.0

    @property
    def ingest_per_s(self) -> float:
        """Facts a second that became durable meanwhile."""
        (first_s, first), (last_s, last) = self.facts[0], self.facts[-1]
        return (last - first) / (last_s - first_s)


@dataclass(frozen=True)
class Outage:
    """All that the run left behind."""

    rate: float
    seconds: int
    blows: Sequence[Blow]
    calls: Sequence[Seen]
    failures: dict[str, str]
    verdict: Verdict
    total_micros: int
    rejected: int


class Trial:
    """A server under load and its PostgreSQL, which can be taken away."""

    def __init__(self, exchange: Exchange, postgres: EmbeddedPostgres) -> None:
        self.exchange, self.postgres = exchange, postgres

    def blow(self, name: str, seconds: int) -> Blow:
        """A quiet time, the outage, then until the record has caught up."""
        began_s = time.time()
        self.pause(BEFORE_S)
        blow = Blow(name, (began_s, time.time()), time.time())
        away = self._stopped() if name == "stopped" else self._hung()
        with away:
            while (at_s := time.time() - blow.began_s) < seconds:
                self._look(blow, at_s)
                self.pause(_SAMPLE_S)
        blow.ended_s = time.time()
        self._drain(blow)
        return blow

    def pause(self, seconds: float) -> None:
        """Wait. ServerFailed if the server ends meanwhile."""
        if self.exchange.ended(seconds):
            raise ServerFailed(self.exchange.last_lines())

    def _look(self, blow: Blow, at_s: float) -> None:
        """One sample of the outage."""
        metrics = self.exchange.metrics()
        blow.journal.append((at_s, metrics.total(JOURNAL_BYTES)))
        blow.facts.append((at_s, metrics.total(DURABLE)))
        blow.lag_most = max(blow.lag_most, metrics.total(LAG))
        status, body = self.exchange.page("/readyz")
        blow.unready += status != 200
        degraded = "database_away" in json.loads(body)["degraded"] and not metrics.total(CONNECTED)
        blow.undegraded += at_s > _NOTICE_S and not degraded

    def _drain(self, blow: Blow) -> None:
        """From the return of PostgreSQL until less than a second of facts is behind."""
        start = self.exchange.metrics().total(CURSOR)
        away_s = blow.ended_s
        while time.time() - blow.ended_s < _DRAIN_MOST_S:
            self.pause(_DRAIN_SAMPLE_S)
            metrics, now_s = self.exchange.metrics(), time.time()
            cursor = metrics.total(CURSOR)
            if not metrics.total(CONNECTED):
                away_s = now_s
            elif cursor > start and metrics.total(LAG) < blow.ingest_per_s:
                blow.reconnect_s, blow.drain_s = away_s - blow.ended_s, now_s - away_s
                blow.drained_per_s = (cursor - start) / blow.drain_s
                return
        raise ServerFailed(f"the record did not catch up: {self.exchange.last_lines()}")

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        self.postgres.stop()
        try:
            yield
        finally:
            self.postgres.start()

    @contextmanager
    def _hung(self) -> Iterator[None]:
        assert self.postgres.pid is not None
        pids = [self.postgres.pid, *children_of(self.postgres.pid)]
        tell(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            tell(pids, signal.SIGCONT)


def run(rate: float, seconds: int) -> Outage:
    """Start everything, take PostgreSQL away twice, let the calls end, compare."""
    with passable_folder("dce-outage-") as folder, Fleet(OUTAGE, kept_folder("outage")) as fleet:
        postgres = EmbeddedPostgres(folder / "pg", folder / "run")
        postgres.start()
        try:
            settings = Settings(more={"database": {"url": postgres.dsn}})
            with Exchange(folder / "exchange", settings) as exchange:
                exchange.apply(plan(OUTAGE, fleet.ports))
                return _under_load(Trial(exchange, postgres), fleet, rate, seconds)
        finally:
            postgres.stop()


def _under_load(trial: Trial, fleet: Fleet, rate: float, seconds: int) -> Outage:
    exchange = trial.exchange
    fleet.call(exchange.sip, rate, WARM_S + 2 * (BEFORE_S + seconds + _DRAIN_LOAD_S))
    trial.pause(WARM_S)
    blows = [trial.blow("stopped", seconds), trial.blow("hung", seconds)]
    fleet.wait()
    fleet.hang_up()
    caught_up(exchange)
    calls = read_calls(fleet)
    books = read_books(trial.postgres.dsn, load(str(exchange.config)).keys_dir)
    return Outage(rate, seconds, blows, calls, fleet.failures(), compare(OUTAGE, calls, books),
                  books.total_micros, books.rejected)


def rows_of(outage: Outage) -> list[Row]:
    """Rows of both blows and of the record at the end."""
    text = (f"{len(outage.calls):,} calls at {outage.rate:,.0f} calls/s over UDP, PostgreSQL away "
            f"twice for {outage.seconds / 60:g} minutes; {build()}")
    found = outage.verdict
    counts = {
        "failed": len(outage.failures), "missing": found.missing, "twice": found.twice,
        "strange": found.strange, "rows_wrong": len(found.wrong),
        "charges_wrong": len(found.charges), "unsure": found.unsure,
        "postings_micros": outage.total_micros, "rejected": outage.rejected,
    }
    rows = [entry for blow in outage.blows for entry in _blow_rows(outage, blow, text)]
    return rows + [row(f"outage.{name}", value, "count", "lower", text)
                   for name, value in counts.items()]


def _blow_rows(outage: Outage, blow: Blow, text: str) -> list[Row]:
    windows = (blow.before_s, (blow.began_s, blow.ended_s))
    before, during = (setup_ms(outage.calls, 0.99, *window) for window in windows)
    middles = [setup_ms(outage.calls, 0.5, *window) for window in windows]
    lost = sum(1 for seen in outage.calls if not seen.ended_us
               and blow.began_s <= seen.placed_us / _US <= blow.ended_s)
    setup = f"{during:.2f} over {before:.2f} ms; {text}"
    pace = f"{blow.drained_per_s:,.0f} facts/s over {blow.ingest_per_s:,.0f} facts/s; {text}"
    values: tuple[tuple[str, float, str, Better, str], ...] = (
        ("failed", lost, "count", "lower", text),
        ("setup_before_p99_ms", before, "ms", "lower", text),
        ("setup_p99_ms", during, "ms", "lower", text),
        ("setup_before_p50_ms", middles[0], "ms", "lower", text),
        ("setup_p50_ms", middles[1], "ms", "lower", text),
        ("setup_ratio", during / before, "x", "lower", setup),
        ("journal_straightness", straightness(blow.journal), "part", "higher", text),
        ("unready", blow.unready, "count", "lower", text),
        ("undegraded", blow.undegraded, "count", "lower", text),
        ("lag_records", blow.lag_most, "facts", "lower", text),
        ("reconnect_s", blow.reconnect_s, "s", "lower", text),
        ("drain_s", blow.drain_s, "s", "lower", text),
        ("drain_x", blow.drained_per_s / blow.ingest_per_s, "x", "higher", pace),
    )
    return [row(f"outage.{blow.name}_{name}", value, unit, better, condition)
            for name, value, unit, better, condition in values]


def setup_ms(calls: Sequence[Seen], part: float, from_s: float, to_s: float) -> float:
    """Set-up time that this part (0..1) of the measured calls placed in a window stays below."""
    times = sorted(seen.setup_us for seen in calls if seen.kind.name == MEASURED
                   and seen.talking_us and from_s <= seen.placed_us / _US <= to_s)
    if not times:
        raise ValueError("no call was answered within the window")
    return times[math.ceil(part * len(times)) - 1] / 1_000


def complaints(outage: Outage) -> list[str]:
    """What is behind the rows that are not 0, in words."""
    found = [f"{name}: {text}" for name, text in outage.failures.items()]
    for title, differences in (("rows", outage.verdict.wrong), ("charges", outage.verdict.charges)):
        if differences:
            found.append(f"{title}: {shown(differences)}")
    return found


def main() -> int:
    """Exit status: 1 when a row is below its bar."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.outage", description="Outages.")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--rate", type=float, default=300)
    options = parser.parse_args()
    outage = run(options.rate, round(options.minutes * 60))
    rows = rows_of(outage)
    merge(rows)
    text = (rows[-1].condition, "", table(rows, conditions=False), *complaints(outage))
    print("\n".join(text))
    return int(any(verdict(entry) == "BELOW" for entry in rows))


if __name__ == "__main__":
    sys.exit(main())
