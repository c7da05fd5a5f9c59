"""Start of a worker process: follow the parent, make folders, log, then run on uvloop."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from dce.child import follow_parent
from dce.config import Config
from dce.folders import prepare_folders
from dce.telemetry import configure_logs


def run_worker(kind: str, config: Config) -> int:
    """Run worker `kind` ("signal" | "record" | "api") to its end; its exit code."""
    follow_parent()
    prepare_folders(config)
    configure_logs(config.log_level, config.environment, kind)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(kind)(config))  # type: ignore[arg-type]


def _main(kind: str) -> Callable[[Config], Awaitable[int]]:
    if kind == "signal":
        from dce.signal_worker import run
    elif kind == "record":
        from dce.record_worker import run
    else:
        assert kind == "api"
        from dce.api_worker import run
    return run
