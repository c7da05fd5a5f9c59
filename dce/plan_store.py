"""Applying a plan: validated, compiled, written, recorded, swapped in; or refused and forgotten.

```
document ─load─► source ─compile (thread)─► NNNNNN.plan .bids .json   durable files
                                         └► PostgreSQL plans          configuration's truth
                                         └► ApplyPlan over the link   the worker swaps, then
                                                                      names it in `current`
```
A refusal takes files and row back; the running plan and `current` stay as they were. Where it is
not known whether the worker swapped (no answer, a journal that failed meanwhile) nothing is taken
back: the worker may run on this plan, or name it in `current` yet.
"""

import asyncio
import fcntl
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path

import asyncpg
import msgspec

from api.deps import AppliedPlan, CurrentPlan
from dce import plan_files
from dce.api_link import InDoubt
from dce.database import Database
from dce.dial_rules import dial_rules
from dce.folders import write_durably
from dce.plan_rows import write_plan_rows
from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan_file import digest, encode_bids, encode_plan
from routing.plan_source import PlanSource, load, to_builtins
from vocabulary import limits
from vocabulary.commands import ApplyPlan, PlanSwapped, Refusal, Request, Response
from vocabulary.errors import CommandRefused

Ask = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("dce.plan")

LOCK_NAME = "apply.lock"
LOCK_WAIT_S = 30.0
LOCK_POLL_S = 0.05
VERSIONS_KEPT = 20
INSERT_S = 60.0  # a plan may be tens of megabytes

SELECT_LAST = "SELECT coalesce(max(version), 0) FROM plans"
INSERT_PLAN = "INSERT INTO plans (version, digest, source) VALUES ($1, $2, $3)"
DELETE_PLAN = "DELETE FROM plans WHERE version = $1 AND applied_at IS NULL"


class NothingSwapped(Exception):
    """Applying ended before the worker changed anything. recorded: its row may be there."""

    def __init__(self, reason: BaseException, *, recorded: bool) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.recorded = recorded


class PlanStore:
    """`api.deps.Plans` over the plans folder, PostgreSQL and the link."""

    def __init__(
        self, plans_dir: Path, database: Database, ask: Ask, *, lock_wait_s: float = LOCK_WAIT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """ask: the signal worker; it may take as long as a large swap does. clock: Unix seconds."""
        self._folder = plans_dir
        self._database = database
        self._ask = ask
        self._lock_wait_s = lock_wait_s
        self._clock = clock

    async def current(self) -> CurrentPlan | None:
        """The plan that was applied last; None before the first. Works without PostgreSQL."""
        return await asyncio.to_thread(self._read_current)

    async def apply(self, document: object, expected_digest: str | None) -> AppliedPlan:
        """Validate, compile, record and swap in. Raises PlanRefused, CommandRefused."""
        source = await asyncio.to_thread(load, document)
        async with self._alone():
            now = await self.current()
            if expected_digest not in (None, now.digest if now else ""):
                raise CommandRefused(
                    "plan_changed", "the plan was changed meanwhile; read it again and retry"
                )
            version = await self._next_version(now)
            text = msgspec.json.encode(to_builtins(source))
            try:
                warnings = await self._write(version, source, text)
                swapped = await self._swap(version)
            except NothingSwapped as error:
                await self._take_back(version, recorded=error.recorded)
                raise error.reason from error
            await asyncio.to_thread(self._forget, version - VERSIONS_KEPT)
            await self._note(source, version)
            return AppliedPlan(
                version, _etag(text), tuple(warnings), swapped.bids_put, swapped.bids_removed
            )

    async def refresh(self) -> AppliedPlan | None:
        """Apply the source in force again if it was compiled long ago, else None.

        Raises as apply.
        """
        now = await self.current()
        if now is None:
            return None
        path = plan_files.plan_path(self._folder, now.version)
        file, _ = await asyncio.to_thread(plan_files.read_plan, path)
        if self._clock() - file.compiled_s < limits.plan_refresh_s:
            return None
        return await self.apply(msgspec.json.decode(now.source), now.digest)

    async def _note(self, source: PlanSource, version: int) -> None:
        """Rows for the reports. The plan is in force already, so a failure only leaves old ones."""
        try:
            await write_plan_rows(self._database, source, version)
        except (CommandRefused, asyncpg.PostgresError) as error:
            log.warning("the rows of plan %d's objects are not up to date: %s", version, error)

    async def _next_version(self, now: CurrentPlan | None) -> int:
        async with self._database.connection() as connection:
            stored = int(await connection.fetchval(SELECT_LAST))
        return max(stored, now.version if now else 0) + 1

    async def _write(self, version: int, source: PlanSource, text: bytes) -> list[str]:
        """Files and row of a version; warnings. Raises NothingSwapped."""
        try:
            plan_digest, warnings = await asyncio.to_thread(self._compile, version, source, text)
            async with self._database.connection(INSERT_S) as connection:
                await connection.execute(INSERT_PLAN, version, plan_digest, text.decode())
        except BaseException as error:
            raise NothingSwapped(error, recorded=False) from error
        return warnings

    async def _swap(self, version: int) -> PlanSwapped:
        """The worker's answer. Raises NothingSwapped, or CommandRefused where that is unknown."""
        command = ApplyPlan(
            version, str(plan_files.plan_path(self._folder, version)),
            str(plan_files.bids_path(self._folder, version)),
        )
        try:
            answer = await self._ask(command)
        except InDoubt as doubt:
            raise CommandRefused(
                plan_files.IN_DOUBT, _doubtful(version, doubt.detail), retry=True
            ) from doubt
        except CommandRefused as refused:
            raise NothingSwapped(refused, recorded=True) from refused
        if isinstance(answer, Refusal):
            refusal = CommandRefused(answer.code, answer.detail, retry=answer.retry)
            if answer.code == plan_files.IN_DOUBT:
                raise refusal
            raise NothingSwapped(refusal, recorded=True)
        assert isinstance(answer, PlanSwapped)
        return answer

    async def _take_back(self, version: int, *, recorded: bool) -> None:
        await asyncio.to_thread(self._forget, version)
        if not recorded:
            return
        with suppress(CommandRefused):  # the row stays without applied_at; nobody reads it
            async with self._database.connection() as connection:
                await connection.execute(DELETE_PLAN, version)

    def _compile(self, version: int, source: PlanSource, text: bytes) -> tuple[bytes, list[str]]:
        """Write the files of a version; digest of the compiled plan, and warnings."""
        file, bids, warnings = compile_plan(
            source, now_s=int(self._clock()), version=version, areas=bundled_areas(),
            dial_rules=dial_rules({trunk.country for trunk in source.trunks}),
        )
        compiled = encode_plan(file)
        write_durably(plan_files.plan_path(self._folder, version), compiled)
        write_durably(plan_files.bids_path(self._folder, version), encode_bids(bids))
        plan_files.write_book(self._folder, version, bids)
        write_durably(_source_path(self._folder, version), text)
        return digest(compiled), warnings

    def _forget(self, version: int) -> None:
        """Drop the files of a version that nobody reads, or not any more."""
        for path in (
            plan_files.plan_path(self._folder, version),
            plan_files.bids_path(self._folder, version),
            plan_files.book_path(self._folder, version),
            _source_path(self._folder, version),
        ):
            path.unlink(missing_ok=True)

    def _read_current(self) -> CurrentPlan | None:
        version = plan_files.read_current(self._folder)
        if not version:
            return None
        text = _source_path(self._folder, version).read_bytes()
        return CurrentPlan(version, _etag(text), text)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One applying process at a time: api and command line share the folder."""
        with (self._folder / LOCK_NAME).open("w") as file:
            deadline = time.monotonic() + self._lock_wait_s
            while not _locked(file.fileno()):
                if time.monotonic() > deadline:
                    raise CommandRefused("plan_busy", "another plan is being applied", retry=True)
                await asyncio.sleep(LOCK_POLL_S)
            yield


def _doubtful(version: int, reason: str) -> str:
    return f"{reason}: whether plan {version} is in force is not known; read it, then apply again"


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _source_path(folder: Path, version: int) -> Path:
    return folder / f"{version:06d}.json"


def _etag(text: bytes) -> str:
    return sha256(text).hexdigest()[:32]
