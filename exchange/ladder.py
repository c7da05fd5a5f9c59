"""The ladder: which failure tries what next, what the caller hears, and the next dial.

Rule 14 of the exchange: a caller's CANCEL or BYE, or the ladder's own deadline, stops all; no
response code does. `exchange` alone chooses the next target.
"""

from __future__ import annotations

from exchange import settle
from exchange.call import NS_PER_US, Call
from exchange.room import Room
from exchange.states import EMPTY, FAILED
from sip.signals import Cancel, Cause, Dial, Flow, LegFailed
from vocabulary import limits
from vocabulary.facts import AttemptFailed, Disposition
from vocabulary.limits import NS_PER_S
from vocabulary.number import format_outward
from vocabulary.reasons import Refused

NEXT_BID = 0
NEXT_GATEWAY = 1

# Failures of a carrier path rather than of the buyer: the same target by its next gateway.
GATEWAY_STATUSES = frozenset((401, 403, 407, 408))
# Final responses the caller never hears as they are (sip.md: then 480 of our own).
NOT_RELAYED = frozenset((401, 407, 408, 422, 503))
TELLING_4XX = frozenset((415, 420, 484))  # RFC 3261 §16.7 step 6 prefers those that inform
BUSY_STATUSES = frozenset((486, 600))

RING_TIMER = 1
NO_RESPONSE_TIMER = 2
LADDER_TIMER = 3
DURABLE_TIMER = 4


def failure_class(status: int, cause: Cause) -> int:
    """NEXT_GATEWAY for a broken path, NEXT_BID for all that the buyer itself said."""
    if cause in (Cause.TIMEOUT, Cause.TRANSPORT) or status in GATEWAY_STATUSES:
        return NEXT_GATEWAY
    return NEXT_GATEWAY if 500 <= status < 600 else NEXT_BID


def better_status(best: int, status: int) -> int:
    """The better of two final statuses for the caller (RFC 3261 §16.7 step 6); 0 is none."""
    if status in NOT_RELAYED or 300 <= status < 400:
        return best
    if best == 0 or _rank(status) < _rank(best):
        return status
    return best


def _rank(status: int) -> int:
    """Lower is better: 6xx, then the telling 4xx, 4xx, 5xx."""
    if status >= 600:
        return 0
    if status in TELLING_4XX:
        return 1
    return 2 if status < 500 else 3


def dial_next(desk: Room, call: Call, now_ns: int) -> None:
    """Reserve and dial the next entry that can be had, or end the call.

    A gateway left of the target in hand goes first; its reservation stays as it is.
    """
    if now_ns >= call.ladder_end_ns or now_ns >= call.setup_end_ns:
        end(desk, call, now_ns, Refused.LADDER_TIMEOUT)
        return
    paused = desk.market.paused(call) if call.attempt_no else None
    if paused:
        end(desk, call, now_ns, paused)
        return
    wall_s = (now_ns + desk.offset_ns) // NS_PER_S
    if (
        call.held is not None
        and desk.market.standing(call.ladder[call.entry], call.bid_slots[call.entry], wall_s) >= 0
        and _dial_gateway(desk, call, now_ns)
    ):
        return
    desk.release_held(call)
    for entry in range(call.entry + 1, len(call.ladder)):
        call.entry = entry
        held = desk.market.reserve(
            call.ladder[entry], call.bid_slots[entry], call.campaign, wall_s
        )
        if held is None:
            desk.count("reserve_lost")
            continue
        call.held = held
        call.ways = desk.market.ways_to(held.target)
        call.gateway_at = -1
        if _dial_gateway(desk, call, now_ns):
            # In whole µs since the arrival, as the record will say it: a restart ranks the same.
            dialled_ns = call.arrived_ns + call.offset_us(now_ns) * NS_PER_US
            desk.market.mark_won(held, dialled_ns)
            return
        desk.release_held(call)
    end(desk, call, now_ns, Refused.LADDER_EMPTY)


def _dial_gateway(desk: Room, call: Call, now_ns: int) -> bool:
    """Dial the next usable gateway of the target in hand; False if none is left."""
    held = call.held
    assert held is not None
    for at in range(call.gateway_at + 1, len(call.ways)):
        flow = desk.market.flow_of(call.ways[at].key, now_ns)
        if flow is None:
            continue
        if not held.unit and not desk.market.take_unit(held.target):
            return False
        held.unit = False
        call.gateway_at = at
        _dial(desk, call, held.target, flow, now_ns)
        return True
    return False


def _dial(desk: Room, call: Call, target_id: str, flow: Flow, now_ns: int) -> None:
    """Emit the Dial of the attempt in hand; its leg now owns the concurrency unit."""
    leg = desk.next_leg()
    desk.legs.pop(call.b_leg, None)  # an earlier leg ends on its own and concerns no call
    call.b_leg = leg
    call.attempt_no += 1
    call.invited_ns = now_ns
    call.heard = False
    call.rang_ns = 0
    desk.legs[leg] = call
    desk.units[leg] = target_id
    way = call.ways[call.gateway_at]
    desk.out.append(
        Dial(
            leg=leg,
            flow=flow,
            uri=way.uri,
            from_user=_from_user(call, way.form, way.prefix),
            from_display=call.display,
            max_forwards=call.max_forwards - 1,
            body=call.body,
            content_type=call.body_type,
            parent=call.a_leg,
        )
    )
    _arm(desk, call, now_ns)


def _from_user(call: Call, form: str, prefix: str) -> bytes:
    """The caller as this gateway wants it; anonymous stays anonymous (RFC 3323 §4.1.1.3)."""
    if not call.caller.startswith("+"):
        return call.caller.encode("utf-8", "surrogateescape") or b"anonymous"
    return format_outward(call.caller, form, prefix).encode()


def _arm(desk: Room, call: Call, now_ns: int) -> None:
    lanes = desk.lanes
    lanes.cancel(call.timer)
    no_response_ns = call.no_response_ns
    ring_ns = desk.market.ring_ns(call.ladder[call.entry].target) or call.ring_ns
    lanes.arm(now_ns, no_response_ns, call.timer, NO_RESPONSE_TIMER)
    lanes.arm(now_ns, ring_ns, call.timer, RING_TIMER)
    if call.attempt_no == 1:  # once, so that its duration is the campaign's: one lane, not many
        left_ns = min(call.ladder_end_ns, call.setup_end_ns) - now_ns
        lanes.arm(now_ns, left_ns, call.ladder_timer, LADDER_TIMER)


def attempt_failed(
    desk: Room, call: Call, notice: LegFailed, now_ns: int
) -> None:
    """The dialled leg ended without an answer: note it, try what its class says."""
    if notice.leg != call.b_leg or not call.advance(FAILED):
        desk.count("ignored")
        return
    desk.lanes.cancel(call.timer)
    desk.leg_gone(call.b_leg)
    note_attempt(desk, call, notice.status, notice.cause.name.lower(), now_ns)
    if notice.cause == Cause.RESPONSE:
        call.best_status = better_status(call.best_status, notice.status)
        if notice.status == 503 and notice.retry_after_s > 0:
            rest_s = min(notice.retry_after_s, limits.gateway_rest_s_max)
            desk.market.rest_gateway(call.ways[call.gateway_at].key, now_ns + rest_s * NS_PER_S)
    if failure_class(notice.status, notice.cause) == NEXT_BID:
        desk.release_held(call)
    dial_next(desk, call, now_ns)


def attempt_timed_out(desk: Room, call: Call, kind: int, now_ns: int) -> None:
    """A limit of the attempt passed: CANCEL it and dial the next in the same turn."""
    if kind == NO_RESPONSE_TIMER and call.heard:
        return
    if not call.advance(FAILED):
        desk.count("ignored")
        return
    desk.lanes.cancel(call.timer)
    leg = call.b_leg
    desk.out.append(Cancel(leg))
    if kind == NO_RESPONSE_TIMER:
        note_attempt(desk, call, 408, "no_response", now_ns)
    else:
        note_attempt(desk, call, 408, "ring_timeout", now_ns)
        desk.release_held(call)
    dial_next(desk, call, now_ns)


def note_attempt(desk: Room, call: Call, status: int, cause: str, now_ns: int) -> None:
    """Append the attempt in hand to the call's record and to the journal."""
    attempt = call.attempt(status, cause, now_ns)
    call.attempts = (*call.attempts, attempt)
    desk.emit(AttemptFailed(now_ns, call.call_id, attempt))


def end(desk: Room, call: Call, now_ns: int, refused: Refused) -> None:
    """No entry is left, or no time: the caller gets the best answer a buyer gave, else 480."""
    call.advance(EMPTY)
    status = call.best_status or 480
    if status in BUSY_STATUSES:
        disposition = Disposition.BUSY
    else:
        disposition = Disposition.NO_ANSWER if call.attempts else Disposition.UNSOLD
    settle.reject(desk, call, status, disposition, refused, now_ns)
