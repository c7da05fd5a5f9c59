"""`dce check`: whatever the exchange stands on, each said to be right or wrong; starts nothing.

A check returns its Finding or raises; an error of the project or of the database is a failure
with its text. Exit: 1 if anything failed, else 0, warnings or not.
"""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec

from dce import plan_files
from dce.busy_port import check_ports
from dce.check_database import database
from dce.check_disk import journal, storage
from dce.check_machine import build, clock, descriptors, receive_buffer
from dce.config import Config
from dce.database import AWAY
from dce.finding import Finding, fail, ok, warn
from dce.folders import is_running, prepare_folders
from dce.secret_settings import SECRETS, open_to_others
from routing.plan_build import build_plan
from routing.slots import Slots
from vocabulary.errors import ConfigError, ExchangeError

Check = Callable[[Config], Awaitable[Finding]]
FAILED = 1


def check(config: Config, *, as_json: bool = False) -> int:
    """Print one finding after another, or one JSON list of them; 0, or 1 if one failed."""
    found = asyncio.run(_check(config, None if as_json else _print))
    if as_json:
        rows = [{"check": name, **msgspec.to_builtins(finding)} for name, finding in found]
        print(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
    return FAILED if any(finding.state == "fail" for _, finding in found) else 0


def _print(name: str, finding: Finding) -> None:
    print(finding.lines(name), flush=True)


async def _check(
    config: Config, tell: Callable[[str, Finding], None] | None
) -> list[tuple[str, Finding]]:
    found = []
    for name, work in CHECKS:
        try:
            finding = await work(config)
        except (ExchangeError, *AWAY, asyncpg.PostgresError) as error:
            finding = fail(str(error) or type(error).__name__)
        found.append((name, finding))
        if tell is not None:
            tell(name, finding)
    return found


async def _configuration(config: Config) -> Finding:
    """Where the settings come from; one that nothing reads; a secret that others can read."""
    given = ", ".join(f"{key} from {where}" for key, where in config.origins.items())
    readable = {
        path for key in SECRETS if (path := open_to_others(config.origins.get(key, "environment ")))
    }
    wrong = config.not_used()
    wrong += [f"{path} holds a secret and is open to others" for path in sorted(readable)]
    if not wrong:
        return ok(given or "all defaults")
    advice = "take out what is not used" if config.not_used() else ""
    modes = "; ".join(f"chmod 600 {path}" for path in sorted(readable))
    return warn("\n".join(wrong), "; ".join(filter(None, (advice, modes))))


async def _folders(config: Config) -> Finding:
    prepare_folders(config)
    return ok(f"{config.data}, sockets in {config.runtime}")


async def _ports(config: Config) -> Finding:
    wanted = f"{', '.join(config.sip.listen)}; HTTP {config.http.listen}"
    if is_running(config):
        return ok(f"{wanted}: held by the exchange that runs on this data")
    try:
        check_ports(config)
    except ConfigError as error:
        return fail(str(error), "end that process, or set sip.listen or http.listen")
    return ok(f"{wanted}: free")


async def _plan(config: Config) -> Finding:
    """The plan that the next start takes is whole and can be built."""
    try:
        version = plan_files.read_current(config.plans_dir)
    except ValueError as error:
        return fail(f"{config.plans_dir / plan_files.CURRENT_NAME}: {error}", "dce plan apply FILE")
    if not version:
        return warn("none yet: every call gets 503", "dce run, then dce plan apply FILE")
    file, _ = plan_files.read_plan(plan_files.plan_path(config.plans_dir, version))
    bids = sum(len(chunk) for chunk in plan_files.read_bids(
        plan_files.bids_path(config.plans_dir, version)))
    plan = build_plan(file, Slots())
    return ok(
        f"version {file.version}: {len(plan.campaigns)} campaigns, {bids} standing bids"
    )


CHECKS: tuple[tuple[str, Check], ...] = (
    ("configuration", _configuration), ("build", build), ("folders", _folders),
    ("ports", _ports), ("storage", storage), ("journal", journal), ("database", database),
    ("plan", _plan), ("clock", clock), ("open files", descriptors),
    ("receive buffer", receive_buffer),
)
