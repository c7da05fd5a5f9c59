"""Open hours at run time: UTC intervals in order, and a memo of the one that holds now.

```
intervals   [──────)      [──────)      [──────)
memo              [ closed )                      answers until it ends: one comparison a call
```
"""

from bisect import bisect_right

from routing.plan_file import ScheduleEntry

FOREVER = 2**62


class Schedule:
    """A schedule of a plan. index: its place in plan.schedule_open (0 there is: always open)."""

    __slots__ = ("_ends", "_from", "_open", "_starts", "_until", "id", "index")

    def __init__(self, entry: ScheduleEntry, index: int) -> None:
        assert len(entry.starts_s) == len(entry.ends_s)
        self.id: str = entry.id
        self.index = index
        self._starts = entry.starts_s
        self._ends = entry.ends_s
        self._from = FOREVER
        self._until = -FOREVER
        self._open = False

    def is_open(self, wall_s: int) -> bool:
        """Whether an instant (Unix seconds) is inside an open interval; closed off the span."""
        if wall_s < self._from or wall_s >= self._until:
            self._move_to(wall_s)
        return self._open

    def _move_to(self, wall_s: int) -> None:
        """Put the open or closed stretch around wall_s into the memo."""
        index = bisect_right(self._starts, wall_s) - 1
        self._open = index >= 0 and wall_s < self._ends[index]
        if self._open:
            self._from, self._until = self._starts[index], self._ends[index]
            return
        self._from = self._ends[index] if index >= 0 else -FOREVER
        self._until = self._starts[index + 1] if index + 1 < len(self._starts) else FOREVER
