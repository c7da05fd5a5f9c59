"""An api under test: the real application and link, with the workers' side played by the test."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from aiohttp.test_utils import TestClient, TestServer

from api.app import make_app
from api.deps import AppliedPlan, CallFilter, CurrentPlan, Deps
from dce.api_link import linked_ask
from dce.link import LinkClient, LinkServer
from routing.plan_source import load
from vocabulary.commands import (
    Balance,
    Balances,
    Drain,
    Draining,
    Health,
    Histogram,
    ListBalances,
    ListLiveCalls,
    LiveCall,
    LiveCalls,
    Metric,
    ReadHealth,
    ReadStatistics,
    Request,
    Response,
    Statistics,
    TopUp,
    TopUpDone,
)
from vocabulary.errors import CommandRefused
from vocabulary.ids import uuid_text
from vocabulary.money import Micros

TOKEN = "dce_a-token-of-a-test"
CALLS = 7


class SignalDouble:
    """Answers as a signal worker would, from a few fields that a test may change."""

    def __init__(self) -> None:
        self.balances: dict[str, Micros] = {"acme": 5_000_000}
        self.keys: dict[str, TopUp] = {}
        self.health = Health(
            ready=True, reasons=(), plan_version=3, calls_live=1, durable_seq=12
        )

    async def handle(self, request: Request) -> Response:
        match request:
            case TopUp():
                return self.top_up(request)
            case ListBalances():
                return Balances(tuple(
                    Balance(account, "buyer", micros, 1_500_000, 10_000_000, "USD")
                    for account, micros in self.balances.items()
                ))
            case ListLiveCalls():
                call = LiveCall(
                    bytes(16), "connected", "auto", "pub", "+12125550100", "acme", "t1",
                    1_700_000_000_000_000_000,
                )
                return LiveCalls((call,), 9)
            case ReadHealth():
                return self.health
            case ReadStatistics():
                return STATISTICS
            case Drain():
                return Draining(1)
        raise CommandRefused("unexpected", type(request).__name__)

    def top_up(self, command: TopUp) -> TopUpDone:
        if command.account not in self.balances:
            raise CommandRefused("account_unknown", f"no buyer {command.account}")
        if command.currency != "USD":
            raise CommandRefused("currency_differs", "the account is in USD")
        earlier = self.keys.get(command.idempotency_key)
        if earlier not in (None, command):
            raise CommandRefused("key_reused", "this idempotency key belongs to another top-up")
        if earlier is None:
            self.keys[command.idempotency_key] = command
            self.balances[command.account] += command.amount_micros
        return TopUpDone(
            b"t" * 16, command.account, command.amount_micros, self.balances[command.account],
            earlier is not None,
        )


STATISTICS = Statistics(
    metrics=(
        Metric("dce_calls_total", "counter", "Calls", (("outcome", "completed"),), 4.0),
        Metric("dce_calls_total", "counter", "Calls", (("outcome", "busy"),), 2.0),
        Metric("dce_calls_live", "gauge", "Calls in progress", (), 1.0),
    ),
    histograms=(
        Histogram("dce_decision_seconds", "Decision", (0.001, 0.01), (3, 2, 1), 0.25),
    ),
)


class RecordsDouble:
    """A page-able list of finished calls; position = index. `away` plays PostgreSQL away."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[CallFilter] = []

    async def list_calls(
        self, chosen: CallFilter, before: bytes | None, rows_max: int
    ) -> list[tuple[bytes, Mapping[str, Any]]]:
        self._check()
        self.asked.append(chosen)
        start = int.from_bytes(before, "big") + 1 if before is not None else 0
        numbers = range(start, min(CALLS, start + rows_max))
        return [(number.to_bytes(2, "big"), {"id": number}) for number in numbers]

    async def read_call(self, call_id: bytes) -> Mapping[str, Any] | None:
        self._check()
        return {"id": uuid_text(call_id)} if call_id == b"\x07" * 16 else None

    def _check(self) -> None:
        if self.away:
            raise CommandRefused("database_away", "PostgreSQL is away", retry=True)


class PlansDouble:
    """Validates with the real reader; keeps the last document in memory."""

    def __init__(self) -> None:
        self.plan: CurrentPlan | None = None
        self.away = False

    async def current(self) -> CurrentPlan | None:
        return self.plan

    async def apply(self, document: object, expected_digest: str | None) -> AppliedPlan:
        source = msgspec.json.encode(load(document))
        if self.away:
            raise CommandRefused("database_away", "PostgreSQL is away", retry=True)
        now = self.plan.digest if self.plan else ""
        if expected_digest not in (None, now):
            raise CommandRefused("plan_changed", "the plan was changed meanwhile")
        version = (self.plan.version if self.plan else 0) + 1
        digest = sha256(source).hexdigest()
        self.plan = CurrentPlan(version, digest, source)
        return AppliedPlan(version, digest, ("a warning",), 1, 0)


class Bench:
    """Everything of one test."""

    def __init__(self) -> None:
        self.signal = SignalDouble()
        self.records = RecordsDouble()
        self.plans = PlansDouble()
        self.tokens = {sha256(TOKEN.encode()).digest(): "tester"}
        self.database_up = True
        self.record_away = False
        self.client: TestClient[Any, Any]
        self.server: LinkServer

    async def record_statistics(self) -> Statistics:
        if self.record_away:
            raise CommandRefused("record_away", "no answer", retry=True)
        lag = Metric("dce_record_lag_seconds", "gauge", "Age of the oldest fact", (), 0.5)
        return Statistics((lag,), ())

    async def supervisor_statistics(self) -> Statistics:
        restarts = Metric(
            "dce_child_restarts_total", "counter", "Restarts", (("child", "record"),), 2.0
        )
        return Statistics((restarts,), ())

    async def record_health(self) -> Health:
        if self.record_away:
            raise CommandRefused("record_away", "no answer", retry=True)
        return Health(ready=True, reasons=(), plan_version=0, calls_live=0, durable_seq=0)

    async def find_database(self) -> bool:
        return self.database_up


@asynccontextmanager
async def api_bench(folder: Path) -> AsyncIterator[Bench]:
    """A Bench with its client, token sent by default."""
    bench = Bench()
    path = folder / "signal.sock"
    bench.server = LinkServer(path, bench.signal.handle)
    await bench.server.start()
    link = LinkClient(path)
    deps = Deps(
        ask=linked_ask(link, "signal"), record_statistics=bench.record_statistics,
        supervisor_statistics=bench.supervisor_statistics,
        record_health=bench.record_health, records=bench.records, plans=bench.plans,
        find_token=bench.tokens.get, database_up=bench.find_database, cursor_key=b"k" * 32,
    )
    async with TestClient(
        TestServer(make_app(deps)), headers={"Authorization": f"Bearer {TOKEN}"}
    ) as client:
        bench.client = client
        yield bench
    await link.close()
    await bench.server.stop()
