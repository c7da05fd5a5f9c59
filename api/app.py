"""The HTTP application: routes of /api/v1, health and metrics, behind three middlewares.

request → count → problems (errors become RFC 9457) → bearer guard → route
"""

from aiohttp import web

from api.accounts import account_routes
from api.auth import bearer_guard
from api.calls import call_routes
from api.deps import Deps
from api.health import health_routes
from api.metrics import HttpCounters, metric_routes
from api.plans import plan_routes
from api.problem import problems
from vocabulary import limits


def make_app(deps: Deps) -> web.Application:
    """The application; bodies above limits.http_body_bytes_max are refused with 413."""
    http = HttpCounters()
    app = web.Application(
        client_max_size=limits.http_body_bytes_max,
        middlewares=[http.middleware(), problems, bearer_guard(deps.find_token)],  # type: ignore[list-item]
    )
    app.add_routes(
        [
            *health_routes(deps),
            *metric_routes(deps, http),
            *plan_routes(deps),
            *account_routes(deps),
            *call_routes(deps),
        ]
    )
    app.on_response_prepare.append(_harden)
    return app


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Name no version, let no browser guess a type or frame an answer."""
    response.headers["Server"] = "dce"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Content-Security-Policy"] = "default-src 'none'"
