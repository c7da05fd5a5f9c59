"""`dce run`: folders, lock, ports, and then the supervisor with the embedded PostgreSQL beside it.

```
signal ─► PostgreSQL (ours, if no database.url), migrations ─(≤ DATABASE_S)─► record ─► api ─► ready
```
Calls are taken as soon as signal serves: a database that recovers for minutes after a power cut,
or cannot be had at all, only makes the record wait.
"""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence

import asyncpg

from dce.busy_port import check_ports
from dce.child_process import Child
from dce.config import Config
from dce.database import AWAY, CONNECT_S, embedded_postgres, migration_dsn
from dce.database_keeper import DatabaseKeeper
from dce.folders import lock_data, prepare_folders
from dce.link import LinkClient, LinkDown, LinkServer
from dce.reload import Reloader
from dce.service_notice import ServiceNotice
from dce.supervisor import Supervisor
from dce.supervisor_link import handler
from dce.telemetry import configure_logs
from storage.migrate import migrate_up
from vocabulary.commands import Drain, Draining, Health, ReadHealth
from vocabulary.errors import ExchangeError
from vocabulary.limits import descriptors_max

CHILDREN = ("signal", "record", "api")  # the first carries the calls
DATABASE_S = 15.0  # what record and api wait for it at the start, so that a first user finds it
POLL_S = 0.2  # how often a drain asks whether the last call has ended
MIGRATE_S = 15.0  # calls wait for no more; the record process goes on with it

log = logging.getLogger("dce.supervisor")


def run(config: Config, arguments: Sequence[str], again: Callable[[], Config]) -> int:
    """Run the exchange until it is told to end; its exit code.

    arguments: for the children; again: reads the settings anew. Raises ConfigError before
    anything was started.
    """
    configure_logs(config.log_level, config.environment, "supervisor")
    for line in config.not_used():
        log.warning("%s", line)
    prepare_folders(config)
    with lock_data(config):
        check_ports(config)
        raise_descriptors()
        forbid_core_dumps()
        return asyncio.run(_serve(config, arguments, again))


def raise_descriptors(wanted: int = descriptors_max) -> int:
    """Open files that this process and its children may have: as many as wanted, as far as the
    hard limit goes. Returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


def forbid_core_dumps() -> None:
    """Neither this process nor its children leave keys and callers behind in a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


async def _serve(
    config: Config, arguments: Sequence[str], again: Callable[[], Config]
) -> int:
    notice = ServiceNotice.take(os.environ)
    keeper = None if config.database.url else DatabaseKeeper(embedded_postgres(config))
    database = asyncio.create_task(_database(config, keeper))
    supervisor = Supervisor(
        _children(arguments), lambda: drain(config),
        before={"record": lambda: _a_while(database)}, notice=_notices(config, notice),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.tell)
    reloader = Reloader(config, again, "supervisor")
    loop.add_signal_handler(signal.SIGHUP, _reload, reloader, supervisor)
    link = LinkServer(
        config.supervisor_socket, handler(supervisor.children, supervisor.restarts)
    )
    await link.start()
    aside = [database, asyncio.create_task(notice.keep_awake())]
    if keeper is not None:
        aside.append(asyncio.create_task(keeper.run()))
    try:
        return await supervisor.run()
    finally:
        for task in aside:
            task.cancel()
        await asyncio.gather(*aside, return_exceptions=True)
        await link.stop()
        if keeper is not None:
            await keeper.close()


def _reload(reloader: Reloader, supervisor: Supervisor) -> None:
    """Settings that are wrong here would be wrong in every child."""
    if reloader.reload():
        for child in supervisor.children:
            if child.serves:
                child.send(signal.SIGHUP)


def _children(arguments: Sequence[str]) -> list[Child]:
    return [
        Child(
            name, [sys.executable, "-m", "dce", "worker", name, *arguments], dict(os.environ)
        )
        for name in CHILDREN
    ]


async def _a_while(database: "asyncio.Task[None]") -> None:
    done, _ = await asyncio.wait({database}, timeout=DATABASE_S)
    if not done:
        log.warning("PostgreSQL is not up after %.0f s, the rest starts without", DATABASE_S)


async def _database(config: Config, keeper: DatabaseKeeper | None) -> None:
    """One attempt to have PostgreSQL and its schema."""
    if keeper is not None:
        await keeper.attempted.wait()
    await _migrate(config)


async def _migrate(config: Config) -> None:
    """Bring the schema up, if that is quick; else the record process does it, beside the calls."""
    try:
        connection = await asyncpg.connect(migration_dsn(config), timeout=CONNECT_S)
        try:
            for step in await migrate_up(connection, within_s=MIGRATE_S):
                log.info("migrated to %04d_%s", step.version, step.name)
        finally:
            await connection.close(timeout=CONNECT_S)
    except (*AWAY, asyncpg.PostgresError, ExchangeError) as error:
        why = str(error) or type(error).__name__
        log.error("PostgreSQL is away or cannot be migrated, calls go on without: %s", why)


def _notices(config: Config, notice: ServiceNotice) -> Callable[[str], None]:
    """Tells the service manager, and whoever reads stdout that all processes serve."""

    def tell(word: str) -> None:
        if word == "draining":
            notice.say("STOPPING=1", "STATUS=draining: no new calls, live calls go on")
            return
        host, port = config.http.address()
        shown = f"[{host}]" if ":" in host else host
        sip = ", ".join(config.sip.listen)
        where = f"SIP {sip}; HTTP http://{shown}:{port}"
        notice.say("READY=1", f"STATUS={where}")
        print(f"dce: ready. {where}", flush=True)

    return tell


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
