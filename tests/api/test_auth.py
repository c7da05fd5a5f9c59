"""Who gets in: one and the same 401 for every wrong token, and nothing leaks through the URL."""

import pytest
from multidict import CIMultiDict

from tests.api.exchange_double import TOKEN, Bench

WRONG = [
    "", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN} {TOKEN}", f"bearer\t{TOKEN}", f"Token {TOKEN}",
    "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", "Bearer ' OR '1'='1", "Bearer null",
    f"Bearer {TOKEN.upper()}", "Bearer " + "a" * 7_000, "Bearer é", "Bearer ../../etc/passwd",
    f"Bearer {TOKEN},Bearer {TOKEN}",
]
PATHS = [
    ("GET", "/api/v1/plan"), ("PUT", "/api/v1/plan"), ("GET", "/api/v1/accounts"),
    ("POST", "/api/v1/accounts/acme/top-ups"), ("GET", "/api/v1/calls"),
    ("GET", "/api/v1/calls/live"), ("GET", "/api/v1/calls/0"), ("GET", "/nothing"), ("GET", "/"),
    ("DELETE", "/healthz/x"), ("GET", "/metrics/../api/v1/plan"),
    ("GET", "/healthz/"), ("GET", "/%68ealthz2"),
]


@pytest.mark.parametrize("header", WRONG)
async def test_every_wrong_token_gets_the_same_answer(bench: Bench, header: str) -> None:
    reply = await bench.client.get("/api/v1/accounts", headers={"Authorization": header})
    body = await reply.json(content_type="application/problem+json")
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="dce"'
    assert body == {
        "type": "urn:dce:problem:unauthorized", "title": "Unauthorized", "status": 401,
        "detail": "a valid bearer token is needed: dce admin create NAME",
        "code": "unauthorized", "retry": False, "errors": [],
    }


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_every_other_path_needs_a_token(bench: Bench, method: str, path: str) -> None:
    reply = await bench.client.request(method, path, headers={"Authorization": "Bearer no"})
    assert reply.status == 401


async def test_a_token_in_the_url_is_not_read(bench: Bench) -> None:
    for name in ("token", "access_token", "api_key"):
        reply = await bench.client.get(
            f"/api/v1/accounts?{name}={TOKEN}", headers={"Authorization": ""}
        )
        assert reply.status == 401


async def test_two_authorization_headers_are_none(bench: Bench) -> None:
    headers = CIMultiDict([("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")])
    assert (await bench.client.get("/api/v1/accounts", headers=headers)).status == 401


async def test_the_scheme_is_case_insensitive(bench: Bench) -> None:
    reply = await bench.client.get(
        "/api/v1/accounts", headers={"Authorization": f"BEARER {TOKEN}"}
    )
    assert reply.status == 200


async def test_a_revoked_token_is_refused_at_once(bench: Bench) -> None:
    assert (await bench.client.get("/api/v1/accounts")).status == 200
    bench.tokens.clear()
    assert (await bench.client.get("/api/v1/accounts")).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_and_metrics_need_none(bench: Bench, path: str) -> None:
    reply = await bench.client.get(path, headers={"Authorization": "Bearer wrong"})
    assert reply.status == 200
