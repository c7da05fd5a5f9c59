"""Screening an offered call: trunk, number, campaign, caller; then decide and dial.

The order is cheap to dear and the first refusal is the answer (architecture §6, steps 5–9):

```
trunk 403 ─► number 404 ─► may dial 403 ─► publisher, campaign 480 ─► schedule 480 ─►
caps 480 ─► [law] ─► [fraud] ─► candidates and auction (decide) ─► reserve and dial (ladder)
```
Law (compliance) and fraud stand where the brackets are. From the notice to the Dial nothing
waits and one now_ns holds.
"""

from __future__ import annotations

from exchange import decide, ladder, settle
from exchange.call import Call
from exchange.room import Room
from routing.trunk import Trunk
from sip import uri as sip_uri
from sip.signals import CallOffered, Reject
from vocabulary import limits
from vocabulary.errors import RemoteProtocolError
from vocabulary.facts import Disposition, Personal
from vocabulary.number import normalise
from vocabulary.reasons import Refused

STATUS_OF = {
    Refused.UNKNOWN_NUMBER: 404,
    Refused.NOT_DIALLABLE: 403,
}


def offered(desk: Room, offer: CallOffered, now_ns: int) -> None:
    """A new INVITE: refuse it with its own reason, or decide and dial."""
    desk.count("calls_offered")
    if desk.admission_closed or len(desk.calls) >= limits.calls_max:
        desk.count("calls_shed")
        desk.out.append(Reject(offer.leg, 503, b"", limits.retry_after_s))
        return
    plan = desk.market.plan
    if plan is None:
        desk.count("calls_shed")
        desk.out.append(Reject(offer.leg, 503, b"", limits.retry_after_s))
        return
    trunk = plan.trunk_of(offer.flow.host)
    if trunk is None:
        desk.count("calls_unknown_source")
        desk.out.append(Reject(offer.leg, 403, once=True))  # one packet in, one out
        return
    _route(desk, _open(desk, offer, trunk, now_ns), offer, trunk, now_ns)


def _open(desk: Room, offer: CallOffered, trunk: Trunk, now_ns: int) -> Call:
    desk.serials += 1
    wall_ns = now_ns + desk.offset_ns
    call = Call(desk.serials, offer.leg, now_ns, wall_ns)
    call.call_id, call.auction_id = desk.ids.uuid7_pair(wall_ns)
    call.trunk = trunk.id
    call.body = offer.body
    call.body_type = offer.content_type
    call.max_forwards = offer.max_forwards
    call.display = offer.from_display
    desk.calls[call.serial] = call
    desk.legs[offer.leg] = call
    return call


def _route(desk: Room, call: Call, offer: CallOffered, trunk: Trunk, now_ns: int) -> None:
    plan = desk.market.plan
    assert plan is not None
    source = offer.to_uri if trunk.number_from == "to" else offer.uri
    dialled = normalise(user_text(source), trunk.rule)
    call.number = dialled
    _name_caller(desk, call, offer, trunk)
    entry = plan.number(dialled) if dialled else None
    if entry is None:
        refuse(desk, call, Refused.UNKNOWN_NUMBER, now_ns)
        return
    call.publisher = entry.publisher.id
    call.campaign = entry.campaign.id
    call.currency = plan.currency
    if not trunk.may_dial(dialled):
        refuse(desk, call, Refused.NOT_DIALLABLE, now_ns)
        return
    refused = desk.market.admit(call, entry, now_ns)
    if refused:
        refuse(desk, call, refused, now_ns)
        return
    campaign = entry.campaign
    call.ladder_end_ns = now_ns + campaign.ladder_ns
    call.setup_end_ns = now_ns + campaign.setup_ns
    call.no_response_ns = campaign.no_response_ns
    call.ring_ns = campaign.ring_ns
    decide.decide(desk, call, entry, _tags(offer, trunk), now_ns)
    call.decided_ns = now_ns
    if not call.ladder:
        refuse(desk, call, Refused.NO_BID, now_ns)
        return
    ladder.dial_next(desk, call, now_ns)


def user_text(uri: bytes) -> str:
    """User part of a SIP URI or the number of a tel URI, as text; "" if there is none."""
    return sip_uri.user_of(uri).decode("utf-8", "surrogateescape")


def _name_caller(desk: Room, call: Call, offer: CallOffered, trunk: Trunk) -> None:
    """The caller: P-Asserted-Identity where the trunk is trusted, else From (RFC 3325)."""
    raw = ""
    if trunk.trusted and offer.asserted:
        raw = user_text(_identity_uri(offer.asserted[0]))
    raw = raw or user_text(offer.from_uri)
    number = normalise(raw, trunk.caller_rule)
    call.caller = number or raw
    call.subject = desk.subjects.subject_id(call.caller.encode("utf-8", "surrogateescape"))
    call.personal = Personal((
        call.caller,
        offer.from_display.decode("utf-8", "replace"),
        call.number,
        offer.call_id.decode("utf-8", "replace"),
        offer.flow.host,
    ))


def _identity_uri(value: bytes) -> bytes:
    """URI of one P-Asserted-Identity value: name-addr or addr-spec."""
    start = value.rfind(b"<")
    if start < 0:
        return value.strip()
    return value[start + 1 :].partition(b">")[0]


def _tags(offer: CallOffered, trunk: Trunk) -> tuple[tuple[str, str], ...]:
    """Tags that the trunk maps from X-* headers and URI parameters, in the trunk's order."""
    found: list[tuple[str, str]] = []
    if trunk.headers:
        sent = {name.lower(): value for name, value in offer.extra}
        for name, tag in trunk.headers:
            value = sent.get(name.encode())
            if value is not None:
                found.append((tag, _tag_text(value)))
    for name, tag in trunk.uri_parameters:
        value = _uri_param(offer.uri, name.encode())
        if value is not None:
            found.append((tag, _tag_text(value)))
    return tuple(found)


def _tag_text(value: bytes) -> str:
    return value[: limits.tag_value_bytes_max].decode("utf-8", "replace")


def _uri_param(uri: bytes, name: bytes) -> bytes | None:
    try:
        return sip_uri.parse_uri(uri).params.get(name.lower())
    except RemoteProtocolError:
        return None


def refuse(desk: Room, call: Call, refused: Refused, now_ns: int) -> None:
    """Answer with the refusal's status and record its own reason."""
    disposition = Disposition.UNSOLD if refused == Refused.NO_BID else Disposition.BLOCKED
    settle.reject(desk, call, STATUS_OF.get(refused, 480), disposition, refused, now_ns)


