"""Starts the processes in order, watches them, ends them in order.

```
PostgreSQL (ours, if no database.url) → migrations → signal → record → api
SIGTERM │ SIGINT → Drain over the link, live calls end (≤ signal.drain_s) → signal, record, api,
                   PostgreSQL are told to end, each waited for
a child that ends by itself → the others are ended the same way without the wait; exit code: the
                              child's where it is one of child.EXIT_REASONS, else 1
```
A database that cannot be had does not stop calls: signal starts without it, record waits for it.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from dce.child import EXIT_REASONS, PARENT, READY_FD, READY_LINE
from vocabulary.errors import ExchangeError

START_S = 120.0  # replaying a long journal is the longest part
STOP_S = 15.0
LAST_WORDS_S = 1.0  # a child that closed its pipe is about to end with a status of its own

log = logging.getLogger("dce.supervisor")


FAILED = 1


class ChildDied(ExchangeError):
    """A child ended by itself, or did not become ready in time. status: for our own end."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


class Child:
    """One process: started, ready, ended."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    @property
    def status(self) -> int:
        """What our own end says of this child's: 0 while it runs or if all was well."""
        found = self._process.returncode if self._process is not None else None
        if not found:
            return 0
        return found if found in EXIT_REASONS else FAILED

    @property
    def ended_badly(self) -> bool:
        """After stop: whether it had to be killed or ended with a status of its own."""
        found = self._process.returncode if self._process is not None else None
        return self._killed or (found or 0) > 0

    async def start(self, ready_s: float = START_S) -> None:
        """Start and wait for the ready line. Raises ChildDied if it ends or dawdles instead."""
        reading, writing = os.pipe()
        environment = {
            **self._environment, READY_FD: str(writing), PARENT: str(os.getpid())
        }
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=environment, pass_fds=(writing,),
                process_group=0,  # Ctrl-C reaches the supervisor alone, which ends them in order
            )
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            line = await self._first_line(pipe, ready_s)
        if line != READY_LINE:
            await self._ended_within(LAST_WORDS_S)
            await self.stop()
            raise ChildDied(self.describe(" before it was ready"), self.status or FAILED)

    async def _first_line(self, pipe: object, ready_s: float) -> bytes:
        """The ready line, or b"" at the end of the pipe: the child ended or closed it."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            async with asyncio.timeout(ready_s):
                return await reader.readline()
        except TimeoutError:
            raise ChildDied(f"{self.name} was not ready within {ready_s} s") from None
        finally:
            transport.close()

    async def wait(self) -> int:
        """Exit status; minus the signal's number if one ended it."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, stop_s: float = STOP_S) -> None:
        """SIGTERM, and SIGKILL after stop_s. Does nothing if it has ended."""
        if self._process is None or self._process.returncode is not None:
            return
        self._send(signal.SIGTERM)
        if not await self._ended_within(stop_s):
            log.error("%s did not end within %s s: killed", self.name, stop_s)
            self._killed = True
            self._send(signal.SIGKILL)
            await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        """By os.kill: Process.send_signal polls, and so may take the exit status from wait()."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def _ended_within(self, seconds: float) -> bool:
        assert self._process is not None
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def describe(self, when: str = "") -> str:
        """ "signal (pid 12) ended by SIGKILL" and the like; when: put behind "ended"."""
        name = f"{self.name} (pid {self.pid})"
        status = self._process.returncode if self._process is not None else None
        if status is None:
            return f"{name} runs"
        if status < 0:
            return f"{name} ended{when} by {signal.Signals(-status).name}"
        reason = f": {EXIT_REASONS[status]}" if status in EXIT_REASONS else ""
        return f"{name} ended{when} with status {status}{reason}"


Drain = Callable[[], Awaitable[None]]


class Supervisor:
    """Children in start order. drain lets live calls end, bounded; a second signal cuts it."""

    def __init__(
        self, children: Sequence[Child], drain: Drain, *,
        start_s: float = START_S, stop_s: float = STOP_S,
    ) -> None:
        self._children = children
        self._drain = drain
        self._start_s = start_s
        self._stop_s = stop_s
        self.all_ready = asyncio.Event()  # every child serves
        self._told = asyncio.Event()
        self._hurried = asyncio.Event()
        self._watching: dict[asyncio.Task[int], Child] = {}

    def tell(self) -> None:
        """End: the first time by draining, the second at once. The handler of both signals."""
        if self._told.is_set():
            self._hurried.set()
        self._told.set()

    async def run(self) -> int:
        """Start, watch and end the children. 0 if all ended well after a signal.

        Else the status of the child that did not, which is named on stderr.
        """
        try:
            if await self._start_all():
                await self._until_told()
                await self._drained()
        except ChildDied as error:
            await self._stop_all()
            return _complain(error)
        except BaseException:
            await self._stop_all()
            raise
        await self._stop_all()
        for child in self._children:
            if child.ended_badly:
                return _complain(ChildDied(child.describe(), child.status))
        return 0

    async def _start_all(self) -> bool:
        """Whether all are ready; False if the end was asked for meanwhile."""
        for child in self._children:
            if not await self._unless_ended(child.start(self._start_s), self._told):
                return False
            self._watching[asyncio.create_task(child.wait())] = child
            log.info("%s is ready, pid %d", child.name, child.pid)
        self.all_ready.set()
        return True

    async def _until_told(self) -> None:
        await self._unless_ended(asyncio.Event().wait(), self._told)

    async def _drained(self) -> None:
        """Drain until done, hurried or a child died."""
        log.info("draining: no new calls, live calls go on")
        await self._unless_ended(self._drain(), self._hurried)

    async def _unless_ended(self, work: Awaitable[object], cut: asyncio.Event) -> bool:
        """Do the work; False if `cut` came first. Raises ChildDied if a watched child ends."""
        task = asyncio.ensure_future(work)
        cutting = asyncio.create_task(cut.wait())
        try:
            done, _ = await asyncio.wait(
                {task, cutting, *self._watching}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            cutting.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for ended in self._watching:
            if ended in done:
                child = self._watching[ended]
                raise ChildDied(child.describe(), child.status or FAILED)
        if task in done:
            task.result()
            return True
        return False

    async def _stop_all(self) -> None:
        for child in self._children:
            await child.stop(self._stop_s)
        await asyncio.gather(*self._watching, return_exceptions=True)


def _complain(error: ChildDied) -> int:
    print(f"dce: {error}", file=sys.stderr, flush=True)
    return error.status
