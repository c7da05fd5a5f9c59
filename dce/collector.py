"""The garbage collector of the signal worker: rarely at work, and measured when it is.

Calls leave no cycles behind, so a collection is a pause that finds little. How long it took is a
histogram of the worker's.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns

from dce.histogram import Histogram
from vocabulary.limits import collector_young_max

GENERATIONS = (50, 100)  # collections of one generation until the next older is walked


@contextmanager
def collector_resting() -> Iterator[None]:
    """Nothing is collected meanwhile: a start makes millions of objects, and all of them stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def tune_collector() -> None:
    """What lives from the start on is never walked again; young garbage is rare here."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(collector_young_max, *GENERATIONS)


def watch_collector(pauses: Histogram) -> Callable[[], None]:
    """Add the length of each collection of this process to `pauses`; returns what ends that."""
    began_ns = 0

    def paused(phase: str, _info: dict[str, int]) -> None:
        nonlocal began_ns
        if phase == "start":
            began_ns = perf_counter_ns()
        else:
            pauses.add(perf_counter_ns() - began_ns)

    gc.callbacks.append(paused)
    return lambda: gc.callbacks.remove(paused)
