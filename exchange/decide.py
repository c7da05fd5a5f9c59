"""The decision: eligible targets, matching bids, one auction, and its record (rules 6–14).

```
caller's place ─► book.match ─► matched bids ─┐
campaign ─► candidates ─► verdict by target ──┼─► engine ─► ladder, prices, one reason each
strategy ─► scores by target (or b·g) ────────┘
```
"""

from __future__ import annotations

from auction import reasons
from auction.engine import Outcome
from auction.score import auction_key
from exchange.call import Call
from exchange.room import Room
from routing.plan_objects import NumberEntry
from vocabulary.facts import CallRouted, LadderEntry
from vocabulary.limits import NS_PER_S

ATTESTATION_UNKNOWN = 0


def decide(
    desk: Room, call: Call, entry: NumberEntry, tags: tuple[tuple[str, str], ...], now_ns: int
) -> None:
    """Rank and price the standing bids for a call; leaves call.ladder and a CallRouted fact."""
    market = desk.market
    campaign = entry.campaign
    area = market.area_of(call.caller)
    outcome = market.auction(campaign, area, call.wall_ns // NS_PER_S, auction_key(call.auction_id))
    call.terms = market.terms(campaign)
    call.ladder = tuple(
        [
            market.ladder_entry(outcome, place)
            for place in range(len(outcome.ladder))
        ]
    )
    call.bid_slots = tuple(outcome.ladder)
    desk.emit(
        CallRouted(
            now_ns,
            call.call_id,
            call.auction_id,
            call.wall_ns,
            call.trunk,
            call.publisher,
            call.campaign,
            call.number,
            call.subject,
            call.personal,
            ATTESTATION_UNKNOWN,
            tags,
            area.state,
            market.version,
            market.book.seq,
            "second" if campaign.second_price else "first",
            campaign.floor_micros,
            call.currency,
            len(outcome.reasons),
            reasons.encode(outcome.reasons),
            call.ladder,
            runner_up(desk, outcome),
            market.packed[campaign.id],
        )
    )


def runner_up(desk: Room, outcome: Outcome) -> tuple[LadderEntry, ...]:
    """The next candidate behind the ladder, as an entry that pays nothing; () if none."""
    if outcome.runner_up < 0:
        return ()
    return (desk.market.entry_of(outcome.runner_up, outcome.runner_up_score, 0),)
