"""Fixed-bucket histograms on the call path: buckets 5 % wide, integers only, no locks."""

from __future__ import annotations

from array import array

LINEAR_BITS = 5  # 32 sub-buckets for each power of two: at most 3.2 % wide


class Histogram:
    """Durations in ns. Bucket of a value: its highest 6 bits, so 1/32 wide, no logarithm.

    Values below 32 ns have a bucket each. The last bucket takes all from 2^40 ns on.
    """

    __slots__ = ("counts", "name", "total_ns")

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = array("q", bytes(8 * BUCKETS))
        self.total_ns = 0

    def add(self, value_ns: int) -> None:
        """Count one duration; a negative one counts as 0."""
        value_ns = max(value_ns, 0)
        self.counts[bucket_of(value_ns)] += 1
        self.total_ns += value_ns

    def bounds_and_counts(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Upper bounds in seconds and counts, of the filled range only; the last is above all."""
        filled = [index for index, count in enumerate(self.counts) if count]
        if not filled:
            return (), (0,)
        last = filled[-1] + 1
        first = max(0, filled[0] - 1)
        bounds = tuple(upper_ns(index) / 1e9 for index in range(first, last))
        return bounds, (*self.counts[first:last], 0)


def bucket_of(value_ns: int) -> int:
    """Index of the bucket of a duration."""
    shift = value_ns.bit_length() - (LINEAR_BITS + 1)
    if shift <= 0:
        return value_ns
    return min((shift << LINEAR_BITS) + (value_ns >> shift), BUCKETS - 1)


def upper_ns(index: int) -> int:
    """The largest duration that falls into a bucket."""
    if index < 2 << LINEAR_BITS:
        return index
    shift = (index >> LINEAR_BITS) - 1
    return ((index - (shift << LINEAR_BITS) + 1) << shift) - 1


BUCKETS = (41 - LINEAR_BITS) << LINEAR_BITS
