"""What a journal means, once more and by other means: calls, money, caps. The oracle's arithmetic.

Nothing here is shared with exchange.recover, accounts or routing.caps but the facts themselves.
"""

from collections import Counter

from exchange.desk import Desk
from exchange.recover import ReplayState
from vocabulary.facts import CallAnswered, CallClosed, CallRouted, Fact, PlanApplied, TopUpPosted

QUALIFY_NS = 10_000_000_000
SHARE_PER_10_000 = 7_000


class Model:
    """Facts in order → balances, pending payouts, cap use, open and closed calls."""

    def __init__(self) -> None:
        self.balances: Counter[str] = Counter()
        self.pending: Counter[str] = Counter()
        self.caps: Counter[str] = Counter()
        self.prices: dict[bytes, dict[str, int]] = {}  # of each open call, by bid id
        self.answered: set[bytes] = set()
        self.closed: set[bytes] = set()
        self.top_ups: dict[str, tuple[str, int]] = {}
        self.plan_version = 0

    def apply(self, fact: Fact) -> None:
        """Take the next fact. Raises AssertionError for one that must not be."""
        if isinstance(fact, CallRouted):
            if fact.ladder:
                assert fact.call_id not in self.prices
                self.prices[fact.call_id] = {e.bid_id: e.price_micros for e in fact.ladder}
        elif isinstance(fact, CallAnswered):
            assert fact.call_id in self.prices, "answered, but never routed or closed before"
            self.answered.add(fact.call_id)
        elif isinstance(fact, CallClosed):
            self._close(fact)
        elif isinstance(fact, TopUpPosted):
            assert fact.idempotency_key not in self.top_ups, "a top-up was posted twice"
            assert sum(line.amount_micros for line in fact.postings) == 0
            self.top_ups[fact.idempotency_key] = (fact.account, fact.amount_micros)
            self.balances[fact.account] += fact.amount_micros
        elif isinstance(fact, PlanApplied):
            self.plan_version = fact.version

    def _close(self, fact: CallClosed) -> None:
        assert fact.call_id not in self.closed, "a call was settled twice"
        assert sum(line.amount_micros for line in fact.postings) == 0, "debit is not credit"
        assert fact.connected_ns >= 0, "a negative duration"
        self.closed.add(fact.call_id)
        prices = self.prices.pop(fact.call_id, {})
        payable = fact.call_id in self.answered and fact.connected_ns >= QUALIFY_NS
        price = prices[fact.bid_id] if payable and fact.bid_id else 0
        assert fact.revenue_micros == price, (fact, price)
        assert fact.payout_micros == price * SHARE_PER_10_000 // 10_000, fact
        if fact.revenue_micros:
            self.balances[fact.buyer] -= fact.revenue_micros
            self.pending[fact.publisher] += fact.payout_micros
        for use in fact.caps:
            self.caps[f"{use.owner}|{use.kind}|{use.window_start_s}"] += 1

    def assert_replayed(self, state: ReplayState) -> None:
        """A replay of the same facts says the same."""
        assert state.balances == +self.balances or state.balances == dict(self.balances)
        assert {k: v for k, v in state.pending.items() if v} == dict(+self.pending)
        assert state.caps.items() <= self.caps.items(), "cap windows; old ones may be left out"
        assert set(state.open) == set(self.prices), "calls that are open"
        found = {key: (account, micros) for key, (_, account, micros) in state.top_ups.items()}
        assert found == self.top_ups

    def assert_stands(self, desk: Desk, *, idle: bool) -> None:
        """The running desk holds what the facts say; idle: and no call holds anything."""
        market = desk.market
        for buyer, slot in market.slots.buyers.items():
            assert market.balances.balance[slot] == self.balances[buyer], buyer
        assert {k: v for k, v in market.balances.pending.items() if v} == dict(+self.pending)
        if not idle:
            return
        assert not any(market.balances.held), "money is held for nobody"
        assert not any(market.caps.live), "concurrency is held by nobody"
        for use, units in market.caps.snapshot():
            key = f"{use.owner}|{use.kind}|{use.window_start_s}"
            assert units == self.caps[key], (key, units, self.caps[key])
        assert market.caps.hour.granted == market.caps.hour.committed
        assert market.caps.day.granted == market.caps.day.committed
