"""One child process as its supervisor sees it: started, ready, silent, stuck, ended.

```
start ─► "ready" ─► serves ──no beat for stuck_ticks──► SIGUSR2 (its stacks) ─► SIGKILL
     └──no beat for start_ticks───────────────────────────────┘
stop  ─► SIGTERM ──stop_s──► SIGKILL
```
Silence is counted in ticks of the supervisor's own loop, not in seconds: a machine that is slow or
was suspended holds both up alike, and a supervisor that did not run accuses nobody.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from dce.child import BEAT_LINE, EXIT_REASONS, PARENT, READY_LINE, REPORT_FD, STACKS
from vocabulary.errors import ExchangeError
from vocabulary.limits import NS_PER_S, child_beat_ns, child_start_ns, child_stuck_ns, stacks_ns

FAILED = 1
STOP_S = 15.0
LAST_WORDS_S = 1.0  # a child that closed its pipe is about to end with a status of its own

log = logging.getLogger("dce.supervisor")


class ChildDied(ExchangeError):
    """A child ended by itself or had to be killed. status: for our own end."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


class Patience(Struct, frozen=True):
    """Ticks without a beat after which a child is stuck: before it serves, and from then on."""

    tick_s: float = child_beat_ns / NS_PER_S
    start_ticks: int = child_start_ns // child_beat_ns
    stuck_ticks: int = child_stuck_ns // child_beat_ns
    stacks_s: float = stacks_ns / NS_PER_S


class Child:
    """One process that may be started again.

    stuck: how often it was killed for silence; ticks: how often that was looked at.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: dict[str, str],
        patience: Patience | None = None,
    ) -> None:
        self.name = name
        self.stuck = 0
        self.ticks = 0
        self._command = command
        self._environment = environment
        self._patience = patience or Patience()
        self._process: asyncio.subprocess.Process | None = None
        self._report: asyncio.ReadTransport | None = None
        self._aside: list[asyncio.Task[None]] = []
        self._heard = _Heard()
        self._why = ""

    @property
    def pid(self) -> int:
        """Process id; 0 before the first start."""
        return self._process.pid if self._process is not None else 0

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def serves(self) -> bool:
        """Whether it lives and has said that it is ready."""
        return self.runs and self._heard.ready.is_set()

    @property
    def status(self) -> int:
        """What our own end says of this child's: 0 while it runs or if all was well."""
        found = self._process.returncode if self._process is not None else None
        if not found:
            return 0
        return found if found in EXIT_REASONS else FAILED

    @property
    def beyond_help(self) -> bool:
        """Whether it ended with a status that no further start would mend."""
        return self._process is not None and self._process.returncode in EXIT_REASONS

    @property
    def ended_badly(self) -> bool:
        """After stop: whether it had to be killed or ended with a status of its own."""
        found = self._process.returncode if self._process is not None else None
        return bool(self._why) or (found or 0) > 0

    async def start(self) -> None:
        """Start and wait for the ready line. Raises ChildDied if it ends or falls silent first."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        environment = {**self._environment, REPORT_FD: str(writing), PARENT: str(os.getpid())}
        self._why = ""
        self._heard = heard = _Heard()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=environment, pass_fds=(writing,),
                process_group=0,  # Ctrl-C reaches the supervisor alone, which ends them in order
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        try:
            ready = await self._listen(reading, heard)
        except BaseException:
            self._let_go()
            raise
        if not ready:
            await self._ended_within(LAST_WORDS_S)
            await self.stop()
            raise ChildDied(self.describe(" before it was ready"), self.status or FAILED)

    async def _listen(self, reading: int, heard: "_Heard") -> bool:
        """Read the pipe from now on; whether the ready line came before its end."""
        reader = asyncio.StreamReader(limit=2**10)
        self._report, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
        )
        reads = asyncio.create_task(_read(reader, heard))
        self._aside = [reads, asyncio.create_task(self._watch(heard))]
        readied = asyncio.create_task(heard.ready.wait())
        try:
            await asyncio.wait({reads, readied}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            readied.cancel()
        return heard.ready.is_set()

    async def _watch(self, heard: "_Heard") -> None:
        """Kill the process once it was silent for too many ticks."""
        patience = self._patience
        while True:
            await asyncio.sleep(patience.tick_s)
            self.ticks += 1
            heard.silent_ticks += 1
            serves = heard.ready.is_set()
            most = patience.stuck_ticks if serves else patience.start_ticks
            if heard.silent_ticks >= most and self.runs:
                break
        self.stuck += 1
        self._why = f"was stuck for {most * patience.tick_s:.0f} s and was killed"
        log.error(
            "%s (pid %d, state %s) is stuck: its loop has not turned for %.0f s; its stacks follow",
            self.name, self.pid, _state_of(self.pid), most * patience.tick_s,
        )
        self.send(STACKS)
        await asyncio.sleep(patience.stacks_s)
        self.send(signal.SIGKILL)

    async def wait(self) -> int:
        """Exit status; minus the signal's number if one ended it."""
        assert self._process is not None
        status = await self._process.wait()
        self._let_go()
        return status

    async def stop(self, stop_s: float = STOP_S) -> None:
        """SIGTERM, and SIGKILL after stop_s. Does nothing if it has ended."""
        if not self.runs:
            self._let_go()
            return
        self._let_go()
        self.send(signal.SIGTERM)
        if not await self._ended_within(stop_s):
            log.error("%s did not end within %s s: killed", self.name, stop_s)
            self._why = f"did not end within {stop_s:g} s and was killed"
            self.send(signal.SIGKILL)
            await self.wait()

    def _let_go(self) -> None:
        """Neither read the pipe nor watch any more."""
        for task in self._aside:
            task.cancel()
        self._aside = []
        if self._report is not None:
            self._report.close()
            self._report = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self.runs:
            # Not Process.send_signal: it polls, and so may take the exit status from wait().
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
        if self._why:
            return f"{name} {self._why}"
        if status < 0:
            return f"{name} ended{when} by {signal.Signals(-status).name}"
        reason = f": {EXIT_REASONS[status]}" if status in EXIT_REASONS else ""
        return f"{name} ended{when} with status {status}{reason}"


class _Heard:
    """What came over a child's pipe."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.silent_ticks = 0


async def _read(reader: asyncio.StreamReader, heard: _Heard) -> None:
    """Take lines until the end of the pipe: the child ended or closed it."""
    while line := await reader.readline():
        heard.silent_ticks = 0
        if line == READY_LINE:
            heard.ready.set()
        elif line != BEAT_LINE:
            log.warning("a child says %r to its supervisor", line)


def _state_of(pid: int) -> str:
    """ "T (stopped)" and the like, as the kernel has it (proc(5))."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(None, 1)[1] for line in lines if line.startswith("State:")), "unknown")
