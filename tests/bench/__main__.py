"""Runs benches, merges their rows into build/bench.json, prints all rows.

    python -m tests.bench [PREFIX …] [--only PREFIX] [--list]

A bench runs if one of its row names starts with a given prefix; without one, all run. Status
0: all that could run ran. A missing peer or server is a skip with its reason, in CI a failure.
"""

import argparse
import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.calls import bench_beside, bench_calls, bench_clean
from tests.bench.decision import bench_decision
from tests.bench.drill import bench_drill
from tests.bench.held import bench_held
from tests.bench.journal import bench_journal
from tests.bench.load import BenchUnavailable
from tests.bench.others import bench_others
from tests.bench.our_server import build
from tests.bench.record import bench_record
from tests.bench.recovery import bench_recovery
from tests.bench.rows import BENCH_FILE, Row, load, merge, table
from tests.bench.scan import bench_scan


@dataclass(frozen=True)
class Bench:
    """A function and the names of the rows that it makes."""

    run: Callable[[], list[Row]]
    names: tuple[str, ...]

    def wanted(self, prefixes: Sequence[str]) -> bool:
        """Whether one of its rows starts with one of the prefixes; no prefix wants all."""
        return not prefixes or any(
            name.startswith(prefix) for name in self.names for prefix in prefixes)


BENCHES = (
    Bench(bench_scan, ("scan.invite_ns",)),
    Bench(bench_journal, ("journal.us_per_call",)),
    Bench(bench_record, ("postgres.rows_per_cpu_s", "postgres.server_us_per_row",
                         "rebuild.facts_per_cpu_s", "rebuild.server_us_per_fact")),
    Bench(bench_calls, ("b2bua.calls_per_cpu_s", "b2bua.cpu_us_per_call",
                        "total.cpu_us_per_call", "record.lag_s", "record.bytes_per_call")),
    Bench(bench_beside, ("b2bua.vs_sippy", "b2bua.vs_kamailio")),
    Bench(bench_others, ("other.sippy_cpu_us_per_call", "other.kamailio_cpu_us_per_call")),
    Bench(bench_decision, ("decision.cpu_p50_us", "decision.cpu_p99_us", "decision.wall_p50_us",
                           "decision.wall_p99_us", "answer.durable_wait_p50_ms",
                           "answer.durable_wait_p99_ms")),
    Bench(bench_clean, ("b2bua.clean_calls_per_s",)),
    Bench(bench_drill, ("restore.rto_1m_calls_s",)),
    Bench(bench_recovery, ("recovery.first_200_s", "recovery.replay_records_per_s")),
    Bench(bench_held, ("call.bytes", "call.second_wave", "leak.")),
)


def main() -> int:
    """Exit status: 1 when a bench failed, or could not run in CI."""
    options = _options()
    prefixes = [*options.prefixes, *options.only, *os.environ.get("ONLY", "").split()]
    if options.list:
        print("\n".join(name for bench in BENCHES for name in bench.names))
        return 0
    failed = False
    names: set[str] = set()
    for bench in BENCHES:
        if bench.wanted(prefixes) and not names.issuperset(bench.names):
            measured = _run(bench)
            failed |= measured is None
            names.update(entry.name for entry in measured or ())
            merge(measured or ())
    rows = [entry for entry in load() if entry.name in names]
    print(f"\n{machine()}\n\n{table(rows)}\n\n{len(rows)} rows → {BENCH_FILE}")
    return int(failed)


def machine() -> str:
    """What the figures were taken on, in one line."""
    model = next((line.partition(":")[2].strip()
                  for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return (f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"Python {platform.python_version()}, {build()}")


def _run(bench: Bench) -> list[Row] | None:
    """Its rows; [] when it cannot run here; None when it failed, or cannot run in CI."""
    title = ", ".join(bench.names)
    print(f"… {title}", flush=True)
    try:
        return bench.run()
    except BenchUnavailable as error:
        print(f"  skipped: {error}", flush=True)
        return None if os.environ.get("CI") == "true" else []
    except (AssertionError, LookupError, OSError, ValueError):
        traceback.print_exc()  # the other benches still run
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure.")
    parser.add_argument("prefixes", nargs="*", metavar="PREFIX")
    parser.add_argument("--only", action="append", default=[], metavar="PREFIX")
    parser.add_argument("--list", action="store_true", help="print the row names and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
