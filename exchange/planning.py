"""Swapping a plan: what differs from the book is journaled as deltas, then one pointer moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auction.bid import encode_terms
from exchange.signals import SwapPlan
from vocabulary.commands import PlanSwapped
from vocabulary.facts import BidPut, BidRemoved, PlanApplied

if TYPE_CHECKING:
    from exchange.desk import Desk


def swap(desk: Desk, command: SwapPlan, now_ns: int) -> PlanSwapped:
    """Take a plan and bring the book to its bids; spent budget and rank survive by bid id.

    Raises CommandRefused, before any change, for a bid the book cannot hold.
    """
    market = desk.market
    for terms in command.bids:
        market.book.check(terms, market.slots.slot("buyer", terms.buyer))
    market.take_plan(command.plan)
    wanted = {terms.bid_id for terms in command.bids}
    removed = [bid_id for bid_id in market.book.ids() if bid_id not in wanted]
    for bid_id in removed:
        market.book.remove(bid_id, desk.emit(BidRemoved(now_ns, bid_id)))
    put = 0
    for terms in command.bids:
        if market.book.holds(terms, market.slots.slot("target", terms.target)):
            continue
        market.put_bid(terms, desk.emit(BidPut(now_ns, terms.bid_id, encode_terms(terms))))
        put += 1
    market.balances.grow(len(market.slots.buyers))
    market.refresh_zones()
    desk.emit(
        PlanApplied(now_ns, market.version, command.digest, now_ns + desk.offset_ns)
    )
    return PlanSwapped(market.version, put, len(removed))
