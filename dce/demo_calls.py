"""The calls of the demo: who calls what, how each phone behaves, and what must come of it.

A caller's number is used by one call only, so that phones and records can be told apart by it.
The outcome of a call is checked twice: as its caller heard it, and as PostgreSQL has it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from dce.demo_phones import BUYER, CALLER, Call, Manner

AUTO, HOME, AUTO_CHICAGO, AUTO_HAWAII = (
    "+12125550101", "+12125550102", "+13125550103", "+18085550104",
)
NOWHERE = "+12125550199"
QUALIFIES_S = 2.3  # the plan's terms: charged from two seconds on
BRIEF_S = 0.4
ACME, BEST, COAST = "acme-desk", "bestrate-desk", "coastal-desk"
BUSY = Manner(reject=486)
DECLINED = Manner(reject=603)
FAILING = Manner(reject=500)
RINGS_ON = Manner(ring_s=-1)
TAKES = Manner()
TAKES_EARLY = Manner(early=True, ring_s=0.6)
TAKES_THEN_ENDS = Manner(talk_s=QUALIFIES_S)
TAKES_BRIEFLY = Manner(talk_s=BRIEF_S)


class Outcome(Struct, frozen=True, kw_only=True):
    """What must come of a call. status: final, as the caller hears it. ended_by: of an answered
    call. The rest is of its record; recorded False: there must be none. attempts: (target,
    status) in order. reason: name of a reason that must stand in its decision."""

    status: int
    ended_by: str = ""
    recorded: bool = True
    disposition: str = "completed"
    refused: str | None = None
    buyer: str | None = None
    qualified: bool = False
    revenue: str = "0.00"
    payout: str = "0.00"
    attempts: tuple[tuple[str, int], ...] = ()
    reason: str = ""


class DemoCall(Struct, frozen=True, kw_only=True):
    """One call. after: (title of another call, "answered" | "ended") that must come first.

    manners: target → how its phone treats this call. stranger: it comes from an address that the
    plan does not know. opened: it waits until the second plan is in force.
    """

    title: str
    call: Call
    transport: str = "UDP"
    manners: dict[str, Manner] = {}
    after: tuple[str, str] | None = None
    stranger: bool = False
    opened: bool = False
    outcome: Outcome


def _sold(target: str, price: str, payout: str, *failed: tuple[str, int],
          ended_by: str = CALLER) -> Outcome:
    return Outcome(
        status=200, ended_by=ended_by, buyer=target.removesuffix("-desk"), qualified=True,
        revenue=price, payout=payout, attempts=(*failed, (target, 200)),
    )


def _unpaid(target: str, ended_by: str) -> Outcome:
    return Outcome(
        status=200, ended_by=ended_by, buyer=target.removesuffix("-desk"),
        attempts=((target, 200),),
    )


def _unsold(refused: str, status: int = 480, reason: str = "") -> Outcome:
    disposition = "unsold" if refused == "no_bid" else "blocked"
    return Outcome(status=status, disposition=disposition, refused=refused, reason=reason)


def _failed(disposition: str, status: int, *attempts: tuple[str, int]) -> Outcome:
    return Outcome(
        status=status, disposition=disposition, refused="ladder_empty", attempts=attempts
    )


def _canceled(target: str) -> Outcome:
    return Outcome(status=487, disposition="canceled", attempts=((target, 487),))


SHOWN = "busy, then the next buyer"  # the call that is shown in full

CALLS = (
    DemoCall(
        title=SHOWN, call=Call("+12125550110", AUTO, talk_s=QUALIFIES_S, sub_id="spring-ad"),
        manners={ACME: BUSY, BEST: TAKES},
        outcome=_sold(BEST, "12.00", "8.40", (ACME, 486)),
    ),
    DemoCall(
        title="the best bid answers", call=Call("+12125550111", AUTO, talk_s=QUALIFIES_S),
        manners={ACME: TAKES}, outcome=_sold(ACME, "14.00", "9.80"),
    ),
    DemoCall(
        title="the same over TCP", call=Call("+12015550112", AUTO, talk_s=QUALIFIES_S),
        transport="TCP", manners={ACME: TAKES}, outcome=_sold(ACME, "14.00", "9.80"),
    ),
    DemoCall(
        title="by another publisher",
        call=Call("+13125550113", AUTO_CHICAGO, talk_s=QUALIFIES_S),
        manners={ACME: TAKES}, outcome=_sold(ACME, "14.00", "9.80"),
    ),
    DemoCall(
        title="the buyer hangs up, qualified", call=Call("+12145550114", AUTO),
        manners={ACME: TAKES_THEN_ENDS}, outcome=_sold(ACME, "14.00", "9.80", ended_by=BUYER),
    ),
    DemoCall(
        title="early media before the answer",
        call=Call("+12125550115", AUTO, talk_s=QUALIFIES_S),
        manners={ACME: TAKES_EARLY}, outcome=_sold(ACME, "14.00", "9.80"),
    ),
    DemoCall(
        title="busy, next buyer, over TCP", call=Call("+12035550116", AUTO, talk_s=QUALIFIES_S),
        transport="TCP", manners={ACME: BUSY, BEST: TAKES},
        outcome=_sold(BEST, "12.00", "8.40", (ACME, 486)),
    ),
    DemoCall(
        title="no answer, next buyer", call=Call("+12125550117", AUTO, talk_s=QUALIFIES_S),
        manners={ACME: RINGS_ON, BEST: TAKES},
        outcome=_sold(BEST, "12.00", "8.40", (ACME, 408)),
    ),
    DemoCall(
        title="declined, next buyer", call=Call("+12125550118", AUTO, talk_s=QUALIFIES_S),
        manners={ACME: DECLINED, BEST: TAKES},
        outcome=_sold(BEST, "12.00", "8.40", (ACME, 603)),
    ),
    DemoCall(
        title="server error, next buyer", call=Call("+12125550119", AUTO, talk_s=QUALIFIES_S),
        manners={ACME: FAILING, BEST: TAKES},
        outcome=_sold(BEST, "12.00", "8.40", (ACME, 500)),
    ),
    DemoCall(
        title="every buyer is busy", call=Call("+12125550120", AUTO),
        manners={ACME: BUSY, BEST: BUSY},
        outcome=_failed("busy", 486, (ACME, 486), (BEST, 486)),
    ),
    DemoCall(
        title="nobody answers", call=Call("+12145550121", AUTO), manners={ACME: RINGS_ON},
        outcome=_failed("no_answer", 480, (ACME, 408)),
    ),
    DemoCall(
        title="the caller gives up", call=Call("+12125550122", AUTO, cancel_s=0.8),
        manners={ACME: RINGS_ON}, outcome=_canceled(ACME),
    ),
    DemoCall(
        title="gives up, over TCP", call=Call("+12015550123", AUTO, cancel_s=0.6),
        transport="TCP", manners={ACME: RINGS_ON}, outcome=_canceled(ACME),
    ),
    DemoCall(
        title="the buyer hangs up early", call=Call("+12125550124", AUTO),
        manners={ACME: TAKES_BRIEFLY}, outcome=_unpaid(ACME, BUYER),
    ),
    DemoCall(
        title="the caller hangs up early", call=Call("+12125550125", AUTO, talk_s=BRIEF_S),
        manners={ACME: TAKES}, outcome=_unpaid(ACME, CALLER),
    ),
    DemoCall(
        title="one line: taken", call=Call("+12135550130", AUTO),
        manners={COAST: TAKES_THEN_ENDS}, after=(SHOWN, "answered"),
        outcome=_sold(COAST, "9.00", "6.30", ended_by=BUYER),
    ),
    DemoCall(
        title="one line: a second caller", call=Call("+12135550131", AUTO),
        after=("one line: taken", "answered"),
        outcome=_unsold("no_bid", reason="concurrency"),
    ),
    DemoCall(
        title="one line: free again", call=Call("+14155550132", AUTO),
        manners={COAST: TAKES_BRIEFLY}, after=("one line: taken", "ended"),
        outcome=_unpaid(COAST, BUYER),
    ),
    DemoCall(
        title="day cap: the third call", call=Call("+15035550133", AUTO),
        manners={COAST: TAKES_BRIEFLY}, after=("one line: free again", "ended"),
        outcome=_unpaid(COAST, BUYER),
    ),
    DemoCall(
        title="day cap: the fourth", call=Call("+12065550134", AUTO),
        after=("day cap: the third call", "ended"),
        outcome=_unsold("no_bid", reason="day_cap"),
    ),
    DemoCall(
        title="no bid from there", call=Call("+18085550140", AUTO_HAWAII),
        outcome=_unsold("no_bid", reason="below_floor"),
    ),
    DemoCall(
        title="the campaign is closed", call=Call("+12125550141", HOME),
        outcome=_unsold("campaign_schedule"),
    ),
    DemoCall(
        title="open by a new plan, second price",
        call=Call("+12125550142", HOME, talk_s=QUALIFIES_S),
        manners={ACME: TAKES}, opened=True, outcome=_sold(ACME, "10.01", "2.50"),
    ),
    DemoCall(
        title="a number nobody owns", call=Call("+12125550143", NOWHERE),
        outcome=_unsold("unknown_number", 404),
    ),
    DemoCall(
        title="from an unknown address", call=Call("+12125550144", AUTO), stranger=True,
        outcome=Outcome(status=403, recorded=False),
    ),
)
CLOSED = "the campaign is closed"  # the second plan waits for this one


def manners_of(target: str) -> dict[str, Manner]:
    """Caller → how the phone of a target treats the call."""
    return {each.call.caller: each.manners[target] for each in CALLS if target in each.manners}


def differences(
    planned: DemoCall, status: int, ended_by: str, record: Mapping[str, Any] | None
) -> list[str]:
    """What differs from the plan, in words; nothing if all went well.

    status, ended_by: as the caller's phone knows them. record: as GET /api/v1/calls/{id} gives
    it, None if there is none.
    """
    want = planned.outcome
    found = []
    if status != want.status:
        found.append(f"the caller got {status or 'no final answer'}, planned {want.status}")
    elif ended_by != want.ended_by:
        found.append(f"ended by {ended_by or 'nobody'}, planned {want.ended_by or 'nobody'}")
    if record is None:
        return [*found, "no record came"] if want.recorded else found
    if not want.recorded:
        return [*found, "a record was made, planned none"]
    return [*found, *_record_differences(want, record)]


def _record_differences(want: Outcome, record: Mapping[str, Any]) -> Iterator[str]:
    wanted: dict[str, Any] = {
        "disposition": want.disposition, "refused": want.refused, "sip_status": want.status,
        "hangup": want.ended_by or ("caller" if want.disposition == "canceled" else "none"),
        "buyer": want.buyer, "qualified": want.qualified, "revenue": want.revenue,
        "payout": want.payout,
    }
    for key, value in wanted.items():
        if record[key] != value:
            yield f"record: {key} is {record[key]}, planned {value}"
    attempts = tuple((leg["target"], leg["status"]) for leg in record["attempts"])
    if attempts != want.attempts:
        yield f"record: attempts {_legs(attempts)}, planned {_legs(want.attempts)}"
    if want.reason and want.reason not in _reasons(record):
        yield f"record: no candidate was refused for {want.reason}"


def _legs(attempts: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{target} {status}" for target, status in attempts) or "none"


def _reasons(record: Mapping[str, Any]) -> set[str]:
    auction = record["auction"]
    return {row["reason"] for row in auction["reasons"]} if auction else set()
