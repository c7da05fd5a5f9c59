"""Who may ask: a bearer token on everything but health and metrics (RFC 6750 §2.1).

A wrong, revoked, malformed or missing token gets one and the same 401. Tokens in the URL are not
read at all.
"""

from collections.abc import Callable
from hashlib import sha256

from aiohttp import web

from api.problem import Handler, Problem
from vocabulary import limits

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
CALLER = web.RequestKey("caller", str)

FindToken = Callable[[bytes], str | None]  # SHA-256 of a token → name it was made for


def token_hash(token: str) -> bytes:
    """SHA-256 of a token: 256 random bits need no slower hash."""
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


def bearer_guard(find: FindToken) -> Callable[..., object]:
    """Middleware that lets only known bearer tokens pass."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            name = find(token_hash(_token_of(request)))
            if name is None:
                raise unauthorized()
            request[CALLER] = name
        return await handler(request)

    return guard


def unauthorized() -> Problem:
    """The one 401."""
    return Problem(
        401, "unauthorized", "a valid bearer token is needed: dce admin create NAME",
        headers={"WWW-Authenticate": 'Bearer realm="dce"'},
    )


def _token_of(request: web.Request) -> str:
    """The token of the one Authorization header, "" if there is none that is well formed."""
    headers = request.headers.getall("Authorization", [])
    if len(headers) != 1:
        return ""
    scheme, _, token = headers[0].partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or len(token) > limits.token_characters_max:
        return ""
    return token
