"""The soak: minutes of mixed calls through the real server, then every account is held to account.

    python -m tests.bench.soak [--minutes 10] [--rate 300]

```
SIPp callers, a kind each ──► dce run (signal, record, api, its own PostgreSQL) ──► SIPp phones
        │ what each call saw                    │ rows, ledger, gauges                  │ legs
        └───────────────────────────► compared by Call-ID ◄────────────────────────────┘
```
Status 1 if one row is below its bar. Memory and open files count from 3/10 of the time on, when
what lingers 64·T1 has come to its level.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dce.config import load
from dce.database import database_dsn
from tests.bench.books import Verdict, compare, read_books, shown
from tests.bench.fleet import Fleet, kept_folder
from tests.bench.mix import SOAK, plan
from tests.bench.our_server import build
from tests.bench.rows import Row, merge, row, table, verdict
from tests.bench.seen import Seen, read_calls
from tests.bench.watch import PARTS, SIGNAL, Watch, growth
from tests.interop.metrics import LEAK_GAUGES, Metrics
from tests.interop.server import Exchange, ServerFailed, Settings, passable_folder
from vocabulary.money import parse_micros

SWEEP_S = 8  # behind 64·T1
SETTLED_PART = 0.3
GC_PAUSE, LATENESS = "dce_gc_pause_seconds", "dce_timer_lateness_seconds"
FAULTS = ("dce_faults_total", "dce_pump_overruns_total", "dce_pump_refused_total",
          "dce_durable_late_total", "dce_record_facts_rejected_total", "dce_calls_shed_total",
          "dce_calls_unknown_source_total")
_SAMPLE_S = 5.0
_CATCH_UP_S = 120
_MB = 1_048_576


@dataclass(frozen=True)
class Soak:
    """All that one run left behind, ready to be judged."""

    rate: float
    seconds: int
    calls: Sequence[Seen]
    failures: dict[str, str]
    watch: Watch
    metrics: Metrics
    verdict: Verdict
    total_micros: int
    uneven: int
    recovered: int
    legs_wrong: Sequence[str]
    money_left: Sequence[str]


def run(rate: float, seconds: int, phones: Path, t1_ms: int = 500) -> Soak:
    """Start everything, place the calls, wait for all that lingers, read and compare.

    phones: folder of their logs, must be new. t1_ms: the server's T1; a short one shortens the
    linger of 64·T1.
    """
    with (passable_folder("dce-soak-") as folder, Fleet(SOAK, phones) as fleet,
          Exchange(folder / "exchange", Settings(t1_ms=t1_ms)) as exchange):
        exchange.apply(plan(SOAK, fleet.ports))
        watch = Watch(exchange)
        fleet.call(exchange.sip, rate, seconds)
        _attend(fleet, watch, seconds)
        fleet.hang_up()
        exchange.ended(64 * t1_ms / 1_000 + SWEEP_S)
        caught_up(exchange)
        metrics, config = exchange.metrics(), load(str(exchange.config))
        calls, books = read_calls(fleet), read_books(database_dsn(config), config.keys_dir)
        return Soak(
            rate, seconds, calls, fleet.failures(), watch, metrics,
            compare(SOAK, calls, books), books.total_micros, books.uneven, books.recovered,
            _legs_wrong(fleet, books.legs), _money_left(exchange, books.charged))


def caught_up(exchange: Exchange) -> None:
    """Until PostgreSQL has every fact but heartbeats. ServerFailed after two minutes."""
    wanted = exchange.metrics().total("dce_journal_durable_seq")
    for _ in range(_CATCH_UP_S):
        if exchange.metrics().total("dce_record_cursor") >= wanted:
            return
        exchange.ended(1.0)
    raise ServerFailed(f"the record did not catch up: {exchange.last_lines()}")


def _attend(fleet: Fleet, watch: Watch, seconds: int) -> None:
    """Sample while calls are placed, until all callers have ended."""
    began_s = time.monotonic()
    watch.look(0)
    while fleet.running():
        if watch.exchange.ended(_SAMPLE_S):
            raise ServerFailed(watch.exchange.last_lines())
        at_s = time.monotonic() - began_s
        if at_s <= seconds:
            watch.look(at_s)
    fleet.wait()


def _legs_wrong(fleet: Fleet, legs: Mapping[str, int]) -> list[str]:
    """Phones that saw another number of INVITEs than the record has attempts at them."""
    found = []
    for name, phone in fleet.phones.items():
        recorded = sum(legs.get(kind.target(place), 0) for kind in fleet.kinds
                       for place, dialled in enumerate(kind.ladder) if dialled == name)
        if phone.sipp is not None and phone.sipp.stats().created != recorded:
            found.append(f"{name}: {phone.sipp.stats().created} INVITEs, {recorded} attempts")
    return found


def _money_left(exchange: Exchange, charged: Mapping[str, int]) -> list[str]:
    """Buyers of whom the engine says something else than the ledger, or still holds money."""
    found = []
    for account in exchange.json("/api/v1/accounts")["accounts"]:
        balance, held = parse_micros(account["balance"]), parse_micros(account["held"])
        name = account["id"]
        if account["kind"] == "buyer" and (-balance, held) != (charged.get(name, 0), 0):
            found.append(f"{name}: balance {balance}, held {held}, {charged.get(name, 0)} charged")
    return found


def rows_of(soak: Soak) -> list[Row]:
    """One row for each promise, and what is only printed."""
    found = soak.verdict
    text = (f"{len(soak.calls):,} calls of {len(SOAK)} kinds at {soak.rate:,.0f} calls/s over UDP "
            f"for {soak.seconds / 60:g} minutes; {build()}")
    counts = {
        "failed": len(soak.failures), "unrecorded": found.unrecorded,
        "rows_wrong": len(found.wrong), "charges_wrong": len(found.charges),
        "unsure": found.unsure, "postings_micros": soak.total_micros, "uneven": soak.uneven,
        "recovered": soak.recovered, "legs_wrong": len(soak.legs_wrong),
        "money_left": len(soak.money_left),
        "leaks": sum(soak.metrics.total(name) for name in LEAK_GAUGES),
        "faults": sum(soak.metrics.total(name) for name in FAULTS),
    }
    return [row("soak.rate_reached", _rate(soak.calls) / soak.rate, "part", "higher", text),
            *(row(f"soak.{name}", value, "count", "lower", text)
              for name, value in counts.items()),
            *_growth_rows(soak, text), *_pause_rows(soak, text)]


def _rate(calls: Sequence[Seen]) -> float:
    """Calls a second while calls were placed."""
    times = [seen.placed_us for seen in calls]
    return len(times) * 1_000_000 / max(1, max(times) - min(times))


def _growth_rows(soak: Soak, text: str) -> list[Row]:
    first_s = SETTLED_PART * soak.seconds
    window = f"from {first_s / 60:g} to {soak.seconds / 60:g} minutes; {text}"
    rows = [row(f"soak.{part}_anon_growth_mb",
                growth(soak.watch.anon(part, first_s, soak.seconds)) / _MB, "MB", "lower", window)
            for part in PARTS]
    rows += [row(f"soak.{part}_anon_mb", soak.watch.samples[-1].anon_bytes[part] / _MB, "MB",
                 "lower", f"at the end; {text}") for part in PARTS]
    files = growth(soak.watch.open_files(SIGNAL, first_s, soak.seconds))
    return [*rows, row("soak.signal_fds_growth", round(files), "count", "lower", window)]


def _series(soak: Soak) -> str:
    return " ".join(f"{one.anon_bytes[SIGNAL] / _MB:.1f}" for one in soak.watch.samples)


def _pause_rows(soak: Soak, text: str) -> list[Row]:
    rows = []
    for name, metric in (("gc_pause", GC_PAUSE), ("timer_lateness", LATENESS)):
        seen = soak.metrics.histogram(metric)
        value = seen.quantile(0.99) * 1_000 if seen.observed else 0
        rows.append(row(f"soak.{name}_p99_ms", value, "ms", "lower",
                        f"{seen.observed:,.0f} since the start; {text}"))
    return rows


def complaints(soak: Soak) -> list[str]:
    """What is behind the rows that are not 0, in words."""
    found = [f"{name}: {text}" for name, text in soak.failures.items()]
    for title, differences in (
            ("rows", soak.verdict.wrong), ("charges", soak.verdict.charges),
            ("legs", soak.legs_wrong), ("money", soak.money_left)):
        if differences:
            found.append(f"{title}: {shown(differences)}")
    found += [f"{name} = {soak.metrics.total(name):g}" for name in (*LEAK_GAUGES, *FAULTS)
              if soak.metrics.total(name)]
    return found


def main() -> int:
    """Exit status: 1 when a row is below its bar."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description="Soak.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=300)
    options = parser.parse_args()
    soak = run(options.rate, round(options.minutes * 60), kept_folder("soak"))
    rows = rows_of(soak)
    merge(rows)
    print("\n".join((rows[0].condition, "", table(rows, conditions=False), "",
                     f"anonymous MB of signal, sample by sample: {_series(soak)}",
                     *complaints(soak))))
    return int(any(verdict(entry) == "BELOW" for entry in rows))


if __name__ == "__main__":
    sys.exit(main())
