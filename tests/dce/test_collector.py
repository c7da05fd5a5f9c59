"""Pauses of the garbage collector are counted while somebody watches."""

import gc

from dce.collector import watch_collector
from dce.histogram import Histogram


def test_each_collection_is_one_pause_until_the_watch_ends() -> None:
    pauses = Histogram("gc_pause")
    gc.disable()
    try:
        leave = watch_collector(pauses)
        gc.collect()
        gc.collect(0)
        leave()
        gc.collect()
    finally:
        gc.enable()
    assert sum(pauses.counts) == 2
    assert pauses.total_ns > 0
