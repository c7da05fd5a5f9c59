"""The clocks and the event loop of a simulated machine; both stand while it is suspended.

```
world time ──┬── minus all suspensions ──► monotonic ──► loop timers, engine time
             └── plus steps and smear ───► wall
```
"""

import heapq
from collections.abc import Callable
from typing import Any

from tests.exchange.trading import OFFSET_NS
from tests.sim.wire import S

Callback = Callable[..., object]


class Machine:
    """now_ns: world time as the world last said. Suspension stops the monotonic clock only."""

    def __init__(self) -> None:
        self.now_ns = S
        self.slept_ns = 0
        self.asleep_until_ns = 0
        self._asleep_from_ns = 0
        self._wall_shift_ns = 0
        self._smear_from_ns = 0
        self._smear_ppm = 0

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        now_ns = self._asleep_from_ns if self.asleep_until_ns else self.now_ns
        return now_ns - self.slept_ns

    def wall_ns(self) -> int:
        """CLOCK_REALTIME."""
        smeared_ns = (self.now_ns - self._smear_from_ns) * self._smear_ppm // 1_000_000
        return OFFSET_NS + self.now_ns + self._wall_shift_ns + smeared_ns

    def world_ns(self, monotonic_ns: int) -> int:
        """World time of a monotonic instant, if nothing suspends the machine before."""
        return monotonic_ns + self.slept_ns

    def step_wall(self, by_ns: int) -> None:
        """Somebody sets the clock."""
        self._wall_shift_ns += by_ns

    def smear(self, ppm: int) -> None:
        """The wall clock runs fast or slow from now on; 0: no more."""
        self._wall_shift_ns = self.wall_ns() - OFFSET_NS - self.now_ns
        self._smear_from_ns = self.now_ns
        self._smear_ppm = ppm

    def suspend(self, for_ns: int) -> None:
        """The lid closes."""
        if not self.asleep_until_ns:
            self._asleep_from_ns = self.now_ns
            self.asleep_until_ns = self.now_ns + for_ns

    def wake(self) -> None:
        """The lid opens."""
        if self.asleep_until_ns:
            self.slept_ns += self.now_ns - self._asleep_from_ns
            self.asleep_until_ns = 0


class SimHandle:
    """A timer of the loop."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """As asyncio.TimerHandle has it."""
        self.cancelled = True


class SimLoop:
    """As much of asyncio's loop as a signal core uses, on a machine's monotonic clock."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._timers: list[tuple[int, int, SimHandle]] = []
        self._count = 0

    def call_later(self, delay_s: float, call: Callback, *args: Any) -> SimHandle:
        """See asyncio. Whole microseconds, as no real loop keeps more."""
        return self.call_at_ns(
            self._machine.monotonic_ns() + round(delay_s * 1_000_000) * 1_000,
            lambda: call(*args),
        )

    def call_at_ns(self, at_ns: int, call: Callable[[], object]) -> SimHandle:
        """Call at a monotonic instant."""
        self._count += 1
        handle = SimHandle(call)
        heapq.heappush(self._timers, (at_ns, self._count, handle))
        return handle

    def deadline_ns(self) -> int | None:
        """Monotonic instant of the next timer."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def run_due(self) -> None:
        """Call everything that is due, in order."""
        now_ns = self._machine.monotonic_ns()
        while (due_ns := self.deadline_ns()) is not None and due_ns <= now_ns:
            heapq.heappop(self._timers)[2].call()
