"""Starts the processes in order, starts again what ends by itself, ends them in order.

```
start in order ─► all ready ─► each child has a keeper: ended ─► wait (back-off) ─► start again
                                 │ with a status of child.EXIT_REASONS: no start would mend it
SIGTERM │ SIGINT ────────────────┤
                                 ▼
      Drain over the link, live calls end (≤ signal.drain_s; a second signal hurries)
                                 ▼
      children are told to end in order, each waited for; 0, or the status of the one to blame
```
A child that ends before all were ready once ends the server: that is the operator's to see. The
first child carries the calls: it is not started again while calls drain, and without it there is
nothing left to drain.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from dce.back_off import BackOff
from dce.child_process import STOP_S, Child, ChildDied

log = logging.getLogger("dce.supervisor")

Step = Callable[[], Awaitable[None]]
Word = Callable[[str], None]


class Supervisor:
    """Children in start order. drain lets live calls end, bounded; a second signal cuts it.

    before: what is awaited before a child's first start, by its name. notice: is told "ready" and
    "draining", once each.
    """

    def __init__(
        self, children: Sequence[Child], drain: Step, *, before: Mapping[str, Step] | None = None,
        notice: Word = lambda _: None, back_off: Callable[[], BackOff] = BackOff,
        stop_s: float = STOP_S,
    ) -> None:
        self.children = children
        self._drain = drain
        self._before = before or {}
        self._notice = notice
        self._back_off = back_off
        self._stop_s = stop_s
        self.all_ready = asyncio.Event()  # every child serves, for the first time
        self.restarts = {child.name: 0 for child in children}
        self._told = asyncio.Event()
        self._hurried = asyncio.Event()
        self._over = asyncio.Event()  # told, or a child is beyond help
        self._calls_lost = asyncio.Event()  # the first child ended while calls drained
        self._draining = False
        self._failed: ChildDied | None = None

    def tell(self) -> None:
        """End: the first time by draining, the second at once. The handler of both signals."""
        if self._told.is_set():
            self._hurried.set()
        self._told.set()
        self._over.set()

    async def run(self) -> int:
        """Start, keep and end the children. 0 if all ended well after a signal.

        Else the status of the child that did not, which is named on stderr.
        """
        keepers: list[asyncio.Task[None]] = []
        try:
            if await self._start_all():
                keepers = [asyncio.create_task(self._keep(child)) for child in self.children]
                await self._over.wait()
                await self._drained()
        except ChildDied as error:
            self._failed = error
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            for child in self.children:
                await child.stop(self._stop_s)
        return self._conclusion()

    def _conclusion(self) -> int:
        error = self._failed
        for child in self.children:
            if error is None and child.ended_badly:
                error = ChildDied(child.describe(), child.status)
        if error is None:
            return 0
        print(f"dce: {error}", file=sys.stderr, flush=True)
        return error.status

    async def _start_all(self) -> bool:
        """Whether all are ready; False if the end was asked for meanwhile."""
        for child in self.children:
            before = self._before.get(child.name)
            if before is not None and not await self._unless_told(before()):
                return False
            if not await self._unless_told(child.start()):
                return False
            log.info("%s is ready, pid %d", child.name, child.pid)
        self.all_ready.set()
        self._notice("ready")
        return True

    async def _unless_told(self, work: Awaitable[None]) -> bool:
        """Do the work; False if the end was asked for first. Raises ChildDied, also for a child
        that was started before and ends meanwhile."""
        task = asyncio.ensure_future(work)
        cut = asyncio.create_task(self._told.wait())
        deaths = {asyncio.create_task(each.wait()): each for each in self.children if each.runs}
        try:
            await asyncio.wait({task, cut, *deaths}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end((cut, *deaths) if task.done() else (task, cut, *deaths))
        for death, child in deaths.items():
            if not death.cancelled():
                raise ChildDied(child.describe(), child.status)
        if task.cancelled():
            return False
        task.result()
        return True

    async def _keep(self, child: Child) -> None:
        """Start a child again whenever it ends, until that cannot help or calls are lost."""
        clock = asyncio.get_running_loop().time
        back_off = self._back_off()
        began_s = clock()
        while True:
            await child.wait()
            lived_s = clock() - began_s
            died = ChildDied(child.describe(), child.status)
            if child.beyond_help:
                self._end_for(died)
                return
            if self._draining and child is self.children[0]:
                self._end_for(died)
                self._calls_lost.set()
                return
            wait_s = back_off.wait_s(lived_s)
            log.error("%s; it is started again in %.1f s", died, wait_s)
            await asyncio.sleep(wait_s)
            if self._draining and child is self.children[0]:
                return
            self.restarts[child.name] += 1
            try:
                await child.start()
            except ChildDied:
                pass  # what it says is what the next turn reads from the child
            except OSError as error:  # no process to be had; the old status stands
                log.error("%s cannot be started: %s", child.name, error)
            else:
                log.warning("%s serves again, pid %d", child.name, child.pid)
            began_s = clock()

    def _end_for(self, error: ChildDied) -> None:
        """End the server for this; the first reason stays."""
        self._failed = self._failed or error
        log.error("%s: the server ends", error)
        self._over.set()

    async def _drained(self) -> None:
        """Drain until done, hurried, or nothing is left that carries calls."""
        self._draining = True
        self._notice("draining")
        if not self.children[0].runs:
            return
        log.info("draining: no new calls, live calls go on")
        tasks = [
            asyncio.ensure_future(self._drain()), asyncio.create_task(self._hurried.wait()),
            asyncio.create_task(self._calls_lost.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            await _end(tasks)


async def _end(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    """Cancel what still runs and wait for it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
