"""GET and PUT of the plan: whole or not at all, every error with its path, edits that collide."""

import json
from typing import Any

import pytest
import yaml
from aiohttp import ClientResponse

from tests.api.exchange_double import Bench
from vocabulary import limits

PATH = "/api/v1/plan"
PLAN: dict[str, Any] = {
    "version": 1, "currency": "USD",
    "trunks": [{"id": "t", "networks": ["192.0.2.0/24"], "country": "US"}],
    "publishers": [{"id": "p", "name": "P", "status": "active", "zone": "America/New_York"}],
    "buyers": [{"id": "b", "name": "B", "status": "active", "credit_limit": "100.00",
                "zone": "America/New_York"}],
    "targets": [{"id": "x", "buyer": "b", "uri": "sip:agents@192.0.2.9:5060"}],
    "campaigns": [{"id": "c", "name": "C", "vertical": "auto", "strategy": "auction",
                   "price": "first", "floor": "5.00", "targets": ["x"],
                   "terms": {"qualify_s": 30},
                   "payout": {"kind": "fixed", "amount": "3.00", "qualify_s": 30}}],
    "numbers": [{"number": "+12125550100", "campaign": "c", "publisher": "p"}],
    "bids": [{"id": "bid", "buyer": "b", "target": "x", "amount": "12.50", "per": "call"}],
}


async def put(bench: Bench, body: bytes, kind: str, **headers: str) -> ClientResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await bench.client.put(PATH, data=body, headers={"Content-Type": kind, **named})


async def put_json(bench: Bench, plan: object, **headers: str) -> ClientResponse:
    return await put(bench, json.dumps(plan).encode(), "application/json", **headers)


async def test_none_yet_is_404(bench: Bench) -> None:
    reply = await bench.client.get(PATH)
    assert reply.status == 404
    assert (await reply.json(content_type=None))["code"] == "plan_absent"


async def test_put_then_get_in_both_forms(bench: Bench) -> None:
    reply = await put_json(bench, PLAN)
    assert reply.status == 200
    done = await reply.json()
    assert (done["version"], done["warnings"]) == (1, ["a warning"])
    got = await bench.client.get(PATH)
    assert got.headers["ETag"] == reply.headers["ETag"] == f'"{done["digest"]}"'
    assert (await got.json())["numbers"][0]["number"] == "+12125550100"
    written = await bench.client.get(PATH, headers={"Accept": "application/yaml"})
    assert written.content_type == "application/yaml"
    assert yaml.safe_load(await written.text()) == await got.json()


async def test_yaml_is_accepted(bench: Bench) -> None:
    reply = await put(bench, yaml.safe_dump(PLAN).encode(), "application/yaml")
    assert reply.status == 200


async def test_an_unchanged_plan_is_304(bench: Bench) -> None:
    tag = (await put_json(bench, PLAN)).headers["ETag"]
    assert (await bench.client.get(PATH, headers={"If-None-Match": tag})).status == 304
    assert (await bench.client.get(PATH, headers={"If-None-Match": '"x"'})).status == 200


async def test_if_match_guards_against_lost_edits(bench: Bench) -> None:
    assert (await put_json(bench, PLAN, If_None_Match="*")).status == 200
    assert (await put_json(bench, PLAN, If_None_Match="*")).status == 412
    tag = (await bench.client.get(PATH)).headers["ETag"]
    changed = {**PLAN, "buyers": [{**PLAN["buyers"][0], "name": "Other"}]}
    assert (await put_json(bench, changed, If_Match=tag)).status == 200
    stale = await put_json(bench, PLAN, If_Match=tag)
    assert stale.status == 412
    assert (await stale.json(content_type=None))["code"] == "plan_changed"
    for odd in ("W/" + tag, f"{tag}, {tag}", "x", "*x*"):
        assert (await put_json(bench, PLAN, If_Match=odd)).status == 412


async def test_every_error_of_a_bad_plan_has_its_path_and_the_running_one_stays(
    bench: Bench,
) -> None:
    tag = (await put_json(bench, PLAN)).headers["ETag"]
    bad = json.loads(json.dumps(PLAN))
    bad["campaigns"][0]["targets"] = ["nobody"]
    bad["bids"][0]["amount"] = "-1"
    bad["numbers"].append(dict(bad["numbers"][0]))
    bad["publishers"][0]["zone"] = "Mars/Olympus"
    reply = await put_json(bench, bad)
    problem = await reply.json(content_type=None)
    assert (reply.status, problem["code"], problem["retry"]) == (422, "plan_refused", False)
    paths = {error["path"] for error in problem["errors"]}
    assert {"campaigns[0].targets[0]", "bids[0].amount", "publishers[0].zone"} <= paths
    assert any(path.startswith("numbers[1]") for path in paths)
    assert (await bench.client.get(PATH)).headers["ETag"] == tag


@pytest.mark.parametrize(("body", "kind", "code"), [
    (b"{", "application/json", "json_invalid"),
    (b"\xff\xfe\x00", "application/json", "json_invalid"),
    (b"a: [", "application/yaml", "yaml_invalid"),
    (b"a: !!python/object/apply:os.system [x]", "application/yaml", "yaml_invalid"),
    (b"a: 0x", "application/yaml", "plan_refused"),
    (b"[1]", "application/json", "plan_refused"),
    (b"", "application/yaml", "plan_refused"),
    (b"", "application/json", "json_invalid"),
    (b"x" * 100, "text/plain", "media_type_unsupported"),
])
async def test_bodies_that_are_no_plan(bench: Bench, body: bytes, kind: str, code: str) -> None:
    reply = await put(bench, body, kind)
    assert (await reply.json(content_type=None))["code"] == code
    assert 400 <= reply.status < 500


async def test_yaml_aliases_cannot_grow_without_end(bench: Bench) -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    bomb = "\n".join(["l0: &l0 [1]", *levels]).encode()
    reply = await put(bench, bomb, "application/yaml")
    assert (await reply.json(content_type=None))["code"] == "yaml_invalid"
    reply = await put(bench, b"a: &a [*a]", "application/yaml")
    assert (await reply.json(content_type=None))["code"] == "yaml_invalid"


async def test_too_large_is_413(bench: Bench) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        chunk = b" " * 2**20
        for _ in range(limits.http_body_bytes_max // len(chunk) + 1):
            yield chunk

    reply = await bench.client.put(
        PATH, data=endless(), headers={"Content-Type": "application/json"}
    )
    assert reply.status == 413
    assert (await reply.json(content_type=None))["code"] == "body_too_large"


async def test_a_compressed_body_is_refused(bench: Bench) -> None:
    reply = await put(bench, b"", "application/json", Content_Encoding="gzip")
    assert reply.status == 415


async def test_put_waits_for_postgresql(bench: Bench) -> None:
    bench.plans.away = True
    reply = await put_json(bench, PLAN)
    problem = await reply.json(content_type=None)
    assert (reply.status, problem["code"], problem["retry"]) == (503, "database_away", True)
    assert reply.headers["Retry-After"] == "5"
