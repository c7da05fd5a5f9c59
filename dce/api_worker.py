"""The api worker: HTTP over the links, the database and the token cache."""

import asyncio
import logging
import os
import signal
from typing import NamedTuple

from aiohttp import web

from api.answers import ask_for
from api.app import make_app
from api.deps import Ask, Deps
from dce.addresses import Listen
from dce.api_link import linked_ask
from dce.busy_port import explain
from dce.child import announce_ready
from dce.config import Config
from dce.database import Database, database_dsn
from dce.folders import secret_file
from dce.link import LinkClient
from dce.plan_refresh import keep_fresh
from dce.plan_store import PlanStore
from dce.records import RecordedCalls
from dce.token_store import refresh_cache
from dce.tokens import TokenCache
from vocabulary.commands import Health, ReadHealth, ReadStatistics, Statistics
from vocabulary.errors import CommandRefused

CURSOR_KEY_BYTES = 32
PLAN_S = 120.0  # a swap of a large plan is done in short steps between calls
KEEP_ALIVE_S = 30.0
SHUTDOWN_S = 5.0
TOKENS_AGAIN_S = 5.0
EXIT_PORT = 1

log = logging.getLogger("dce.api")


class Links(NamedTuple):
    """The other processes."""

    signal: LinkClient
    record: LinkClient
    supervisor: LinkClient


async def run(config: Config) -> int:
    """Run the worker to its end; its exit code: 0, or EXIT_PORT if the address is taken."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    links = Links(
        LinkClient(config.signal_socket), LinkClient(config.record_socket),
        LinkClient(config.supervisor_socket),
    )
    database = Database(database_dsn(config))
    runner = web.AppRunner(
        make_app(make_deps(config, links, database)), access_log=None,
        keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=SHUTDOWN_S,
    )
    await runner.setup()
    aside = [
        asyncio.create_task(_fill_cache(config, database)),
        asyncio.create_task(keep_fresh(plan_store(config, links, database))),
    ]
    try:
        if not await _listen(config, runner):
            return EXIT_PORT
        announce_ready()
        await ended.wait()
        return 0
    finally:
        for task in aside:
            task.cancel()
        await runner.cleanup()
        await database.close()
        for link in links:
            await link.close()


def make_deps(config: Config, links: Links, database: Database) -> Deps:
    """What the application is given."""
    ask_record = linked_ask(links.record, "record")
    ask_supervisor = linked_ask(links.supervisor, "supervisor")
    return Deps(
        ask=linked_ask(links.signal, "signal"),
        record_statistics=lambda: _statistics(ask_record),
        supervisor_statistics=lambda: _statistics(ask_supervisor),
        record_health=lambda: _record_health(ask_record),
        records=RecordedCalls(config, database),
        plans=plan_store(config, links, database),
        find_token=TokenCache(config.tokens_file).find,
        database_up=database.up,
        cursor_key=secret_file(config.keys_dir / "cursor.key", CURSOR_KEY_BYTES),
    )


def plan_store(config: Config, links: Links, database: Database) -> PlanStore:
    """Applies plans to the signal worker; two of one folder take turns by its lock."""
    return PlanStore(config.plans_dir, database, linked_ask(links.signal, "signal", PLAN_S))


async def _statistics(ask: Ask) -> Statistics:
    return await ask_for(ask, ReadStatistics(), Statistics)


async def _record_health(ask: Ask) -> Health:
    return await ask_for(ask, ReadHealth(), Health)


async def _listen(config: Config, runner: web.AppRunner) -> bool:
    """Whether the address could be bound; says why not."""
    host, port = config.http.address()
    try:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
    except OSError as error:
        log.error("%s", explain(config, "http.listen", Listen("tcp", host, port), error))
        return False
    return True


async def _fill_cache(config: Config, database: Database) -> None:
    """Make the token cache from PostgreSQL where it is missing: new disk, restored database."""
    while not os.path.exists(config.tokens_file):
        try:
            count = await refresh_cache(database, config.tokens_file)
            log.info("%d tokens are valid", count)
        except CommandRefused:
            await asyncio.sleep(TOKENS_AGAIN_S)
