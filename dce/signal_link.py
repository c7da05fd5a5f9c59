"""What the signal worker answers over the link: plans, top-ups, balances, live calls, metrics."""

import logging
from pathlib import Path

from dce.link import Handler
from dce.signal_metrics import statistics
from dce.wiring import SignalCore
from exchange.signals import StopAdmission
from exchange.states import STATE_NAMES
from vocabulary.commands import (
    ApplyPlan,
    Balance,
    Balances,
    Drain,
    Draining,
    Health,
    ListBalances,
    ListLiveCalls,
    LiveCall,
    LiveCalls,
    ReadHealth,
    ReadStatistics,
    Refusal,
    Request,
    Response,
    TopUp,
    TopUpDone,
)
from vocabulary.errors import CommandRefused, PlanRefused

log = logging.getLogger("dce.signal")


class StartingLink:
    """Handler of a LinkServer whose worker still recovers: it says so until it is opened."""

    def __init__(self) -> None:
        self._behind: Handler | None = None

    def open(self, handler: Handler) -> None:
        """From now on this one answers."""
        self._behind = handler

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        if self._behind is not None:
            return await self._behind(request)
        if isinstance(request, ReadHealth):
            return Health(
                ready=False, reasons=("starting",), plan_version=0, calls_live=0, durable_seq=0
            )
        return Refusal("signal_away", "the signal process is starting", retry=True)


class SignalLink:
    """Handler of a LinkServer over one signal core."""

    def __init__(self, core: SignalCore) -> None:
        self._core = core

    async def handle(self, request: Request) -> Response:
        """Answer one request; a refusal is an answer, never an exception."""
        try:
            return await self._answer(request)
        except CommandRefused as refused:
            return Refusal(refused.code, refused.detail, refused.retry)
        except (PlanRefused, OSError) as error:
            return Refusal("plan_unreadable", str(error))

    async def _answer(self, request: Request) -> Response:
        core = self._core
        if isinstance(request, ApplyPlan):
            return await core.apply_plan(Path(request.plan_path), Path(request.bids_path))
        if isinstance(request, TopUp):
            return await self._top_up(request)
        if isinstance(request, ListBalances):
            return self._balances()
        if isinstance(request, ListLiveCalls):
            return self._live_calls(request.limit)
        if isinstance(request, ReadStatistics):
            return statistics(core)
        if isinstance(request, ReadHealth):
            return self._health()
        assert isinstance(request, Drain)
        core.pump.perform(StopAdmission())
        return Draining(len(core.desk.calls))

    async def _top_up(self, request: TopUp) -> TopUpDone:
        core = self._core
        if core.journal.failed:
            raise CommandRefused("journal_failed", core.journal.failed, retry=True)
        done: TopUpDone = core.pump.perform(request)
        await core.durable.wait(core.desk.seq)
        return done

    def _balances(self) -> Balances:
        market = self._core.desk.market
        money = market.balances
        currency = market.plan.currency if market.plan is not None else ""
        rows = [
            Balance(
                buyer, "buyer", money.balance[slot], money.held[slot], money.credit[slot], currency
            )
            for buyer, slot in sorted(market.slots.buyers.items())
        ]
        rows += [
            Balance(publisher, "publisher", pending, 0, 0, currency)
            for publisher, pending in sorted(money.pending.items())
        ]
        return Balances(tuple(rows))

    def _live_calls(self, most: int) -> LiveCalls:
        calls = self._core.desk.calls
        rows: list[LiveCall] = []
        for call in calls.values():
            if len(rows) == most:
                break
            entry = call.ladder[call.entry] if call.ladder and call.entry >= 0 else None
            rows.append(
                LiveCall(
                    call.call_id, STATE_NAMES[call.state], call.campaign, call.publisher,
                    call.number, entry.buyer if entry else "", entry.target if entry else "",
                    call.wall_ns,
                )
            )
        return LiveCalls(tuple(rows), len(calls))

    def _health(self) -> Health:
        core = self._core
        reasons: list[str] = []
        if core.desk.market.plan is None:
            reasons.append("no_plan")
        if core.desk.admission_closed:
            reasons.append(core.desk.admission_closed)
        return Health(
            not reasons, tuple(reasons), core.desk.market.version, len(core.desk.calls),
            core.durable.durable_seq,
        )
