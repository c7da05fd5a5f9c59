"""Errors over HTTP: RFC 9457 problem details with our stable code and whether a retry helps."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from vocabulary import limits
from vocabulary.errors import CommandRefused, PlanRefused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

# Status of a refused command by its code; a code that is absent is 422, or 503 if a retry helps.
STATUS_OF_CODE = {
    "account_unknown": 404,
    "plan_changed": 412,
    "fault": 500,
    "answer_too_large": 500,
}
TITLES = {
    400: "Bad request", 401: "Unauthorized", 404: "Not found", 405: "Method not allowed",
    408: "Request timeout", 409: "Conflict", 412: "Precondition failed",
    413: "Content too large", 415: "Unsupported media type", 422: "Unprocessable content",
    500: "Internal error", 503: "Service unavailable",
}
CODES = {
    400: "request_invalid", 404: "not_found", 405: "method_not_allowed",
    408: "body_too_slow", 413: "body_too_large", 415: "media_type_unsupported",
}

log = logging.getLogger("dce.api")


class FieldError(Struct, frozen=True):
    """One mistake of a document. path: such as "campaigns[2].targets[0]"."""

    path: str
    message: str


class ProblemBody(Struct, frozen=True):
    """RFC 9457 §3.1 members, and ours: code, retry, errors."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: bool
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):
    """Ends a request with a problem document. retry: the same request may succeed later."""

    def __init__(
        self, status: int, code: str, detail: str, *, retry: bool = False,
        errors: tuple[FieldError, ...] = (), headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.body = ProblemBody(
            type=f"urn:dce:problem:{code}", title=TITLES.get(status, "Error"), status=status,
            detail=detail, code=code, retry=retry, errors=errors,
        )
        self.headers = dict(headers or {})
        if status == 503:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))

    def response(self) -> web.Response:
        """The HTTP answer."""
        return web.Response(
            status=self.body.status, body=msgspec.json.encode(self.body),
            content_type=MEDIA_TYPE, headers=self.headers,
        )


def problem_of_refusal(code: str, detail: str, retry: bool) -> Problem:
    """The problem a refused command becomes."""
    status = STATUS_OF_CODE.get(code, 503 if retry else 422)
    return Problem(status, code, detail, retry=retry)


def problem_of_plan(refused: PlanRefused) -> Problem:
    """422 with every error of a plan, at most limits.plan_errors_shown_max."""
    shown = refused.errors[: limits.plan_errors_shown_max]
    errors = tuple(FieldError(path, text) for path, text in shown)
    detail = f"the plan has {len(refused.errors)} errors; the running plan stays"
    return Problem(422, "plan_refused", detail, errors=errors)


def _problem_of_http(error: web.HTTPException) -> Problem:
    """What aiohttp itself refuses: no such path, wrong method, body too large."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    code = CODES.get(error.status, "http_error")
    detail = TITLES.get(error.status, error.reason)
    return Problem(error.status, code, detail, headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every way to fail into a problem document; what nobody foresaw is 500 and logged."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except PlanRefused as refused:
        return problem_of_plan(refused).response()
    except CommandRefused as refused:
        return problem_of_refusal(refused.code, refused.detail, refused.retry).response()
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _problem_of_http(error).response()
    except ConnectionResetError:
        raise  # the peer left; nobody reads an answer
    except Exception:
        log.exception("api: %s failed", request.match_info.route.name or request.method)
        return Problem(500, "fault", "the request failed, see the server's log").response()
