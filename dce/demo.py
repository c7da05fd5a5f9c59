"""`dce demo`: the whole exchange, real calls through it by built-in phones, each one checked.

```
caller's phone ── UDP, TCP ──► dce run (child) ── UDP, TCP ──► buyers' phones
      │                           │ journal ► PostgreSQL            │
      └── what it heard ─► check ◄── GET /api/v1/calls/{id}    answer, busy, ring …
```
It writes below data_dir/demo only, anew each time, into an embedded PostgreSQL of its own. It
stays up for softphones until Ctrl-C; with --exit it ends, with status 0 if all went as planned.
"""

import asyncio
import io
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

import msgspec

from dce.cli import child_arguments, config_of
from dce.config import Config, Database
from dce.demo_exchange import Api, DemoFailed, Entry, RunningExchange, clear_data, entry_of
from dce.demo_plan import PLAN_FILE
from dce.demo_show import books_in_full, call_in_full
from dce.demo_softphones import listen_in, softphone_lines
from dce.demo_stage import TOP_UP, Played, Stage
from dce.demo_text import Paint, call_line, calls_heading, heading

FAILED = 1
FOLDER = "demo"
AFTERMATH_S = 3.0
# What a real installation may have set and the demo must not use, or must not be stopped by.
OWN_SETTINGS = ("sip.advertise=", "sip.calls_per_s_max=0", "privacy.subject_key_file=")
T = TypeVar("T")


def main(args: Namespace) -> int:
    """Run the demo; 0 if every call went as planned. Raises ConfigError before any start."""
    own = _own_folders(config_of(args))
    args.set = [*args.set, *own]
    config = config_of(args)
    arguments = child_arguments(args, config)
    config = msgspec.structs.replace(config, database=Database())
    entry = entry_of(config)
    clear_data(config)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    demo = Demo(config, arguments, entry, ends=args.exit, lan=args.lan)
    return asyncio.run(demo.run())


def _own_folders(config: Config) -> list[str]:
    """Settings that keep the demo apart from a real exchange on the same machine."""
    own = [f"data_dir={config.data / FOLDER}", *OWN_SETTINGS]
    if "runtime_dir" in config.origins:
        own.append(f"runtime_dir={config.runtime / FOLDER}")
    return own


def say(lines: str | Iterable[str]) -> None:
    """Print now, whatever stdout is."""
    for line in [lines] if isinstance(lines, str) else lines:
        print(line, flush=True)


class Demo:
    """One run of the demo, on one event loop."""

    def __init__(
        self, config: Config, arguments: Sequence[str], entry: Entry, *, ends: bool, lan: bool
    ) -> None:
        """arguments: for `dce run`. ends: after the calls. lan: private networks are let in."""
        self._config = config
        self._arguments = arguments
        self._entry = entry
        self._ends = ends
        self._lan = lan
        self._paint = Paint(sys.stdout.isatty() and not os.environ.get("NO_COLOR"))

    async def run(self) -> int:
        """The exit status. Raises DemoFailed if the exchange does."""
        api = Api(self._config)
        stage = Stage(self._config, self._entry, api, lan=self._lan)
        exchange = RunningExchange(self._config, self._arguments)
        interrupted = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(
                number, self._interrupt, exchange, interrupted
            )
        try:
            await stage.open()
            async with exchange:
                guard = Guard(exchange, interrupted)
                return await self._act(stage, api, exchange, guard)
        finally:
            await stage.close()
            await api.close()

    def _interrupt(self, exchange: RunningExchange, interrupted: asyncio.Event) -> None:
        """Ctrl-C: the first one drains, the next one ends live calls."""
        again = "" if interrupted.is_set() else " Ctrl-C again ends them."
        say(f"\ndce demo: draining, live calls may end.{again}")
        interrupted.set()
        exchange.tell()

    async def _act(
        self, stage: Stage, api: Api, exchange: RunningExchange, guard: "Guard"
    ) -> int:
        """All that is shown, in order; 1 if something differed or it was cut short."""
        begun_s = time.monotonic()
        wrong = await guard.unless_ended(self._present(stage, api, exchange))
        if wrong is None:
            return FAILED
        self._conclude(wrong, time.monotonic() - begun_s)
        if not self._ends:
            say(heading("your turn", self._paint))
            say(softphone_lines(self._entry, api.url, lan=self._lan))
            listen_in(stage.buyers, say)
            await guard.unless_ended(asyncio.Event().wait())
        return FAILED if wrong else 0

    async def _present(self, stage: Stage, api: Api, exchange: RunningExchange) -> list[str]:
        """Start, play, show; what differed from the plan."""
        say(heading("dce demo: an exchange on this machine, calls by built-in phones", self._paint))
        self._say_parts(stage, api, exchange)
        await api.until_up()
        wrong = await self._prepare(stage)
        say(heading(f"{len(stage.calls())} calls, most of them at once", self._paint))
        say(calls_heading(self._paint))
        played = await stage.play(self._say_call)
        say(call_in_full(stage, played, self._paint))
        accounts = (await api.get("accounts"))["accounts"]
        books = await stage.books()
        say(books_in_full(accounts, books, self._paint))
        for each in played:
            wrong += [f"{each.planned.title}: {text}" for text in each.differences]
        return wrong + books.differences(accounts)

    def _say_parts(self, stage: Stage, api: Api, exchange: RunningExchange) -> None:
        sip = ", ".join(self._config.sip.listen)
        host, port = stage.caller.address()
        desks = ", ".join(f"{name} :{phone.address()[1]}" for name, phone in stage.buyers.items())
        say(f"  exchange   SIP {sip}; HTTP {api.url}")
        say(f"  database   embedded PostgreSQL in {self._config.postgres_dir}")
        say(f"  data, log  {self._config.data}, {exchange.log.name} (anew for every demo)")
        say(f"  phones     caller {host}:{port}, {desks}")

    async def _prepare(self, stage: Stage) -> list[str]:
        """Token, plan and money; what went wrong."""
        await stage.make_token()
        done = await stage.apply_plan()
        plan = stage.plan
        say(
            f"  plan       {PLAN_FILE.parent.name}/{PLAN_FILE.name} as version {done['version']}:"
            f" {len(plan['buyers'])} buyers, {len(plan['campaigns'])} campaigns,"
            f" {done['bids_put']} standing bids"
        )
        once = await stage.top_up()
        say(f"  money      {TOP_UP} {plan['currency']} for each buyer, sent twice, posted once")
        return [] if once else ["a top-up sent twice was not posted exactly once"]

    def _say_call(self, played: Played) -> None:
        good = not played.differences
        say(call_line(played.planned, played.status, played.record, good, self._paint))

    def _conclude(self, wrong: list[str], took_s: float) -> None:
        paint = self._paint
        if not wrong:
            say(f"\n{paint.mark(True)} every call went as planned, in {took_s:.1f} s in all")
            return
        say(f"\n{paint.mark(False)} not as planned ({len(wrong)}):")
        say(f"    {text}" for text in wrong)


class Guard:
    """Work that ends early when the exchange dies or the user wants to stop."""

    def __init__(self, exchange: RunningExchange, interrupted: asyncio.Event) -> None:
        self._exchange = exchange
        self._interrupted = interrupted

    async def unless_ended(self, work: Awaitable[T]) -> T | None:
        """The work's result; None if it was interrupted. Raises DemoFailed if the exchange died."""
        task = asyncio.ensure_future(work)
        cut = asyncio.create_task(self._interrupted.wait())
        died = asyncio.create_task(self._exchange.until_died())
        try:
            await asyncio.wait({task, cut, died}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                if task.exception() is not None:  # most likely because the exchange is going
                    await asyncio.wait({died}, timeout=AFTERMATH_S)
                if died.done():
                    died.result()
                return task.result()
            if not self._interrupted.is_set():
                died.result()
            return None
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            for each in (task, cut, died):
                each.cancel()
            await asyncio.gather(task, cut, died, return_exceptions=True)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first DemoFailed of a group of calls, else the group."""
    for error in group.exceptions:
        found = _first(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, DemoFailed):
            return found
    return group
