"""`dce run`: folders, lock, ports, embedded PostgreSQL, migrations, and then the supervisor."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

import asyncpg

from dce.busy_port import check_ports
from dce.config import Config
from dce.database import AWAY, CONNECT_S, database_dsn, embedded_postgres
from dce.folders import lock_data, prepare_folders
from dce.link import LinkClient, LinkDown
from dce.supervisor import Child, Supervisor
from dce.telemetry import configure_logs
from storage.migrate import migrate_up
from storage.postgres import EmbeddedPostgres
from vocabulary.commands import Drain, Draining, Health, ReadHealth
from vocabulary.errors import ExchangeError

CHILDREN = ("signal", "record", "api")
POLL_S = 0.2  # how often a drain asks whether the last call has ended
RESTART_S = 5.0

log = logging.getLogger("dce.supervisor")


def run(config: Config, arguments: Sequence[str]) -> int:
    """Run the exchange until it is told to end; its exit code. arguments: for the children.

    Raises ConfigError before anything was started.
    """
    configure_logs(config.log_level, config.environment, "supervisor")
    prepare_folders(config)
    with lock_data(config):
        check_ports(config)
        postgres = None if config.database.url else embedded_postgres(config)
        try:
            if postgres is not None:
                _start_embedded(postgres)
            return asyncio.run(_serve(config, arguments, postgres))
        finally:
            if postgres is not None:
                postgres.stop()


def _start_embedded(postgres: EmbeddedPostgres) -> bool:
    """Whether it runs. On this thread, since the kernel ends it with the thread it came from."""
    try:
        postgres.start()
    except (ExchangeError, OSError) as error:
        log.error("embedded PostgreSQL is away, calls go on without: %s", error)
        return False
    return True


async def _serve(
    config: Config, arguments: Sequence[str], postgres: EmbeddedPostgres | None
) -> int:
    await _migrate(config)
    supervisor = Supervisor(_children(arguments), lambda: drain(config))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.tell)
    aside = [asyncio.create_task(_say_ready(config, supervisor))]
    if postgres is not None:
        aside.append(asyncio.create_task(_keep(postgres)))
    try:
        return await supervisor.run()
    finally:
        for task in aside:
            task.cancel()
        await asyncio.gather(*aside, return_exceptions=True)


def _children(arguments: Sequence[str]) -> list[Child]:
    return [
        Child(
            name, [sys.executable, "-m", "dce", "worker", name, *arguments], dict(os.environ)
        )
        for name in CHILDREN
    ]


async def _migrate(config: Config) -> None:
    """Bring the schema up; the record process does it again whenever it connects."""
    try:
        connection = await asyncpg.connect(database_dsn(config), timeout=CONNECT_S)
        try:
            for step in await migrate_up(connection):
                log.info("migrated to %04d_%s", step.version, step.name)
        finally:
            await connection.close(timeout=CONNECT_S)
    except (*AWAY, asyncpg.PostgresError, ExchangeError) as error:
        why = str(error) or type(error).__name__
        log.error("PostgreSQL is away or cannot be migrated, calls go on without: %s", why)


async def _say_ready(config: Config, supervisor: Supervisor) -> None:
    await supervisor.all_ready.wait()
    host, port = config.http.address()
    shown = f"[{host}]" if ":" in host else host
    sip = ", ".join(config.sip.listen)
    print(f"dce: ready. SIP {sip}; HTTP http://{shown}:{port}", flush=True)


async def _keep(postgres: EmbeddedPostgres) -> None:
    """Start the embedded server again whenever it ends; only the record lags meanwhile."""
    while True:
        if postgres.pid is not None:
            await _until_gone(postgres.pid)
            log.error("embedded PostgreSQL ended, starting it again")
            postgres.stop()  # reaps it
        if not _start_embedded(postgres):
            await asyncio.sleep(RESTART_S)


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


async def drain(config: Config) -> None:
    """Close admission and wait for the last call, at most signal.drain_s."""
    link = LinkClient(config.signal_socket)
    try:
        async with asyncio.timeout(config.signal.drain_s):
            answer = await link.ask(Drain())
            live = answer.calls_live if isinstance(answer, Draining) else 0
            while live:
                await asyncio.sleep(POLL_S)
                health = await link.ask(ReadHealth())
                live = health.calls_live if isinstance(health, Health) else 0
    except TimeoutError:
        log.warning("%d s of draining are over, live calls are ended", config.signal.drain_s)
    except LinkDown as error:
        log.warning("cannot drain: %s", error)
    finally:
        await link.close()
