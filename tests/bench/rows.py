"""Rows of figures: made by the benches, merged by name into build/bench.json, printed.

build/bench.json is an array of objects with exactly these keys:
  name, value, unit, better ("lower" | "higher"), condition, commit, dirty, at
A row measured again replaces the row of the same name; all others stay.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
BENCH_FILE = ROOT / "build" / "bench.json"

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Bar:
    """What a figure must reach and what it aims for, in the row's unit."""

    bar: float
    aim: float


BARS = {
    "b2bua.calls_per_cpu_s": Bar(3_000, 6_000),
    "total.cpu_us_per_call": Bar(1_000, 500),
    "b2bua.vs_sippy": Bar(12, 30),
    "b2bua.vs_kamailio": Bar(0.5, 1),
    "b2bua.clean_calls_per_s": Bar(2_000, 4_000),
    "decision.cpu_p50_us": Bar(50, 20),
    "decision.cpu_p99_us": Bar(200, 100),
    "answer.durable_wait_p99_ms": Bar(20, 5),
    "scan.invite_ns": Bar(1_000, 200),
    "call.bytes": Bar(12_000, 6_000),
    "call.second_wave": Bar(1.05, 1),
    "journal.us_per_call": Bar(40, 10),
    "record.bytes_per_call": Bar(4_000, 1_500),
    "postgres.rows_per_cpu_s": Bar(50_000, 100_000),
    "rebuild.facts_per_cpu_s": Bar(50_000, 150_000),
    "recovery.first_200_s": Bar(3, 1),
    "restore.rto_1m_calls_s": Bar(600, 300),
    "soak.rate_reached": Bar(0.98, 1),
    "soak.signal_anon_growth_mb": Bar(1, 0),
    **dict.fromkeys((f"soak.{name}" for name in (
        "failed", "unrecorded", "rows_wrong", "charges_wrong", "unsure", "postings_micros",
        "uneven", "recovered", "legs_wrong", "money_left", "leaks", "faults",
        "signal_fds_growth")), Bar(0, 0)),
    **{f"outage.{blow}_{name}": bar for blow in ("stopped", "hung") for name, bar in (
        ("failed", Bar(0, 0)), ("setup_ratio", Bar(1.1, 1)), ("unready", Bar(0, 0)),
        ("undegraded", Bar(0, 0)), ("journal_straightness", Bar(0.99, 1)),
        ("drain_x", Bar(5, 10)))},
    **dict.fromkeys((f"outage.{name}" for name in (
        "failed", "missing", "twice", "strange", "rows_wrong", "charges_wrong", "unsure",
        "postings_micros", "rejected")), Bar(0, 0)),
}


@dataclass(frozen=True)
class Row:
    """One figure with the condition it holds under. value: in `unit`."""

    name: str
    value: float
    unit: str
    better: Better
    condition: str
    commit: str
    dirty: bool
    at: str  # UTC, ISO 8601, whole seconds


def row(name: str, value: float, unit: str, better: Better, condition: str) -> Row:
    """A row stamped with the commit, whether the tree was dirty, and the time now."""
    commit, dirty = revision()
    at = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return Row(name, rounded(value), unit, better, condition, commit, dirty, at)


def rounded(value: float) -> float:
    """Four significant digits; whole numbers from 1,000 upward stay whole."""
    short = float(f"{value:.4g}")
    return float(round(value)) if abs(value) >= 1_000 else short


def revision() -> tuple[str, bool]:
    """(commit hash, tracked files differ from it); ("none", True) outside a repository."""
    head = _git("rev-parse", "--verify", "-q", "HEAD")
    if head is None:
        return "none", True
    return head.strip(), bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", *arguments), cwd=ROOT, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def load(path: Path = BENCH_FILE) -> list[Row]:
    """Rows of the file in its order; [] when there is none. A broken file raises."""
    if not path.exists():
        return []
    return [Row(**entry) for entry in json.loads(path.read_text())]


def merge(new: Iterable[Row], path: Path = BENCH_FILE) -> list[Row]:
    """Write the file anew with `new` replacing rows of the same name. Returns all rows.

    The write is a rename, so that a reader never sees half a file.
    """
    rows = {entry.name: entry for entry in load(path)}
    rows.update((entry.name, entry) for entry in new)
    ordered = [rows[name] for name in sorted(rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps([asdict(entry) for entry in ordered], indent=1) + "\n")
    part.replace(path)
    return ordered


def verdict(entry: Row) -> str:
    """'aim', 'bar' or 'BELOW' by BARS; '' for a row without a bar."""
    bar = BARS.get(entry.name)
    if bar is None:
        return ""
    sign = 1 if entry.better == "higher" else -1
    if sign * entry.value >= sign * bar.aim:
        return "aim"
    return "bar" if sign * entry.value >= sign * bar.bar else "BELOW"


def _cells(entry: Row) -> tuple[str, ...]:
    bar = BARS.get(entry.name)
    held = f"{bar.bar:,g} / {bar.aim:,g}" if bar else ""
    commit = entry.commit[:9] + ("+" if entry.dirty else "")
    return (entry.name, f"{entry.value:,g}" if abs(entry.value) < 1_000 else f"{entry.value:,.0f}",
            entry.unit, held, verdict(entry), commit, entry.condition)


def table(rows: Sequence[Row], *, conditions: bool = True) -> str:
    """The rows as aligned text, with bar / aim and what was reached."""
    head = ("name", "value", "unit", "bar / aim", "", "commit", "condition")
    lines = [head, *map(_cells, rows)]
    if not conditions:
        lines = [line[:-1] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    right = {1, 3}
    return "\n".join(
        "  ".join(c.rjust(w) if i in right else c.ljust(w)
                  for i, (c, w) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )
