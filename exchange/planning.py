"""Swapping a plan: what differs from the book is journaled as deltas, then one pointer moves.

```
while calls run   CheckBids* ─► PutBids* ─► SwapPlan ─► RemoveBids*    each step ≤ 2 ms
at the start      SwapPlan with all bids at once
```
Bids are deltas, the plan is one pointer: a bid whose target only the new plan has cannot win
before the swap, and a bid that the new plan drops is gone right after it. Spent budget and rank
stay with a bid's id.
"""

from __future__ import annotations

from collections.abc import Iterable

from auction.bid import BidTerms, encode_terms
from exchange.room import Room
from exchange.signals import CheckBids, PutBids, RemoveBids, SwapPlan
from vocabulary.commands import PlanSwapped
from vocabulary.facts import BidPut, BidRemoved, PlanApplied


def check_bids(desk: Room, command: CheckBids, now_ns: int) -> None:
    """Raise CommandRefused for the first bid that the book cannot hold; change nothing."""
    market = desk.market
    for terms in command.bids:
        market.book.check(terms, market.slots.slot("buyer", terms.buyer))


def put_bids(desk: Room, command: PutBids, now_ns: int) -> int:
    """Place those bids that differ from the book; how many. They were checked before."""
    return _put(desk, command.bids, now_ns)


def remove_bids(desk: Room, command: RemoveBids, now_ns: int) -> int:
    """Withdraw bids by id; how many."""
    for bid_id in command.bid_ids:
        desk.market.book.remove(bid_id, desk.emit(BidRemoved(now_ns, bid_id)))
    return len(command.bid_ids)


def swap(desk: Room, command: SwapPlan, now_ns: int) -> PlanSwapped:
    """Take a plan; with bids, bring the whole book to them in the same step.

    Raises CommandRefused, before any change, for a bid the book cannot hold.
    """
    market = desk.market
    bids = command.bids
    if bids is not None:
        check_bids(desk, CheckBids(bids), now_ns)
    market.take_plan(command.plan)
    put = removed = 0
    if bids is not None:
        gone = stale_ids(desk, {terms.bid_id for terms in bids})
        removed = remove_bids(desk, RemoveBids(tuple(gone)), now_ns)
        put = _put(desk, bids, now_ns)
    market.refresh_columns()
    desk.emit(
        PlanApplied(now_ns, market.version, command.digest, now_ns + desk.offset_ns)
    )
    return PlanSwapped(market.version, put, removed)


def stale_ids(desk: Room, wanted: set[str]) -> list[str]:
    """Ids of standing bids that are not wanted any more."""
    return [bid_id for bid_id in desk.market.book.ids() if bid_id not in wanted]


def _put(desk: Room, bids: Iterable[BidTerms], now_ns: int) -> int:
    market = desk.market
    put = 0
    for terms in bids:
        if not market.book.holds(terms, market.slots.slot("target", terms.target)):
            market.put_bid(
                terms, desk.emit(BidPut(now_ns, terms.bid_id, encode_terms(terms)))
            )
            put += 1
    if put:
        market.refresh_columns()
    return put
