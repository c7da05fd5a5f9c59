"""The plan: GET and PUT /api/v1/plan.

GET gives the source of the plan in force as JSON, or YAML for `Accept: application/yaml`, with
its ETag. PUT takes either, validates and compiles the whole of it and swaps it in, or refuses it
whole with the path of every error. If-Match makes PUT safe beside other editors; If-None-Match: *
only lets the first plan in.
"""

import asyncio
from collections.abc import Callable

import msgspec
import yaml
from aiohttp import web

from api.body import JSON, json_response, read_body
from api.deps import CurrentPlan, Deps
from api.problem import Problem
from vocabulary import limits

YAML = "application/yaml"
YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
# A plan holds some ten values an object; aliases must not make more of it than that.
DOCUMENT_VALUES_MAX = 20 * (limits.numbers_max + limits.bids_max)


def plan_routes(deps: Deps) -> list[web.AbstractRouteDef]:
    """The routes of this module."""
    applying = asyncio.Lock()

    async def read_plan(request: web.Request) -> web.Response:
        plan = await deps.plans.current()
        if plan is None:
            raise Problem(404, "plan_absent", "no plan was applied yet")
        if _tag(plan.digest) in _tags(request, "If-None-Match"):
            return web.Response(status=304, headers={"ETag": _tag(plan.digest)})
        return await _source(request, plan)

    async def put_plan(request: web.Request) -> web.Response:
        expected = _condition(request)
        parse = _parser(request)
        data = await read_body(request)
        async with applying:
            document = await asyncio.to_thread(parse, data)
            done = await deps.plans.apply(document, expected)
        return json_response(done, headers={"ETag": _tag(done.digest)})

    return [
        web.get("/api/v1/plan", read_plan, name="plan", allow_head=False),
        web.put("/api/v1/plan", put_plan, name="plan_put"),
    ]


def parse_yaml(data: bytes) -> object:
    """Document of a YAML text, safe types only. Raises Problem 400 with line and column."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document: object = yaml.load(data, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Problem(400, "yaml_invalid", f"{where}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problem(400, "yaml_invalid", f"not valid YAML: {type(error).__name__}") from None
    if _weight(document, {}) > DOCUMENT_VALUES_MAX:
        raise Problem(400, "yaml_invalid", "the document is too large once its aliases are read")
    return document


def _weight(value: object, known: dict[int, int]) -> int:
    """Values in a document, aliased ones as often as they are used; a cycle is without end."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = DOCUMENT_VALUES_MAX  # what a value inside itself counts as
        items = value.values() if isinstance(value, dict) else value
        total = 1
        for item in items:
            total += _weight(item, known)
        known[id(value)] = total
    return known[id(value)]


def parse_json(data: bytes) -> object:
    """Document of a JSON text. Raises Problem 400."""
    try:
        document: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "json_invalid", f"not valid JSON: {error}") from None
    return document


def _parser(request: web.Request) -> Callable[[bytes], object]:
    if request.content_type in YAML_TYPES:
        return parse_yaml
    if request.content_type == JSON:
        return parse_json
    raise Problem(
        415, "media_type_unsupported", f"expected Content-Type: {JSON} or {YAML}"
    )


async def _source(request: web.Request, plan: CurrentPlan) -> web.Response:
    headers = {
        "ETag": _tag(plan.digest), "Plan-Version": str(plan.version), "Vary": "Accept",
        "Cache-Control": "no-cache",
    }
    accept = request.headers.get("Accept", "")
    if any(part.split(";")[0].strip() in YAML_TYPES for part in accept.split(",")):
        text = await asyncio.to_thread(_yaml_text, plan.source)
        return web.Response(text=text, content_type=YAML, headers=headers)
    return web.Response(body=plan.source, content_type=JSON, headers=headers)


def _yaml_text(source: bytes) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        msgspec.json.decode(source), Dumper=dumper, sort_keys=False, allow_unicode=True
    )
    return text


def _tag(digest: str) -> str:
    return f'"{digest}"'


def _tags(request: web.Request, header: str) -> list[str]:
    return [tag.strip() for tag in request.headers.get(header, "").split(",") if tag.strip()]


def _condition(request: web.Request) -> str | None:
    """expected_digest of Plans.apply. Raises Problem 412 for a tag that can never match."""
    if _tags(request, "If-None-Match") == ["*"]:
        return ""
    tags = _tags(request, "If-Match")
    if not tags:
        return None
    tag = tags[0]
    if len(tags) > 1 or len(tag) < 3 or not (tag[0] == tag[-1] == '"'):
        raise Problem(412, "plan_changed", "If-Match: expected one strong ETag of GET")
    return tag[1:-1]
