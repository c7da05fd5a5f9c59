"""GET /healthz: this process answers. GET /readyz: new calls are taken (200) or not (503).

A database that is away does not make the exchange unready: calls go on; it shows as degraded.
"""

from aiohttp import web
from msgspec import Struct

from api.answers import ask_for
from api.body import json_response
from api.deps import Deps
from vocabulary.commands import Health, ReadHealth
from vocabulary.errors import CommandRefused

SIGNAL_AWAY = Health(
    ready=False, reasons=("signal_away",), plan_version=0, calls_live=0, durable_seq=0
)


class Readiness(Struct, frozen=True):
    """Answer of /readyz. reasons: why not ready; degraded: what is away meanwhile."""

    ready: bool
    reasons: tuple[str, ...]
    degraded: tuple[str, ...]
    plan_version: int
    calls_live: int


def health_routes(deps: Deps) -> list[web.AbstractRouteDef]:
    """The routes of this module."""

    async def healthz(_request: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        try:
            health = await ask_for(deps.ask, ReadHealth(), Health)
        except CommandRefused:
            health = SIGNAL_AWAY
        readiness = Readiness(
            ready=health.ready, reasons=health.reasons, degraded=await _degraded(deps),
            plan_version=health.plan_version, calls_live=health.calls_live,
        )
        return json_response(readiness, status=200 if health.ready else 503)

    return [
        web.get("/healthz", healthz, name="healthz"),
        web.get("/readyz", readyz, name="readyz"),
    ]


async def _degraded(deps: Deps) -> tuple[str, ...]:
    away = []
    if not await deps.database_up():
        away.append("database_away")
    try:
        health = await deps.record_health()
        away += [reason for reason in health.reasons if reason not in away]
    except CommandRefused:
        away.append("record_away")
    return tuple(away)
