"""Histories of the core by seed: one, or many over all processors, and what they met."""

import gc
import hashlib
import logging
import multiprocessing
import os
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.sim.history import HOUR_NS, History

PER_TASK = 10  # seeds that one process runs before it reports


def replay_command(seed: int) -> str:
    """What shows the failure of a seed again."""
    return f"make sim ONLY=core SEEDS=1 SEED_FROM={seed}"


def live_through(seed: int, *, honest: bool = True) -> Counter[str]:
    """One history and what it met. Raises AssertionError that names the seed and its replay."""
    history = History(seed, honest=honest)
    try:
        history.run()
    except Exception as error:
        raise AssertionError(f"seed {seed} fails, see: {replay_command(seed)}") from error
    return met(history)


def met(history: History) -> Counter[str]:
    """What happened in a history, for the table."""
    server, oracle = history.server, history.oracle
    return Counter({
        "seeds": 1,
        "virtual hours": round(history.world.now_ns / HOUR_NS),
        "starts": oracle.lives,
        "power cuts": server.cuts,
        "kills": server.kills,
        "failed journals": server.failures,
        "refused starts": server.refused_starts,
        "calls closed": oracle.closings,
        "calls charged": oracle.charged,
        "calls closed by a start": oracle.recovered_calls,
        "top-ups acknowledged": len(oracle.acked_top_ups),
        "disk operations": history.disk.steps,
        "datagrams": len(history.world.ladder),
    })


def digest(history: History) -> str:
    """Of everything that the journal was given and of everything on the wire."""
    found = hashlib.sha256()
    for payload in history.oracle.history.values():
        found.update(payload)
    for at_ns, source, target, line in history.world.ladder:
        found.update(b"%d %b %b %b" % (at_ns, source.encode(), target.encode(), line))
    return found.hexdigest()


def live_through_some(seeds: range) -> tuple[Counter[str], list[tuple[int, str]]]:
    """What a range of seeds met, and (seed, traceback) of each that failed."""
    total: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    for seed in seeds:
        try:
            total += live_through(seed)
        except AssertionError:
            failures.append((seed, traceback.format_exc()))
        gc.collect()
    return total, failures


def live_through_all(seeds: range) -> Iterator[tuple[Counter[str], list[tuple[int, str]]]]:
    """Results of slices of the seeds as they come in, over all processors."""
    slices = [seeds[start : start + PER_TASK] for start in range(0, len(seeds), PER_TASK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, logging.disable) as pool:
        yield from pool.map(live_through_some, slices)
