"""Balances and top-ups: exactly once for a key, and every wrong request named."""

import asyncio
from typing import Any

import pytest

from tests.api.exchange_double import Bench

PATH = "/api/v1/accounts/acme/top-ups"


async def top_up(
    bench: Bench, body: object, key: str | None = "k1", path: str = PATH
) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key} if key is not None else {}
    reply = await bench.client.post(path, json=body, headers=headers)
    return reply.status, await reply.json(content_type=None)


GOOD = {"amount": "12.50", "currency": "USD"}


async def test_balances_are_decimal_text(bench: Bench) -> None:
    reply = await bench.client.get("/api/v1/accounts")
    assert await reply.json() == {"accounts": [{
        "id": "acme", "kind": "buyer", "currency": "USD", "balance": "5.00", "held": "1.50",
        "credit_limit": "10.00", "available": "13.50",
    }]}
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_top_up_is_credited_once_for_its_key(bench: Bench) -> None:
    status, first = await top_up(bench, GOOD)
    assert (status, first["amount"], first["balance"], first["repeated"]) == (
        201, "12.50", "17.50", False
    )
    status, again = await top_up(bench, GOOD)
    assert (status, again["balance"], again["repeated"]) == (200, "17.50", True)
    assert again["id"] == first["id"]
    assert bench.signal.balances["acme"] == 17_500_000


async def test_the_same_key_at_the_same_time_posts_once(bench: Bench) -> None:
    answers = await asyncio.gather(*(top_up(bench, GOOD) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert bench.signal.balances["acme"] == 17_500_000


async def test_a_used_key_for_another_amount_is_refused(bench: Bench) -> None:
    await top_up(bench, GOOD)
    status, body = await top_up(bench, {"amount": "13.00", "currency": "USD"})
    assert (status, body["code"], body["retry"]) == (422, "key_reused", False)


async def test_works_while_postgresql_is_away(bench: Bench) -> None:
    bench.database_up = False
    bench.records.away = bench.plans.away = True
    assert (await top_up(bench, GOOD))[0] == 201
    assert (await bench.client.get("/api/v1/accounts")).status == 200


@pytest.mark.parametrize(("key", "code"), [
    (None, "idempotency_key_missing"), ("", "idempotency_key_invalid"),
    ("k" * 201, "idempotency_key_invalid"), ("k\u00e9", "idempotency_key_invalid"),
])
async def test_the_key_is_required_and_bounded(bench: Bench, key: str | None, code: str) -> None:
    status, body = await top_up(bench, GOOD, key)
    assert (status, body["code"]) == (400, code)
    assert bench.signal.balances["acme"] == 5_000_000


@pytest.mark.parametrize(("body", "status", "code", "path"), [
    ({"amount": "-1", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "0", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "0.0000001", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "1e3", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "NaN", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "9999999999999", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "٣", "currency": "USD"}, 422, "amount_invalid", "amount"),
    ({"amount": "1" * 33, "currency": "USD"}, 400, "request_invalid", "amount"),
    ({"amount": 12.5, "currency": "USD"}, 400, "request_invalid", "amount"),
    ({"amount": "1", "currency": "usd"}, 400, "request_invalid", "currency"),
    ({"amount": "1", "currency": "EUR"}, 422, "currency_differs", None),
    ({"amount": "1"}, 400, "request_invalid", "body"),
    ({"amount": "1", "currency": "USD", "note": "x"}, 400, "request_invalid", "body"),
    ([], 400, "request_invalid", "body"),
    ("text", 400, "request_invalid", "body"),
])
async def test_wrong_bodies(
    bench: Bench, body: object, status: int, code: str, path: str | None
) -> None:
    got, problem = await top_up(bench, body)
    assert (got, problem["code"]) == (status, code)
    assert [error["path"] for error in problem["errors"]] == ([path] if path else [])
    assert bench.signal.balances["acme"] == 5_000_000


@pytest.mark.parametrize("account", ["nobody", "No-Body", "a%2Fb", "%00", "x" * 65, "' OR 1=1"])
async def test_unknown_accounts(bench: Bench, account: str) -> None:
    path = f"/api/v1/accounts/{account}/top-ups"
    status, problem = await top_up(bench, GOOD, path=path)
    assert (status, problem["code"]) in ((404, "account_unknown"), (404, "not_found"))


async def test_json_only(bench: Bench) -> None:
    reply = await bench.client.post(PATH, data=b"amount=1", headers={
        "Idempotency-Key": "k", "Content-Type": "application/x-www-form-urlencoded",
    })
    assert reply.status == 415
    for broken in (b"{", b"\xff", b'{"amount": "1", "currency": "USD"} {}', b""):
        reply = await bench.client.post(PATH, data=broken, headers={
            "Idempotency-Key": "k", "Content-Type": "application/json",
        })
        assert reply.status == 400
        assert (await reply.json(content_type=None))["code"] == "json_invalid"


async def test_a_worker_that_is_away_is_503_and_worth_a_retry(bench: Bench) -> None:
    await bench.server.stop()
    status, problem = await top_up(bench, GOOD)
    assert (status, problem["code"], problem["retry"]) == (503, "signal_away", True)
    reply = await bench.client.get("/api/v1/accounts")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
