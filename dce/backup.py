"""`dce backup` and `dce restore`: everything a new machine needs, and the proof that it is whole.

```
backup   PostgreSQL (pg_dump) ─► checkpoints ─► journal up to its mark ─► plans ─► keys apart
restore  digests ─► files ─► replay: the same balances to the micro-unit ─► PostgreSQL
```
In this order the journal is the newest: a database ahead of its journal is refused at the start,
one behind it catches up. Keys go to a folder of their own, since whoever has both can read the
personal fields.
"""

import asyncio
import os
import shutil
import subprocess
import time
from hashlib import file_digest
from pathlib import Path

import asyncpg
import msgspec
from msgspec import Struct

from dce.config import Config
from dce.database import CONNECT_S, migration_dsn
from dce.folders import is_running, prepare_folders
from dce.recovery import VERSION, recover
from exchange.recover import Replay
from storage.disk import OsDisk
from storage.journal_copy import copy_journal
from storage.postgres_binaries import find_binaries, program
from storage.segment import begun_segments
from storage.session import OPERATOR
from vocabulary.errors import ConfigError, StorageFailed
from vocabulary.instants import format_wall

MANIFEST = "backup.json"
DUMP = "database.dump"
LEFT_OUT = frozenset(("apply.lock",))
USED_UP = b"\xff\xff\xff\xff"
SELECT_ROLES = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'dce\\_%' ORDER BY 1"
COUNT_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
HAS_ROLE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"


class Manifest(Struct):
    """What a backup holds. files: SHA-256 by path below its folder; balances: micro-units by
    buyer at `seq`, the last record. roles: of the database's cluster, which its dump names."""

    version: str
    made_at: str
    seq: int
    first_seq: int
    balances: dict[str, int]
    pending: dict[str, int]
    roles: list[str]
    files: dict[str, str]
    keys: dict[str, str]


def back_up(config: Config, folder: Path, keys: Path) -> Manifest:
    """Write a backup of running or stopped data into two new folders. Blocks."""
    for new in (folder, keys):
        if new.exists() and any(new.iterdir()):
            raise ConfigError(f"{new}: expected a new or empty folder")
        new.mkdir(mode=0o700, parents=True, exist_ok=True)
    dsn = migration_dsn(config)
    roles = asyncio.run(_roles(dsn))
    _run("pg_dump", dsn, "--format=custom", "--enable-row-security", f"--file={folder / DUMP}")
    journal, states = folder / "journal", folder / "checkpoints"
    if config.checkpoint_dir.exists():
        _copy_checkpoints(config.checkpoint_dir, states)
    copy_journal(config.journal_dir, journal, running=is_running(config))
    _copy_tree(config.plans_dir, folder / "plans")
    _copy_file(config.tokens_file, folder / config.tokens_file.name)
    _copy_tree(config.keys_dir, keys)
    replay = recover(journal, states)
    manifest = Manifest(
        VERSION, format_wall(time.time_ns()), replay.state.seq,
        begun_segments(OsDisk(), journal)[0].header.first_seq, replay.state.balances,
        replay.state.pending, roles, digests(folder), digests(keys),
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    OsDisk().replace(folder / MANIFEST, text)
    return manifest


def restore(config: Config, folder: Path, keys: Path) -> Manifest:
    """Bring a backup to a machine without data. Blocks.

    The embedded server, where that is used, must run already. Raises ConfigError for data that
    is there, StorageFailed for a backup that is not whole.
    """
    manifest = read_manifest(folder)
    _compare(digests(folder), manifest.files, folder)
    _compare(digests(keys), manifest.keys, keys)
    prepare_folders(config)
    for taken in (config.journal_dir, config.checkpoint_dir, config.plans_dir):
        if any(taken.iterdir()):
            raise ConfigError(f"{taken} is not empty: a backup goes to a machine without data")
    _copy_tree(folder / "plans", config.plans_dir)
    _copy_file(folder / config.tokens_file.name, config.tokens_file)
    _copy_tree(keys, config.keys_dir)
    for used in config.keys_dir.glob("personal-*.used-*"):
        OsDisk().replace(used, USED_UP)  # the lost machine may have sealed on: a new key then
    _copy_tree(folder / "checkpoints", config.checkpoint_dir)
    _copy_tree(folder / "journal", config.journal_dir)
    check_replay(recover(config.journal_dir, config.checkpoint_dir), manifest)
    dsn = migration_dsn(config)
    asyncio.run(_prepare_database(dsn, manifest.roles))
    _run("pg_restore", dsn, "--no-owner", "--exit-on-error", "--single-transaction",
         str(folder / DUMP))
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself. Raises ConfigError where there is none."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise ConfigError(f"{folder}: no {MANIFEST}, so no whole backup") from None
    except msgspec.MsgspecError as error:
        raise StorageFailed(f"{folder / MANIFEST}: {error}") from error


def check_replay(replay: Replay, manifest: Manifest) -> None:
    """The journal gives what the manifest says, to the micro-unit. Raises StorageFailed."""
    found = (replay.state.seq, replay.state.balances, replay.state.pending)
    if found != (manifest.seq, manifest.balances, manifest.pending):
        raise StorageFailed(
            f"the journal ends at record {replay.state.seq} with other balances than the backup"
            f" says of record {manifest.seq}"
        )


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but the manifest."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (MANIFEST, f"{MANIFEST}.new"):
            with path.open("rb") as file:
                found[str(path.relative_to(folder))] = file_digest(file, "sha256").hexdigest()
    return found


def _compare(found: dict[str, str], told: dict[str, str], folder: Path) -> None:
    wrong = sorted(name for name in found.keys() | told.keys()
                   if found.get(name) != told.get(name))
    if wrong:
        raise StorageFailed(f"{folder}: not as it was written: {', '.join(wrong[:5])}")


def _copy_tree(source: Path, target: Path) -> None:
    """The files of a folder, durably; modes stay as the folder's owner has them."""
    disk = OsDisk()
    disk.make_directory(target)
    if source.exists():
        for path in sorted(source.iterdir()):
            if path.is_file() and path.name not in LEFT_OUT and not path.name.startswith("."):
                disk.replace(target / path.name, path.read_bytes())


def _copy_file(source: Path, target: Path) -> None:
    """A file that may be absent: tokens work at once, before the database is there."""
    data = OsDisk().read(source)
    if data is not None:
        OsDisk().replace(target, data)


def _copy_checkpoints(source: Path, target: Path) -> None:
    """The two states; one that a newer one replaces meanwhile is simply not there."""
    disk = OsDisk()
    disk.make_directory(target)
    for name in disk.names(source):
        data = disk.read(source / name) if name.startswith("checkpoint-") else None
        if data is not None and not name.endswith(".new"):
            disk.replace(target / name, data)


async def _roles(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
    try:
        return [row[0] for row in await connection.fetch(SELECT_ROLES)]
    finally:
        await connection.close(timeout=CONNECT_S)


async def _prepare_database(dsn: str, roles: list[str]) -> None:
    """An empty database with the roles that the dump names."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
    try:
        if await connection.fetchval(COUNT_TABLES):
            raise ConfigError("the database has tables: a backup goes to an empty one")
        for role in roles:
            if not await connection.fetchval(HAS_ROLE, role):
                await connection.execute(f"CREATE ROLE {_identifier(role)} NOLOGIN")
    finally:
        await connection.close(timeout=CONNECT_S)


def _identifier(name: str) -> str:
    """A name as SQL takes it where no bind parameter can stand."""
    return '"' + name.replace('"', '""') + '"'


def _run(name: str, dsn: str, *options: str) -> None:
    """One of PostgreSQL's own programs: the wheel's, else what PATH has.

    Raises StorageFailed with what it said.
    """
    environment = {**os.environ, "PGOPTIONS": f"-c dce.account={OPERATOR}"}
    done = subprocess.run(
        [_program(name), *options, f"--dbname={dsn}"], env=environment,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise StorageFailed(f"{name} failed: {done.stderr.strip()}")


def _program(name: str) -> str:
    try:
        return program(find_binaries(), name)
    except ConfigError:
        found = shutil.which(name)
        if found is None:
            raise ConfigError(f"{name} is neither in the wheel nor on PATH") from None
        return found
