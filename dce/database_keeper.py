"""The embedded PostgreSQL kept running, from a thread of its own.

The kernel ends the server with the thread that started it, so that thread lives as long as we do;
and a start may take a minute after a power cut, for which no event loop should stand still.
"""

import asyncio
import logging
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from storage.postgres import EmbeddedPostgres
from vocabulary.errors import ExchangeError

RESTART_S = 5.0

log = logging.getLogger("dce.supervisor")


class DatabaseKeeper:
    """Starts the server again whenever it ends; only the record lags meanwhile.

    attempted: set once the first start is over, whatever came of it.
    """

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.attempted = asyncio.Event()
        self._postgres = postgres
        self._thread = ThreadPoolExecutor(1, "postgres")

    async def run(self) -> None:
        """Until cancelled; `close` then ends the server."""
        while True:
            started = await self._start()
            self.attempted.set()
            if not started:
                await asyncio.sleep(RESTART_S)
                continue
            pid = self._postgres.pid
            assert pid is not None
            await _until_gone(pid)
            log.error("embedded PostgreSQL ended, starting it again")
            await self._aside(self._postgres.stop)  # reaps it

    async def close(self) -> None:
        """End the server, also one that is about to start."""
        self._postgres.abandon()
        await self._aside(self._postgres.stop)
        self._thread.shutdown()

    async def _start(self) -> bool:
        try:
            await self._aside(self._postgres.start)
        except (ExchangeError, OSError, subprocess.SubprocessError) as error:
            log.error("embedded PostgreSQL is away, calls go on without: %s", error)
            return False
        return True

    async def _aside(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _until_gone(pid: int) -> None:
    gone = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
