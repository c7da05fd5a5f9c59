"""The end of a call: connected time, price, payout, postings, and one CallClosed (rule 28)."""

from __future__ import annotations

from accounts.ledger import call_postings
from accounts.payout import is_qualified, payout_micros, revenue_micros
from exchange.call import Call
from exchange.room import Room
from sip.signals import Reject
from vocabulary.crash_points import crash_point
from vocabulary.facts import CallClosed, CapUse, Disposition, Party, Posting
from vocabulary.reasons import Refused

PARTIES = tuple(Party)  # by number: calling the enum costs a microsecond
NOTHING: tuple[Posting, ...] = ()
NO_CAPS: tuple[CapUse, ...] = ()


def connected_ns(call: Call, acknowledged: bool) -> int:
    """First BYE − start record; 0 for a call whose 200 nobody acknowledged."""
    if not call.answered_ns or not call.ended_ns or not acknowledged:
        return 0
    return max(0, call.ended_ns - call.answered_ns)


def settle_answered(
    desk: Room, call: Call, disposition: Disposition, chargeable: bool, now_ns: int
) -> None:
    """Close a call whose 200 left: charge and pay by its frozen terms, keep caps consumed."""
    held = call.held
    terms = call.terms
    assert held is not None
    assert terms is not None
    talked_ns = connected_ns(call, chargeable)
    revenue = revenue_micros(terms, held.price_micros, talked_ns) if chargeable else 0
    qualified = chargeable and is_qualified(terms, talked_ns)
    payout = payout_micros(terms, revenue, talked_ns) if chargeable else 0
    postings = call_postings(
        call.ladder[call.entry].buyer, revenue, call.publisher, payout
    )
    call.held = None
    desk.market.commit(held, revenue)
    if payout:
        desk.market.balances.owe_publisher(call.publisher, payout)
    answered = call.attempt(200, "answered", call.ended_ns or now_ns)
    call.attempts = (*call.attempts, answered)
    _emit_closed(
        desk, call, now_ns, disposition, Refused.NONE, 200, talked_ns, qualified, revenue,
        payout, postings, (*held.caps, *call.campaign_caps),
    )
    if qualified:
        desk.count("calls_qualified")
    desk.counters["revenue_micros"] += revenue
    desk.counters["payout_micros"] += payout


def reject(
    desk: Room, call: Call, status: int, disposition: Disposition, refused: Refused, now_ns: int
) -> None:
    """Refuse the caller and close the call; everything held goes back."""
    desk.out.append(Reject(call.a_leg, status))
    close_unanswered(desk, call, disposition, refused, status, now_ns)


def close_unanswered(
    desk: Room,
    call: Call,
    disposition: Disposition,
    refused: Refused,
    status: int,
    now_ns: int,
) -> None:
    """Close a call that never came to its 200: nothing is charged, everything goes back."""
    call.ended_ns = call.ended_ns or now_ns
    _emit_closed(
        desk, call, now_ns, disposition, refused, status, 0, False, 0, 0, NOTHING, NO_CAPS
    )


def _emit_closed(
    desk: Room,
    call: Call,
    now_ns: int,
    disposition: Disposition,
    refused: Refused,
    status: int,
    talked_ns: int,
    qualified: bool,
    revenue: int,
    payout: int,
    postings: tuple[Posting, ...],
    caps: tuple[CapUse, ...],
) -> None:
    won = call.ladder[call.entry] if call.answered_ns and call.ladder else None
    crash_point("call_settled")
    desk.emit(
        CallClosed(
            now_ns,
            call.call_id,
            call.wall_ns,
            call.trunk,
            call.publisher,
            call.campaign,
            call.number,
            call.subject,
            call.personal,
            disposition,
            int(refused),
            status,
            PARTIES[call.hangup],
            call.offset_us(call.decided_ns),
            call.offset_us(call.ringing_ns),
            call.offset_us(call.answered_ns),
            call.offset_us(call.ended_ns),
            talked_ns,
            qualified,
            won.buyer if won else "",
            won.target if won else "",
            won.bid_id if won else "",
            call.currency,
            revenue,
            payout,
            call.attempts,
            postings,
            caps,
        )
    )
    desk.closed(call, disposition)
