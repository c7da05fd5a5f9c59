"""kill -9 of the signal worker with live calls: started again, one closed record each, no hold."""

import asyncio
import os
import signal
from collections import Counter
from decimal import Decimal

import aiohttp
import pytest

from dce.demo_phones import BuyerPhone, Call, CallerPhone, Manner
from dce.demo_trace import Trace
from tests.dce.test_run import START_S, Exchange, client, exchange, send
from tests.routing.plans import written_plan

CALLS = 200
BESIDE = 20  # that have ended before, so that not everything is a crash
NUMBER = "+12125550100"
PRICE = Decimal("10.00")
pytestmark = pytest.mark.slow
__all__ = ["client", "exchange"]  # fixtures


def caller_of(call: int) -> str:
    return f"+1310555{call:04d}"


async def balances(client: aiohttp.ClientSession) -> list[str]:
    _, answer = await send(client, "GET", "/api/v1/accounts")
    return [row["balance"] for row in answer["accounts"]]


async def metric(client: aiohttp.ClientSession, name: str) -> float:
    async with client.get("/metrics") as reply:
        lines = (await reply.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


async def recorded(client: aiohttp.ClientSession) -> list[dict[str, object]]:
    """Every call of PostgreSQL, once it has the CALLS + BESIDE of them."""
    async with asyncio.timeout(START_S):
        while True:
            _, page = await send(client, "GET", "/api/v1/calls?limit=500")
            calls: list[dict[str, object]] = page["calls"]
            if len(calls) >= CALLS + BESIDE and await metric(client, "dce_record_lag_records") == 0:
                return calls


async def test_a_killed_worker_leaves_one_closed_record_of_each_call_and_no_hold(
    exchange: Exchange, client: aiohttp.ClientSession
) -> None:
    trace = Trace()
    manners = {caller_of(call): Manner(ring_s=0) for call in range(CALLS + BESIDE)}
    buyer = await BuyerPhone("buyer", trace, manners).open("127.0.0.1", 0, "buyer")
    caller = await CallerPhone("caller", trace).open("127.0.0.1", 0, "caller")
    try:
        host, port = buyer.address()
        plan = written_plan(
            1, uri=lambda buyer, target: f"sip:agents@{host}:{port}",
            campaign={"terms": {"qualify_s": 0}},
        )
        assert (await send(client, "PUT", "/api/v1/plan", plan))[0] == 200
        before = await balances(client)
        flow = caller.flow_to("UDP", "127.0.0.1", exchange.sip)
        async with asyncio.timeout(START_S):
            for call in range(BESIDE):
                placed = caller.place(Call(caller_of(call), NUMBER, talk_s=0.01), flow)
                await placed.ended.wait()
            placed_calls = [
                caller.place(Call(caller_of(BESIDE + call), NUMBER), flow) for call in range(CALLS)
            ]
            for placed in placed_calls:
                await placed.answered.wait()
            while await metric(client, "dce_holds_live") != CALLS:
                pass
            # A heartbeat that covers every AnswerSent: from then on all of them are charged.
            seq = await metric(client, "dce_journal_seq")
            while await metric(client, "dce_journal_seq") < seq + 3:
                pass
            os.kill(exchange.pid_of("signal"), signal.SIGKILL)
            await exchange.restarted(client, "signal")
        assert await metric(client, "dce_calls_live") == 0
        assert await metric(client, "dce_holds_live") == 0
        assert await metric(client, "dce_units_live") == 0
        calls = await recorded(client)
        assert len({call["id"] for call in calls}) == len(calls) == CALLS + BESIDE
        outcomes = Counter((call["recovered"], call["disposition"]) for call in calls)
        assert outcomes == {(True, "completed"): CALLS, (False, "completed"): BESIDE}
        assert {call["revenue"] for call in calls} == {str(PRICE)}
        after = await balances(client)
        assert Decimal(before[0]) - Decimal(after[0]) == PRICE * (CALLS + BESIDE)
        assert (await send(client, "GET", "/readyz"))[0] == 200
    finally:
        await caller.close()
        await buyer.close()
