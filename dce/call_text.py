"""A call as `dce call show` prints it: what happened, why, and the money."""

from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]
CANDIDATES_SHOWN = 40


def call_text(call: Row) -> str:
    """Lines of one call, as `RecordedCalls.read_call` gives it."""
    return "\n".join([*_head(call), *_attempts(call), *_auction(call), *_postings(call)])


def _head(call: Row) -> Iterator[str]:
    yield f"call {call['id']}  {call['received_at']}"
    why = f" ({call['refused']})" if call["refused"] else ""
    yield f"  outcome    {call['disposition']}{why}, SIP {call['sip_status']}"
    yield (
        f"  route      {call['trunk'] or '-'} → {call['number'] or '-'} →"
        f" {call['campaign'] or '-'} → {call['buyer'] or '-'} / {call['target'] or '-'}"
    )
    times = ", ".join(
        f"{name} {call[f'{name}_ms']:.1f} ms"
        for name in ("decided", "ringing", "answered", "ended")
        if call[f"{name}_ms"] is not None
    )
    yield f"  times      {times or '-'}"
    yield (
        f"  connected  {call['connected_s']} s, {'' if call['qualified'] else 'not '}qualified,"
        f" ended by {call['hangup']}"
    )
    yield (
        f"  money      revenue {call['revenue']}, payout {call['payout']},"
        f" margin {call['margin']} {call['currency']}"
    )


def _attempts(call: Row) -> Iterator[str]:
    yield f"attempts ({len(call['attempts'])})"
    for leg in call["attempts"]:
        via = f" by {leg['gateway']}" if leg["gateway"] else ""
        yield f"  {leg['number']}. {leg['target']}{via}: {leg['status']} {leg['cause']}"


def _auction(call: Row) -> Iterator[str]:
    auction = call["auction"]
    if auction is None:
        yield "auction: none was held"
        return
    yield (
        f"auction {auction['id']}: {auction['candidates']} candidates, {auction['price']} price,"
        f" floor {auction['floor']} {auction['currency']}, plan {auction['plan_version']}"
    )
    for entry in auction["ladder"]:
        yield f"  {entry['place']}. {_bid(entry)}"
    if auction["runner_up"]:
        yield f"  runner-up {_bid(auction['runner_up'])}"
    yield from _decision(auction)


def _bid(entry: Row) -> str:
    return (
        f"{entry['buyer']} / {entry['target']} ({entry['bid']}): bid {entry['amount']},"
        f" price {entry['price']}"
    )


def _decision(auction: Row) -> Iterator[str]:
    """Each candidate and its reason, or how often each reason stood."""
    named = auction["decision"]
    if named is None:
        for row in auction["reasons"]:
            yield f"  {row['candidates']} × {row['reason']} ({row['reason_id']})"
        return
    for row in named[:CANDIDATES_SHOWN]:
        number = f" ({row['reason_id']})" if row["reason_id"] else ""
        yield f"  {row['buyer']} / {row['target']} {row['amount']}: {row['reason']}{number}"
    if len(named) > CANDIDATES_SHOWN:
        yield f"  … and {len(named) - CANDIDATES_SHOWN} more"


def _postings(call: Row) -> Iterator[str]:
    yield f"postings ({len(call['postings'])})"
    for row in call["postings"]:
        yield (
            f"  {row['kind']:<8} {row['account']:<18} {row['owner'] or '-':<20}"
            f" {row['amount']:>12} {row['currency']}"
        )
