"""Engine time of one process: monotonic, never backward, continued across a restart."""

import time
from collections.abc import Callable

CHANGE_NS = 1_000_000  # a wall clock step that is worth a ClockSet fact


class EngineClock:
    """now_ns() starts above last_ns, the newest instant in the journal, and only grows."""

    __slots__ = ("_base_ns", "_monotonic_ns", "_wall_ns", "offset_ns")

    def __init__(
        self,
        last_ns: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """monotonic_ns, wall_ns: the machine's clocks; a simulation brings its own."""
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._base_ns = last_ns + 1 - monotonic_ns()
        self.offset_ns = self.measure_ns()

    def now_ns(self) -> int:
        """Engine time in ns."""
        return self._monotonic_ns() + self._base_ns

    def measure_ns(self) -> int:
        """Wall time − engine time, as it is now."""
        return self._wall_ns() - self.now_ns()

    def changed(self) -> bool:
        """Whether the wall clock moved against engine time by over 1 ms; takes the new offset."""
        offset_ns = self.measure_ns()
        if abs(offset_ns - self.offset_ns) <= CHANGE_NS:
            return False
        self.offset_ns = offset_ns
        return True
