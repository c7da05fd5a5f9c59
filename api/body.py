"""Bodies and parameters in, JSON out: bounded, typed, refused with a path."""

import asyncio
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from api.problem import FieldError, Problem

T = TypeVar("T")
BODY_S = 30.0
JSON = "application/json"


async def read_body(request: web.Request) -> bytes:
    """The whole body; 413 above the application's limit, 408 if it takes more than BODY_S."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "encoding_unsupported", "send the body without Content-Encoding")
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise Problem(408, "body_too_slow", f"the body took more than {BODY_S:g} s") from None


async def read_json(request: web.Request, kind: type[T]) -> T:
    """The body as a Struct; 415 for another media type, 400 with the path of the mistake."""
    if request.content_type != JSON:
        raise Problem(415, "media_type_unsupported", f"expected Content-Type: {JSON}")
    return decode_json(await read_body(request), kind)


def decode_json(data: bytes, kind: type[T]) -> T:
    """A Struct of JSON text. Raises Problem 400."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "json_invalid", f"not valid JSON: {error}") from None


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query parameters as a Struct; an unknown or repeated one is a mistake."""
    query = request.query
    repeated = [name for name in query if len(query.getall(name)) > 1]
    if repeated:
        raise _invalid(f"given more than once - at `$.{repeated[0]}`")
    try:
        return msgspec.convert(dict(query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), "query") from None


def json_response(
    value: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """JSON answer; never cached, because money and calls change."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type=JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _invalid(text: str, whole: str = "body") -> Problem:
    """400 of a msgspec message: "Expected `int`, got `str` - at `$.amount`".

    whole: what to name where the message names no field.
    """
    message, _, path = text.partition(" - at `$")
    error = FieldError(path.strip("`.") or whole, message)
    return Problem(400, "request_invalid", f"{error.path}: {error.message}", errors=(error,))
