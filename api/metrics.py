"""GET /metrics: Prometheus text. Numbers are read over the links at the scrape, never kept here.

The workers keep integer counters and fixed buckets (vocabulary.commands.Statistics); this turns
them into prometheus-client families, with our own HTTP counters beside them.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from time import perf_counter

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client import Histogram as HttpHistogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from api.answers import ask_for
from api.deps import Deps
from api.problem import Handler
from vocabulary.commands import Histogram, ReadStatistics, Statistics
from vocabulary.commands import Metric as Sample
from vocabulary.errors import CommandRefused

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PARTS = ("signal", "record", "supervisor")
BOUNDS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)

disable_created_metrics()  # type: ignore[no-untyped-call]  # start times: twice the scrape


class HttpCounters:
    """Requests and their time by route; the route is our own name, never the peer's path."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "dce_http_requests", "HTTP requests answered", ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = HttpHistogram(
            "dce_http_request_seconds", "Time to answer", ("route",), buckets=BOUNDS_S,
            registry=self.registry,
        )

    def middleware(self) -> object:
        """Counts every request, also the refused ones."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            began = perf_counter()
            status = 499  # the peer left before the answer
            try:
                response = await handler(request)
                status = response.status
                return response
            finally:
                route = request.match_info.route.name or "unknown"
                method = request.method if request.method in METHODS else "OTHER"
                self._requests.labels(route, method, str(status)).inc()
                self._seconds.labels(route).observe(perf_counter() - began)

        return count


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Snapshot:
    """A prometheus-client collector of families made for one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def metric_routes(deps: Deps, http: HttpCounters) -> list[web.AbstractRouteDef]:
    """The route of this module."""

    async def metrics(_request: web.Request) -> web.Response:
        *parts, database = await asyncio.gather(
            _unless_away(_signal_statistics(deps)), _unless_away(deps.record_statistics()),
            _unless_away(deps.supervisor_statistics()), deps.database_up(),
        )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Snapshot(_families(dict(zip(PARTS, parts, strict=True)), database)))
        body = generate_latest(registry) + generate_latest(http.registry)
        return web.Response(body=body, headers={"Content-Type": TEXT})

    return [web.get("/metrics", metrics, name="metrics")]


async def _signal_statistics(deps: Deps) -> Statistics:
    return await ask_for(deps.ask, ReadStatistics(), Statistics)


async def _unless_away(asking: Awaitable[Statistics]) -> Statistics | None:
    try:
        return await asking
    except CommandRefused:
        return None


def _families(parts: Mapping[str, Statistics | None], database: bool) -> Iterator[Metric]:
    """Up gauges of the parts, then all families of the processes."""
    up = GaugeMetricFamily("dce_up", "Whether a part answered this scrape", labels=["part"])
    for part, answered in parts.items():
        up.add_metric([part], 0.0 if answered is None else 1.0)
    up.add_metric(["database"], float(database))
    yield up
    for statistics in parts.values():
        if statistics is not None:
            yield from statistics_families(statistics)


def statistics_families(statistics: Statistics) -> Iterator[Metric]:
    """prometheus-client families of one worker's statistics; samples of one name are joined."""
    named: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for sample in statistics.metrics:
        family = named.get(sample.name)
        if family is None:
            family = named[sample.name] = _family(sample)
        family.add_metric([value for _, value in sample.labels], sample.value)
    yield from named.values()
    for histogram in statistics.histograms:
        yield _histogram(histogram)


def _family(sample: Sample) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
    return kind(sample.name, sample.help, labels=[name for name, _ in sample.labels])


def _histogram(histogram: Histogram) -> Metric:
    """Cumulative buckets of plain ones; the last bound is +Inf."""
    buckets: list[tuple[str, float]] = []
    total = 0
    bounds = [*(repr(float(bound)) for bound in histogram.bounds), "+Inf"]
    for bound, count in zip(bounds, histogram.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family = HistogramMetricFamily(histogram.name, histogram.help)
    family.add_metric([], buckets, histogram.total)
    return family
