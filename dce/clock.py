"""Engine time of one process: monotonic, never backward, continued across a restart."""

import time

CHANGE_NS = 1_000_000  # a wall clock step that is worth a ClockSet fact


class EngineClock:
    """now_ns() starts above last_ns, the newest instant in the journal, and only grows."""

    __slots__ = ("_base_ns", "offset_ns")

    def __init__(self, last_ns: int) -> None:
        self._base_ns = last_ns + 1 - time.monotonic_ns()
        self.offset_ns = self.measure_ns()

    def now_ns(self) -> int:
        """Engine time in ns."""
        return time.monotonic_ns() + self._base_ns

    def measure_ns(self) -> int:
        """Wall time − engine time, as it is now."""
        return time.time_ns() - self.now_ns()

    def changed(self) -> bool:
        """Whether the wall clock moved against engine time by over 1 ms; takes the new offset."""
        offset_ns = self.measure_ns()
        if abs(offset_ns - self.offset_ns) <= CHANGE_NS:
            return False
        self.offset_ns = offset_ns
        return True
