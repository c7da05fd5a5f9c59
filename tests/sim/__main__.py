"""`make sim`: simulations by seed. SEEDS=n, SEED_FROM=n; ONLY=core for the core alone."""

import os
import sys
import time
from collections import Counter

import pytest

from tests.sim.seeds import live_through_all, live_through_some, replay_command

SEEDS = 1_000
FAILURES_SHOWN = 5
PROGRESS_SEEDS = 1_000


def run_core(seeds: range) -> int:
    """Live through the seeds, say what they met; the number that failed."""
    began_s = time.monotonic()
    total: Counter[str] = Counter()
    failed: list[int] = []
    results = live_through_all(seeds) if len(seeds) > 1 else [live_through_some(seeds)]
    for some, failures in results:
        before = total["seeds"] // PROGRESS_SEEDS
        total += some
        if total["seeds"] // PROGRESS_SEEDS > before:
            print(f"{total['seeds']:,} seeds in {time.monotonic() - began_s:.0f} s", flush=True)
        for seed, text in failures:
            failed.append(seed)
            if len(failed) <= FAILURES_SHOWN:
                print(f"{text}\n{replay_command(seed)}", flush=True)
    spent_s = time.monotonic() - began_s
    for name, count in total.items():
        print(f"{name:>24} {count:>12,}")
    print(f"{len(seeds)} seeds from {seeds[0]} in {spent_s:.0f} s, {len(failed)} failed"
          + "".join(f"\n  {replay_command(seed)}" for seed in failed))
    return len(failed)


def main(only: list[str]) -> int:
    """The whole of tests/sim and the core, or what ONLY names."""
    first = int(os.environ.get("SEED_FROM", "1"))
    seeds = range(first, first + int(os.environ.get("SEEDS", SEEDS)))
    if only != ["core"]:
        code = pytest.main(["tests/sim", *only])
        if code or only:
            return int(code)
    return 1 if run_core(seeds) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
