"""The server's /metrics as numbers: samples by name and labels, histograms by bucket.

The names below are all that the tests and benches read; they are kept in this one place.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

DECISION_CPU = "dce_decision_cpu_seconds"
DECISION_WALL = "dce_decision_seconds"
DURABLE_WAIT = "dce_answer_durable_wait_seconds"
RECORD_LAG = "dce_record_lag_seconds"
JOURNAL_BYTES = "dce_journal_bytes_total"
CALLS_LIVE = "dce_calls_live"
# 0 once all calls have ended and 64·T1 has passed.
LEAK_GAUGES = (CALLS_LIVE, "dce_holds_live", "dce_units_live", "dce_desk_timers_live",
               "dce_sip_server_transactions", "dce_sip_client_transactions", "dce_sip_legs",
               "dce_sip_dialogs", "dce_sip_timers")

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Histogram:
    """Cumulative counts by upper bound, ascending; the last bound is infinite."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    def since(self, earlier: "Histogram") -> "Histogram":
        """What was observed after `earlier`.

        Both are cut out of one fixed grid: a bound that `earlier` does not list has, there,
        the count of the next lower listed one.
        """
        return Histogram(self.bounds, tuple(
            count - earlier.below(bound)
            for bound, count in zip(self.bounds, self.counts, strict=True)))

    def below(self, bound: float) -> float:
        """Observations in buckets up to `bound`."""
        place = bisect_right(self.bounds, bound)
        return self.counts[place - 1] if place else 0.0

    @property
    def observed(self) -> float:
        """Number of observations."""
        return self.counts[-1] if self.counts else 0

    def quantile(self, part: float) -> float:
        """Upper bound of the bucket that holds the quantile, 0 < part ≤ 1: never flattering.

        Raises ValueError without observations; infinity when it lies above the last bound.
        """
        if not self.observed:
            raise ValueError("no observations")
        rank = math.ceil(part * self.observed)
        return next(bound for bound, count in zip(self.bounds, self.counts, strict=True)
                    if count >= rank)

    def coarseness(self, part: float) -> float:
        """Width of that bucket as a part of its upper bound (0.05 = 5 %); 1 for the first."""
        place = self.bounds.index(self.quantile(part))
        if place == 0 or math.isinf(self.bounds[place]):
            return 1.0
        return 1 - self.bounds[place - 1] / self.bounds[place]


@dataclass(frozen=True)
class Metrics:
    """One scrape."""

    samples: Mapping[Key, float]

    def total(self, name: str) -> float:
        """Sum over all label sets; KeyError when the name is not exported."""
        found = [value for (own, _), value in self.samples.items() if own == name]
        if not found:
            raise KeyError(f"{name} is not in /metrics")
        return sum(found)

    def histogram(self, name: str) -> Histogram:
        """Buckets summed over all other labels; empty when the name is not exported."""
        sums: dict[float, float] = {}
        for (own, labels), value in self.samples.items():
            if own == f"{name}_bucket":
                bound = float(dict(labels)["le"])
                sums[bound] = sums.get(bound, 0) + value
        bounds = tuple(sorted(sums))
        return Histogram(bounds, tuple(sums[bound] for bound in bounds))


def parse(text: str) -> Metrics:
    """Metrics of Prometheus' text format."""
    return Metrics({
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in text_string_to_metric_families(text) for sample in family.samples})
