"""Health, readiness, metrics, and what no route is for."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.exchange_double import Bench
from vocabulary.commands import Health


async def readiness(bench: Bench) -> tuple[int, Any]:
    reply = await bench.client.get("/readyz")
    return reply.status, await reply.json()


async def test_ready(bench: Bench) -> None:
    assert await readiness(bench) == (200, {
        "ready": True, "reasons": [], "degraded": [], "plan_version": 3, "calls_live": 1,
    })


async def test_away_database_degrades_but_does_not_unready(bench: Bench) -> None:
    bench.database_up = False
    bench.record_away = True
    status, body = await readiness(bench)
    assert status == 200
    assert body["degraded"] == ["database_away", "record_away"]


async def test_not_ready_says_why(bench: Bench) -> None:
    bench.signal.health = Health(
        ready=False, reasons=("draining",), plan_version=3, calls_live=2, durable_seq=1
    )
    status, body = await readiness(bench)
    assert (status, body["reasons"], body["calls_live"]) == (503, ["draining"], 2)
    await bench.server.stop()
    status, body = await readiness(bench)
    assert (status, body["reasons"]) == (503, ["signal_away"])
    assert (await bench.client.get("/healthz")).status == 200


async def samples(bench: Bench) -> dict[str, float]:
    reply = await bench.client.get("/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(await reply.text()):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_metrics_join_all_parts(bench: Bench) -> None:
    await bench.client.get("/api/v1/accounts")
    await bench.client.get("/nowhere")
    found = await samples(bench)
    expected = {
        "dce_calls_total{outcome=completed}": 4.0, "dce_calls_total{outcome=busy}": 2.0,
        "dce_calls_live": 1.0, "dce_record_lag_seconds": 0.5,
        "dce_decision_seconds_bucket{le=0.001}": 3.0, "dce_decision_seconds_bucket{le=0.01}": 5.0,
        "dce_decision_seconds_bucket{le=+Inf}": 6.0, "dce_decision_seconds_count": 6.0,
        "dce_decision_seconds_sum": 0.25, "dce_up{part=signal}": 1.0, "dce_up{part=record}": 1.0,
        "dce_up{part=database}": 1.0,
        "dce_http_requests_total{method=GET,route=accounts,status=200}": 1.0,
        "dce_http_requests_total{method=GET,route=unknown,status=404}": 1.0,
    }
    assert {name: found.get(name) for name in expected} == expected


async def test_metrics_answer_while_everything_is_away(bench: Bench) -> None:
    await bench.server.stop()
    bench.record_away, bench.database_up = True, False
    found = await samples(bench)
    for part in ("signal", "record", "database"):
        assert found[f"dce_up{{part={part}}}"] == 0.0


@pytest.mark.parametrize(("method", "path", "status", "code"), [
    ("GET", "/nothing", 404, "not_found"), ("GET", "/", 404, "not_found"),
    ("DELETE", "/api/v1/plan", 405, "method_not_allowed"),
    ("POST", "/healthz", 405, "method_not_allowed"),
    ("PATCH", "/api/v1/accounts", 405, "method_not_allowed"),
])
async def test_what_is_not_there(
    bench: Bench, method: str, path: str, status: int, code: str
) -> None:
    reply = await bench.client.request(method, path)
    assert reply.status == status
    assert reply.content_type == "application/problem+json"
    assert (await reply.json(content_type=None))["code"] == code
    assert ("Allow" in reply.headers) == (status == 405)


async def test_a_fault_of_ours_is_500_without_its_text(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(*_args: object) -> None:
        raise ValueError("secret of the database")

    bench.records.read_call = explode  # type: ignore[assignment, method-assign]
    reply = await bench.client.get(f"/api/v1/calls/{'07' * 16}")
    assert reply.status == 500
    text = await reply.text()
    assert "secret" not in text
    assert '"code":"fault"' in text
    assert "secret of the database" in caplog.text


async def test_answers_name_no_version_and_are_not_guessed(bench: Bench) -> None:
    for path in ("/healthz", "/nothing", "/api/v1/accounts"):
        reply = await bench.client.get(path)
        assert reply.headers["Server"] == "dce"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_no_counter_has_a_series_of_its_start(bench: Bench) -> None:
    await bench.client.get("/api/v1/accounts")
    assert [name for name in await samples(bench) if "_created" in name] == []
