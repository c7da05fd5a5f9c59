"""Priority strictly, then chance in proportion to weight.

Each eligible target draws an exponential time −log2(u) / weight, u from a hash of the auction's
key and the target's id; the earliest is first, the next earliest second, and so on. Then the
first place goes to a target with probability weight / sum of weights, and so does each further
place among those that are left (Efraimidis and Spirakis, "Weighted random sampling with a
reservoir", 2006). All in integers, so that a replay gives the same order on every machine.
```
score   │ 1000 − priority (10 bits) │ 2^48 − 1 − draw (48 bits) │
```
"""

from array import array
from math import log2

from routing.plan import Plan
from routing.plan_objects import Campaign
from vocabulary import limits

MASK = 2**64 - 1
# SplitMix64 (Steele, Lea, Flood 2014): mixes a 64-bit key until every bit depends on every bit.
GOLDEN = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB
# log2(1 + i / 1024) · 2^24, from which 2^-10 steps are interpolated: error below 2^-20.
LOG_TABLE = array("q", [round(log2(1 + step / 1_024) * 2**24) for step in range(1_025)])


class PriorityWeight:
    """Scores of one auction at a time in an array of its own."""

    __slots__ = ("_scores",)

    def __init__(self) -> None:
        self._scores = array("q")

    def scores(
        self, campaign: Campaign, plan: Plan, verdicts: "array[int]", key: int
    ) -> "array[int] | None":
        """A score for each eligible target of the campaign, by target slot."""
        more = len(plan.target_static) - len(self._scores)
        if more > 0:
            self._scores.extend([0] * more)
        draw_scores(
            self._scores,
            campaign.targets,
            verdicts,
            plan.target_hash,
            plan.target_priority,
            plan.target_weight,
            key,
        )
        return self._scores

    def won(self, campaign: Campaign, target_slot: int) -> None:
        """Every call draws anew: nothing is remembered."""


def draw_scores(
    scores: "array[int]",
    targets: "array[int]",
    verdicts: "array[int]",
    hashes: "array[int]",
    priorities: "array[int]",
    weights: "array[int]",
    key: int,
) -> None:
    """Fill scores at the slots of targets; 0 where the verdict is not 255. key: 63 bits."""
    table = LOG_TABLE
    mask = MASK
    mix_1 = MIX_1
    mix_2 = MIX_2
    priority_max = limits.priority_max
    seed = key * GOLDEN & MASK
    for index in range(len(targets)):
        slot = targets[index]
        if verdicts[slot] != 255:
            scores[slot] = 0
            continue
        mixed = seed ^ hashes[slot]
        mixed = (mixed ^ (mixed >> 30)) * mix_1 & mask
        mixed = (mixed ^ (mixed >> 27)) * mix_2 & mask
        mixed ^= mixed >> 31
        draw = (negative_log2(mixed, table) << 16) // weights[slot]
        band = priority_max - priorities[slot]
        scores[slot] = (band + 1 << 48) - 1 - draw


def negative_log2(mixed: int, table: "array[int]") -> int:
    """−log2(u) · 2^24 of u = (mixed + 1) / 2^64, for 64 random bits; 0 < result ≤ 2^30.

    table: LOG_TABLE.
    """
    half = mixed >> 1 | 1  # 63 bits, never 0, so that C's signed integers hold it
    one = 1  # typed: a literal 1 << 62 would overflow C's int
    power = 62
    while half >> power == 0:
        power -= 1
    fraction = half - (one << power)
    # The 34 bits below the leading one: 10 choose the step, 24 interpolate within it.
    if power >= 34:
        fraction >>= power - 34
    else:
        fraction <<= 34 - power
    step = fraction >> 24
    low = table[step]
    within = (table[step + 1] - low) * (fraction & 0xFFFFFF) >> 24
    return (one * (63 - power) << 24) - low - within
