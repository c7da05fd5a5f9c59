"""Memory and open files of the server's processes over a run, and how much they grew.

Growth is the larger of two measures: the fitted line's rise over the window, and the mean of
the window's last third less that of its first. A line alone would miss a late step, thirds alone
a third of a steady climb.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, linear_regression

from tests.bench.cpu import memory, named, tree
from tests.interop.server import Exchange

SIGNAL, RECORD, API, POSTGRES, SUPERVISOR = "signal", "record", "api", "postgres", "supervisor"
PARTS = (SIGNAL, RECORD, API, SUPERVISOR, POSTGRES)

Point = tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """One moment. at_s: since the load began; anon_bytes, fds: by part."""

    at_s: float
    anon_bytes: dict[str, int]
    fds: dict[str, int]


@dataclass
class Watch:
    """Samples of one running server."""

    exchange: Exchange
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        root = self.exchange.process.pid
        workers = {part: named(root, f"worker {part}") for part in (SIGNAL, RECORD, API)}
        self._single = {SUPERVISOR: root, **workers}

    def look(self, at_s: float) -> None:
        """Take one sample. ProcessLookupError when a worker has gone."""
        groups = {part: [pid] for part, pid in self._single.items()}
        own = set(self._single.values())
        groups[POSTGRES] = [pid for pid in tree(self._single[SUPERVISOR]) if pid not in own]
        self.samples.append(Sample(
            at_s,
            {part: sum(_anon_bytes(pid) for pid in pids) for part, pids in groups.items()},
            {part: sum(_fds(pid) for pid in pids) for part, pids in groups.items()}))

    def anon(self, part: str, from_s: float, to_s: float) -> list[Point]:
        """(s, anonymous bytes) of one part within a window."""
        return [(one.at_s, one.anon_bytes[part]) for one in self.samples
                if from_s <= one.at_s <= to_s]

    def open_files(self, part: str, from_s: float, to_s: float) -> list[Point]:
        """(s, open descriptors) of one part within a window."""
        return [(one.at_s, one.fds[part]) for one in self.samples if from_s <= one.at_s <= to_s]


def growth(points: Sequence[Point]) -> float:
    """How much a value grew over its window, in its unit; 0 with fewer than three points."""
    if len(points) < 3:
        return 0.0
    times, values = zip(*points, strict=True)
    rise = linear_regression(times, values).slope * (times[-1] - times[0])
    return float(max(rise, step(points)))


def step(points: Sequence[Point]) -> float:
    """Mean of the last third less mean of the first third."""
    third = max(1, len(points) // 3)
    values = [value for _, value in points]
    return fmean(values[-third:]) - fmean(values[:third])


def straightness(points: Sequence[Point]) -> float:
    """Part of the variance that a line explains, 0..1; 1 for a constant."""
    times, values = zip(*points, strict=True)
    line = linear_regression(times, values)
    mean = fmean(values)
    whole = sum((value - mean) ** 2 for value in values)
    left = sum((value - line.slope * time - line.intercept) ** 2
               for time, value in zip(times, values, strict=True))
    return 1 - left / whole if whole else 1.0


def _anon_bytes(pid: int) -> int:
    try:
        return memory(pid).anon_bytes
    except ProcessLookupError:
        return 0  # a session of PostgreSQL may end between two reads


def _fds(pid: int) -> int:
    try:
        return len(os.listdir(Path("/proc") / str(pid) / "fd"))
    except (FileNotFoundError, ProcessLookupError):
        return 0
