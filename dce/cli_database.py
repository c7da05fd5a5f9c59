"""Commands that need PostgreSQL: migrate, record rebuild, call show, plan apply, admin.

While `dce run` holds the data they use its server; otherwise an embedded one is started for the
time of the command.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from api.plans import parse_json, parse_yaml
from api.problem import Problem
from dce.api_link import linked_ask
from dce.call_text import call_text
from dce.config import Config
from dce.database import (
    AWAY,
    CONNECT_S,
    Database,
    database_away,
    database_dsn,
    embedded_postgres,
    migration_dsn,
)
from dce.folders import is_running, prepare_folders
from dce.link import LinkClient
from dce.plan_store import PlanStore
from dce.records import RecordedCalls
from dce.token_store import create_token as create
from dce.token_store import revoke_token as revoke
from storage import migrate as migrations
from storage.rebuild import rebuild
from vocabulary import limits
from vocabulary.errors import CommandRefused, ConfigError
from vocabulary.ids import parse_uuid

PLAN_S = 120.0


def migrate(config: Config, way: str, steps: int | None) -> int:
    """`dce migrate up | status | down --steps N`."""
    with command_server(config):
        return asyncio.run(_migrate(config, way, steps))


def rebuild_record(config: Config, segment: int) -> int:
    """`dce record rebuild --from SEGMENT`: the record again, out of the journal."""
    with command_server(config):
        return asyncio.run(_rebuild(config, segment))


def create_token(config: Config, name: str) -> int:
    """`dce admin create NAME`: the token on stdout, once."""

    async def work(database: Database) -> int:
        token = await create(database, config.tokens_file, name)
        print(token)
        print(f"Token of {name}. It is shown this once; keep it.", file=sys.stderr)
        return 0

    return _with_database(config, work)


def revoke_token(config: Config, name: str) -> int:
    """`dce admin revoke NAME`: its token is refused from now on."""

    async def work(database: Database) -> int:
        await revoke(database, config.tokens_file, name)
        print(f"Token of {name} is revoked.", file=sys.stderr)
        return 0

    return _with_database(config, work)


def show_call(config: Config, text: str, *, as_json: bool) -> int:
    """`dce call show ID`: the call, its attempts, its decision, its money."""
    try:
        call_id = parse_uuid(text)
    except ValueError:
        raise ConfigError(
            f"call show: expected an id of 32 hexadecimal digits, got {text!r}"
        ) from None

    async def work(database: Database) -> int:
        call = await RecordedCalls(config, database).read_call(call_id)
        if call is None:
            raise CommandRefused("call_unknown", f"no call {text} among the recorded ones")
        if as_json:
            shown = msgspec.json.format(msgspec.json.encode(call), indent=2).decode()
        else:
            shown = call_text(call)
        print(shown)
        return 0

    return _with_database(config, work)


def apply_plan_file(config: Config, path: str) -> int:
    """`dce plan apply FILE`: into the exchange that runs on this data."""
    document = _read_plan(path)
    if not is_running(config):
        raise CommandRefused("not_running", f"no exchange runs on {config.data}: dce run")

    async def work(database: Database) -> int:
        link = LinkClient(config.signal_socket)
        try:
            ask = linked_ask(link, "signal", PLAN_S)
            done = await PlanStore(config.plans_dir, database, ask).apply(document, None)
        finally:
            await link.close()
        for warning in done.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        print(
            f"plan {done.version} routes calls: {done.bids_put} bids put,"
            f" {done.bids_removed} removed"
        )
        return 0

    return _with_database(config, work)


def _read_plan(path: str) -> object:
    """Document of a plan file, JSON by its name, else YAML. Raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limits.plan_bytes_max + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > limits.plan_bytes_max:
        raise ConfigError(f"{path}: expected at most {limits.plan_bytes_max} bytes")
    try:
        return parse_json(data) if path.endswith(".json") else parse_yaml(data)
    except Problem as problem:
        raise ConfigError(f"{path}: {problem.body.detail}") from None


def _with_database(config: Config, work: Callable[[Database], Awaitable[int]]) -> int:
    with command_server(config):
        return asyncio.run(_work(config, work))


async def _work(config: Config, work: Callable[[Database], Awaitable[int]]) -> int:
    async with _connected(config) as connection:
        await migrations.migrate_up(connection)
    database = Database(database_dsn(config))
    try:
        return await work(database)
    finally:
        await database.close()


async def _rebuild(config: Config, segment: int) -> int:
    async with _connected(config) as connection:
        await migrations.migrate_up(connection)
    try:
        done = await rebuild(migration_dsn(config), config.journal_dir, 0, segment, _say_progress)
    except AWAY as error:
        raise database_away(error) from error
    print(
        f"records {done.first_seq} to {done.last_seq}: {done.rows} rows in {done.seconds:.1f} s,"
        f" {done.rejected} facts set aside"
    )
    return 0


def _say_progress(done: int, last: int) -> None:
    if sys.stderr.isatty():
        print(f"\rrecord {done} of {last}", end="" if done < last else "\n", file=sys.stderr)


async def _migrate(config: Config, way: str, steps: int | None) -> int:
    async with _connected(config) as connection:
        if way == "status":
            for step in await migrations.migration_status(connection):
                mark = "applied" if step.applied else "missing"
                print(f"{step.version:04d}_{step.name}  {mark}")
            return 0
        if way == "up":
            done = await migrations.migrate_up(connection)
        else:
            assert steps is not None
            done = await migrations.migrate_down(connection, steps)
    verb = "applied" if way == "up" else "taken back"
    for step in done:
        print(f"{step.version:04d}_{step.name}  {verb}")
    if not done:
        print("nothing to do")
    return 0


@asynccontextmanager
async def _connected(config: Config) -> AsyncIterator[Any]:
    """A connection of who migrates. Raises CommandRefused("database_away")."""
    try:
        connection = await asyncpg.connect(migration_dsn(config), timeout=CONNECT_S)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_S)
    except asyncpg.LockNotAvailableError as error:
        raise CommandRefused(
            "database_busy", f"another process migrates, or holds a table: {error}", retry=True
        ) from error
    except AWAY as error:
        raise database_away(error) from error


@contextmanager
def command_server(config: Config) -> Iterator[None]:
    """A PostgreSQL for the time of a command, where the embedded one is ours and not running."""
    if config.database.url or is_running(config):
        yield
        return
    prepare_folders(config)
    postgres = embedded_postgres(config)
    postgres.start()
    try:
        yield
    finally:
        postgres.stop()
