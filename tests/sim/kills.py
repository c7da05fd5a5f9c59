"""`make kills`: power cuts at every crash point, real kill -9, and the control that must fail.

CUTS=n, KILLS=n, SEED=n. The list of points is read from the code; each must be reached, and the
cuts are spread evenly over them. A failure names what shows it again.
"""

import asyncio
import logging
import multiprocessing
import os
import platform
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.bench.rows import revision
from tests.dce.kill_runs import kill_again_and_again
from tests.sim.cuts import Cuts, cut_at
from tests.storage.crash_points import crash_points

CUTS = 1_000
KILLS = 50
POINTS_MIN = 40
SEEDS_PER_POINT = 100_000
CONTROL_PER_POINT = 1
CONTROL_FAILS_MIN = 0.5  # of the cuts; the others came before anything was acknowledged


def cut_all(names: list[str], wanted: int, seed: int, *, honest: bool = True) -> list[Cuts]:
    """So many cuts at each point, over all processors."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, logging.disable) as pool:
        futures = [
            pool.submit(cut_at, name, seed + index * SEEDS_PER_POINT, wanted, honest=honest)
            for index, name in enumerate(names)
        ]
        return [future.result() for future in futures]


def faults_of(cuts: list[Cuts]) -> list[str]:
    """What is wrong with a run that must be without fault."""
    found = [f"{each.point}: reached by none of {each.tried}" for each in cuts if not each.reached]
    found += [
        f"{each.point}, seed {seed}: {text}\n  python -m tests.sim.kills {each.point} {seed}"
        for each in cuts for seed, text in each.failures
    ]
    if len(cuts) < POINTS_MIN:
        found.append(f"only {len(cuts)} crash points, {POINTS_MIN} must be there")
    return found


def machine() -> str:
    """Processor, cores and kernel that the figures were made on."""
    model = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def table(rows: list[tuple[str, object]]) -> str:
    """Markdown, as it is printed."""
    cells = [(name, f"{value:,}" if isinstance(value, int) else value) for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in cells)])


def run(cuts_wanted: int, kills: int, seed: int) -> int:
    """All of it; 0 if everything held and the control did not."""
    began_s = time.monotonic()
    names = list(crash_points())
    cuts = cut_all(names, -(-cuts_wanted // len(names)), seed)
    faults = faults_of(cuts)
    cut_s = time.monotonic()
    control = cut_all(names, CONTROL_PER_POINT, seed, honest=False)
    control_cuts = sum(each.reached for each in control)
    control_failed = sum(min(1, len(each.failures)) for each in control)
    if control_failed < CONTROL_FAILS_MIN * len(names):
        faults.append(f"the control without syncs failed at {control_failed} points only")
    kill_s = time.monotonic()
    real: Counter[str] = Counter()
    try:
        real = asyncio.run(kill_again_and_again(kills, seed))
    except AssertionError as error:
        faults.append(f"kill -9, seed {seed}: {error}")
    ended_s = time.monotonic()
    met = sum((each.met for each in cuts), Counter[str]())
    commit, dirty = revision()
    print("\n".join(faults))
    print(table([
        ("crash points, all reached" if all(each.reached for each in cuts) else "crash points",
         len(names)),
        ("cuts at them", sum(each.reached for each in cuts)),
        ("least at one point", min(each.reached for each in cuts)),
        *((f"simulated: {name}", count) for name, count in met.items()),
        *((f"real: {name}", count) for name, count in real.items()),
        ("control without syncs: cuts", control_cuts),
        ("control without syncs: points at which it failed, as it must", control_failed),
        ("acknowledged facts lost, settled twice, out of balance, caps off, leaks", len(faults)),
        ("seconds: cuts, control, kills",
         f"{cut_s - began_s:.0f}, {kill_s - cut_s:.0f}, {ended_s - kill_s:.0f}"),
        ("seed", str(seed)),
        ("commit", commit + (", changed since" if dirty else "")),
        ("machine", machine()),
    ]))
    return 1 if faults else 0


def main(arguments: list[str]) -> int:
    """Everything, or one history again: POINT SEED."""
    if arguments:
        found = cut_at(arguments[0], int(arguments[1]), 1)
        print(found.met, found.failures)
        return 1 if found.failures else 0
    numbers = os.environ
    return run(
        int(numbers.get("CUTS", CUTS)), int(numbers.get("KILLS", KILLS)),
        int(numbers.get("SEED", "1")),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
