"""`dce check`: configuration, ports, folders, database and plan, each said to be right or wrong."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from dce import plan_files
from dce.busy_port import check_ports
from dce.config import Config
from dce.database import AWAY, CONNECT_S, database_dsn
from dce.folders import is_running, prepare_folders
from storage.migrate import migration_status
from storage.postgres_binaries import find_binaries
from vocabulary.errors import ConfigError, ExchangeError

Check = Callable[[Config], Awaitable[str]]


def check(config: Config) -> int:
    """Print one line a check; 0 if all are right, 1 otherwise."""
    return asyncio.run(_check(config))


async def _check(config: Config) -> int:
    wrong = 0
    for name, work in CHECKS:
        try:
            found = await work(config)
        except (ExchangeError, *AWAY, asyncpg.PostgresError) as error:
            wrong += 1
            text = str(error) or type(error).__name__
            print(f"WRONG  {name:<14} " + text.replace("\n", f"\n{'':<22}"))
        else:
            print(f"ok     {name:<14} {found}")
    return 1 if wrong else 0


async def _configuration(config: Config) -> str:
    given = ", ".join(f"{key} from {where}" for key, where in config.origins.items())
    return given or "all defaults"


async def _folders(config: Config) -> str:
    prepare_folders(config)
    return f"{config.data}, sockets in {config.runtime}"


async def _ports(config: Config) -> str:
    if is_running(config):
        return "held by the exchange that runs on this data"
    check_ports(config)
    return f"{', '.join(config.sip.listen)}; HTTP {config.http.listen}"


async def _database(config: Config) -> str:
    if not config.database.url and not is_running(config):
        return f"embedded PostgreSQL of {find_binaries()} in {config.postgres_dir}"
    connection = await asyncpg.connect(database_dsn(config), timeout=CONNECT_S)
    try:
        steps = await migration_status(connection)
        version = connection.get_server_version()
    finally:
        await connection.close(timeout=CONNECT_S)
    missing = sum(not step.applied for step in steps)
    state = f"{missing} migrations missing: dce migrate up" if missing else "schema up to date"
    return f"PostgreSQL {version.major}, {state}"


async def _plan(config: Config) -> str:
    """The plan that the next start takes is whole."""
    try:
        version = plan_files.read_current(config.plans_dir)
    except ValueError as error:
        raise ConfigError(f"{config.plans_dir / plan_files.CURRENT_NAME}: {error}") from None
    if not version:
        return "none yet: dce plan apply FILE"
    file, _ = plan_files.read_plan(plan_files.plan_path(config.plans_dir, version))
    chunks = plan_files.read_bids(plan_files.bids_path(config.plans_dir, version))
    return f"version {file.version}, {sum(len(chunk) for chunk in chunks)} standing bids"


CHECKS: tuple[tuple[str, Check], ...] = (
    ("configuration", _configuration), ("folders", _folders), ("ports", _ports),
    ("database", _database), ("plan", _plan),
)
