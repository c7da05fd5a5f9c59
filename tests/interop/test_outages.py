"""Outages of the real server with real calls: nothing acknowledged is lost, nothing counted twice.

PostgreSQL is stopped, started and stunned; the server is killed, drained, given new plans, and
its journal's disk taken away.
"""

import resource
import signal
import time
from collections.abc import Iterator

import pytest

from tests.interop import peers
from tests.interop.outages import Outage, child_named
from tests.interop.plans import slots
from tests.interop.server import passable_folder

pytestmark = [pytest.mark.interop, pytest.mark.slow]

MONEY = {"amount": "5.00", "currency": "USD"}
TOP_UPS = "/api/v1/accounts/second/top-ups"
HANG_S = 5
WORD_S = 15  # what a page may take while PostgreSQL hangs


@pytest.fixture(scope="module")
def module_outage() -> Iterator[Outage]:
    """Server and database of this module."""
    peers.require(peers.exchange(), peers.sipp())
    with passable_folder("dce-out-") as folder:
        made = Outage(folder, slots(1)[0])
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def outage(module_outage: Outage) -> Outage:
    """The same, up and idle."""
    module_outage.up()
    return module_outage


def test_postgresql_stopped_and_started_under_load(outage: Outage) -> None:
    before = outage.counts()
    with outage.calls("caller_stays", most=640) as caller:
        outage.until(lambda: caller.stats().ok >= 100)
        outage.postgres.stop()
        outage.until(lambda: caller.stats().ok >= 350)
        assert outage.metric("dce_record_lag_records") > 0
        assert outage.exchange.page("/readyz")[0] == 200
        outage.postgres.start()
        assert caller.wait() == 0, caller.last_lines()
    after = outage.counts()
    assert (after.calls - before.calls, after.rejected, after.balance) == (640, 0, 0)
    assert outage.held() == {"0.00"}


def test_postgresql_hung_under_load(outage: Outage) -> None:
    before = outage.counts()
    with outage.calls("caller_stays", most=640) as caller:
        outage.until(lambda: caller.stats().ok >= 50)
        with outage.stunned():
            began_s = time.monotonic()
            status, problem = outage.send("GET", "/api/v1/calls")
            assert (status, problem["code"], problem["retry"]) == (503, "database_away", True)
            assert time.monotonic() - began_s < WORD_S
            assert outage.exchange.page("/readyz")[0] == 200
            outage.until(lambda: time.monotonic() - began_s > HANG_S)
        assert caller.wait() == 0, caller.last_lines()
    after = outage.counts()
    assert (after.calls - before.calls, after.rejected, after.balance) == (640, 0, 0)
    assert outage.send("GET", "/api/v1/calls")[0] == 200


def test_without_postgresql_money_is_taken_and_plans_are_not(outage: Outage) -> None:
    before = outage.counts()
    outage.postgres.stop()
    status, problem = outage.send("PUT", "/api/v1/plan", outage.plan("19.00"))
    assert (status, problem["code"], problem["retry"]) == (503, "database_away", True)
    status, first = outage.send("POST", TOP_UPS, MONEY, key="while-away")
    assert (status, first["repeated"]) == (201, False)
    outage.kill()
    outage.up()  # with PostgreSQL; the journal is replayed
    status, again = outage.send("POST", TOP_UPS, MONEY, key="while-away")
    assert (status, again["repeated"], again["id"]) == (200, True, first["id"])
    assert again["balance"] == first["balance"]
    assert outage.counts().top_ups == before.top_ups + 1


def test_plans_replaced_while_calls_run(outage: Outage) -> None:
    before = outage.counts()
    with outage.calls("caller_stays", most=400, rate=60) as caller:
        for number in range(4):
            outage.until(lambda: caller.stats().ok >= 80 * (1 + number))  # noqa: B023
            status, done = outage.send("PUT", "/api/v1/plan", outage.plan(f"2{number}.00"))
            assert status == 200, done
        assert caller.wait() == 0, caller.last_lines()
    assert outage.counts().calls - before.calls == 400
    assert outage.metric("dce_plan_version") == done["version"]


def test_a_killed_server_closes_its_200_calls_once(outage: Outage) -> None:
    before = outage.counts()
    with outage.calls("caller_stays", most=200, rate=100, hold_ms=60_000):
        outage.until(lambda: outage.metric("dce_calls_live") == 200)
        beats = outage.metric("dce_journal_seq")
        outage.until(lambda: outage.metric("dce_journal_seq") >= beats + 3)  # past qualify_s
        outage.kill()
    outage.up()
    after = outage.counts()
    assert after.calls - before.calls == after.recovered - before.recovered == 200
    assert (after.balance, after.rejected) == (0, 0)
    assert after.entries - before.entries >= 4 * 100  # most had talked for a second
    assert outage.held() == {"0.00"}
    assert outage.metric("dce_holds_live") == 0
    assert "closed 200 calls" in outage.exchange.last_lines(200)


def test_a_drain_lets_calls_end_and_takes_none(outage: Outage) -> None:
    before = outage.counts()
    with outage.calls("caller_stays", most=20, rate=100, hold_ms=4_000) as caller:
        outage.until(lambda: outage.metric("dce_calls_live") == 20)
        outage.exchange.process.send_signal(signal.SIGTERM)
        outage.until(lambda: outage.metric("dce_admission_open") == 0)
        with outage.callers("caller_refused", most=3) as late:
            assert late.wait() == 0, late.last_lines()
        assert caller.wait() == 0, caller.last_lines()
    assert outage.exchange.process.wait(20) == 0
    outage.up()
    after = outage.counts()
    assert (after.calls - before.calls, after.recovered) == (20, before.recovered)


def test_a_drain_that_is_over_hangs_up_on_both_ends(outage: Outage) -> None:
    before = outage.counts()
    outage.exchange.stop()
    outage.up(drain_s=1)
    with outage.calls("caller_hung_up", most=20, rate=100) as caller:
        outage.until(lambda: outage.metric("dce_calls_live") == 20)
        outage.exchange.process.send_signal(signal.SIGTERM)
        assert caller.wait() == 0, caller.last_lines()
        assert outage.exchange.process.wait(20) == 0
    outage.up()
    after = outage.counts()
    assert (after.calls - before.calls, after.recovered) == (20, before.recovered)
    assert outage.held() == {"0.00"}


def test_a_journal_that_fails_ends_the_server_after_its_calls(outage: Outage) -> None:
    with outage.calls("caller_stays", most=10, rate=100, hold_ms=3_000) as caller:
        outage.until(lambda: outage.metric("dce_calls_live") == 10)
        worker = child_named(outage.exchange.process.pid, "signal")
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, 0))  # as a disk that takes nothing
        outage.until(lambda: outage.metric("dce_journal_failed") == 1)
        with outage.callers("caller_refused", most=3) as late:
            assert late.wait() == 0, late.last_lines()
        status, problem = outage.send("POST", TOP_UPS, MONEY, key="too-late")
        assert (status, problem["code"]) == (503, "journal_failed")
        assert caller.wait() == 0, caller.last_lines()
    assert outage.exchange.process.wait(20) == 3
    assert "ended with status 3: its journal failed" in outage.exchange.last_lines()
    outage.up()
    assert outage.held() == {"0.00"}
    assert outage.counts().balance == 0
