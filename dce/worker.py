"""Start of a worker process: follow the parent, make folders, log, then run on uvloop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop

from dce.child import beat, follow_parent, write_stacks_when_asked
from dce.config import Config
from dce.folders import prepare_folders
from dce.reload import Reloader
from dce.telemetry import configure_logs

Main = Callable[[Config], Awaitable[int]]


def run_worker(kind: str, config: Config, again: Callable[[], Config]) -> int:
    """Run worker `kind` ("signal" | "record" | "api") to its end; its exit code.

    again: reads the settings anew.
    """
    follow_parent()
    write_stacks_when_asked()
    prepare_folders(config)
    configure_logs(config.log_level, config.environment, kind)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_alive(_main(kind), Reloader(config, again, kind)))


async def _alive(main: Main, reloader: Reloader) -> int:
    """The worker, beating from the first turn of its loop to the last."""
    beating = asyncio.create_task(beat())
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.reload)
    try:
        return await main(reloader.config)
    finally:
        beating.cancel()


def _main(kind: str) -> Main:
    if kind == "signal":
        from dce.signal_worker import run
    elif kind == "record":
        from dce.record_worker import run
    else:
        assert kind == "api"
        from dce.api_worker import run
    return run
