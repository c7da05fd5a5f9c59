"""What the demo prints: the ladder, one line a call, the decision, the books."""

from typing import Any

from dce.demo_calls import CALLS, SHOWN
from dce.demo_text import (
    BAD,
    GOOD,
    Books,
    Paint,
    book_lines,
    call_line,
    calls_heading,
    decision_lines,
    heading,
    posting_lines,
    record_lines,
)
from dce.demo_trace import WIDTH, Seen, Trace, draw_ladder

PLAIN = Paint(False)
PLANNED = next(each for each in CALLS if each.title == SHOWN)
INVITE = (
    b"INVITE sip:+12125550101@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
    b"From: <sip:+12125550110@127.0.0.1>;tag=a\r\nTo: <sip:+12125550101@127.0.0.1>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.1>\r\n"
)
BUSY = (
    b"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
    b"From: <sip:+12125550110@127.0.0.1>;tag=a\r\nTo: <sip:+12125550101@127.0.0.1>;tag=b\r\n"
    b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def seen(at_ms: float, phone: str, out: bool, text: str) -> Seen:
    return Seen(int(at_ms * 1e6), phone, out, b"1", "+1", text)


def record() -> dict[str, Any]:
    """A record as the API gives one."""
    return {
        "id": "0190", "received_at": "2026-11-24T15:00:00.000Z", "disposition": "completed",
        "sip_status": 200, "refused": None, "hangup": "caller", "publisher": "brightleads",
        "campaign": "auto", "number": "+12125550101", "buyer": "bestrate", "qualified": True,
        "connected_s": 2.3, "ringing_ms": 20.5, "answered_ms": 321.1, "ended_ms": None,
        "currency": "USD", "revenue": "12.00", "payout": "8.40", "margin": "3.60",
        "subject": "146a8abe9d148d70aa",
        "attempts": [
            {"entry": 0, "target": "acme-desk", "status": 486},
            {"entry": 1, "target": "bestrate-desk", "status": 200},
        ],
        "auction": {
            "price": "first", "floor": "5.00", "currency": "USD", "area": "NY",
            "plan_version": 1, "attestation": "unknown", "tags": {"sub_id": "ad"},
            "reasons": [{"reason": "outbid", "candidates": 1},
                        {"reason": "below_floor", "candidates": 1}],
            "ladder": [ladder(1, "acme", "14.00"), ladder(2, "bestrate", "12.00")],
            "decision": [
                decided("acme", "auto", "14.00", "eligible"),
                decided("bestrate", "auto", "12.00", "eligible"),
                decided("bestrate", "day", "12.50", "outbid"),
                decided("coastal", "national", "4.50", "below_floor"),
            ],
        },
        "postings": [
            {"kind": "revenue", "account": "buyer", "owner": "bestrate", "amount": "12.00",
             "currency": "USD"},
            {"kind": "revenue", "account": "revenue", "owner": "", "amount": "-12.00",
             "currency": "USD"},
        ],
    }


def ladder(place: int, buyer: str, amount: str) -> dict[str, Any]:
    return {"place": place, "bid": f"{buyer}-auto", "buyer": buyer, "target": f"{buyer}-desk",
            "amount": amount, "price": amount}


def decided(buyer: str, name: str, amount: str, reason: str) -> dict[str, Any]:
    return {"bid": f"{buyer}-{name}", "buyer": buyer, "target": f"{buyer}-desk",
            "amount": amount, "reason": reason}


def plan() -> dict[str, Any]:
    return {
        "buyers": [{"id": "acme", "name": "Acme Insurance"},
                   {"id": "bestrate", "name": "Best Rate"}],
        "campaigns": [{"id": "auto", "vertical": "auto-insurance"}],
        "bids": [{"id": "acme-home", "buyer": "acme", "amount": "11.00",
                  "criteria": {"verticals": ["home-insurance"]}}],
    }


def test_arrows_start_and_end_at_the_right_lifelines() -> None:
    lines = draw_ladder(
        [
            seen(5, "caller", True, "INVITE"), seen(6, "acme-desk", False, "INVITE"),
            seen(7, "acme-desk", True, "486 Busy Here"),
            seen(9.5, "bestrate-desk", False, "INVITE"), seen(10, "caller", False, "180 Ringing"),
            seen(11, "somebody", True, "OPTIONS"),
        ],
        "caller", ["acme-desk", "bestrate-desk"], ["caller", "exchange", "acme", "bestrate"],
    )
    assert len(lines) == 6  # a heading, and nothing of a phone that is not drawn
    lanes = [place for place, c in enumerate(lines[2]) if c in "│"]
    assert len(lanes) == 4
    assert [line[:7].strip() for line in lines] == ["ms", "0.0", "1.0", "2.0", "4.5", "5.0"]
    assert lines[1][lanes[1] - 1] == ">"
    assert lines[2][lanes[2] - 1] == ">"
    assert lines[3][lanes[1] + 1] == "<"
    assert lines[4][lanes[3] - 1] == ">"
    assert lines[4][lanes[2]] == "┼"
    assert lanes[2] < lines[4].index("INVITE") < lanes[3]
    assert lines[5][lanes[0] + 1] == "<"
    assert all(len(line) <= WIDTH for line in lines)


def test_a_long_text_leaves_the_arrow_to_be_seen() -> None:
    lines = draw_ladder([seen(0, "a", True, "x" * 200)], "a", ["b"], ["caller", "exchange", "b"])
    assert "──xx" not in lines[1]
    assert ">│" in lines[1]
    assert len(lines[1]) <= WIDTH


def test_an_empty_ladder_is_its_heading() -> None:
    assert len(draw_ladder([], "a", ["b"], ["caller", "exchange", "b"])) == 1


def test_the_trace_keeps_both_directions_by_the_callers_number() -> None:
    trace = Trace()
    body = b"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    trace.note("caller", True, INVITE + body, 2)
    trace.note("caller", False, BUSY, 3)
    trace.note("caller", False, b"\r\n\r\n", 4)  # a keep-alive
    found = trace.of_caller("+12125550110")
    assert [(each.text, each.out) for each in found] == [
        ("INVITE + SDP", True), ("486 Busy Here", False),
    ]
    assert trace.of_caller("+12125550111") == []


def test_a_call_is_one_line_that_fits() -> None:
    line = call_line(PLANNED, 200, record(), True, PLAIN)
    assert GOOD in line
    assert "acme 486, bestrate 200" in line
    assert line.endswith("2.3 s  12.00")
    assert len(line) <= WIDTH
    assert len(calls_heading(PLAIN)) == len(line)


def test_a_refused_call_says_why() -> None:
    refused = record() | {"attempts": [], "refused": "no_bid", "sip_status": 480, "connected_s": 0}
    line = call_line(PLANNED, 480, refused, False, PLAIN)
    assert BAD in line
    assert "480 no bid, outbid" in line
    assert "403, not recorded" in call_line(PLANNED, 403, None, True, PLAIN)


def test_every_bid_of_the_plan_has_its_reason() -> None:
    lines = list(decision_lines(record(), plan(), PLAIN))
    assert "first-price auction, floor 5.00 USD, caller from NY" in lines[0]
    text = "\n".join(lines)
    for name, words in (
        ("acme-auto", "dialled: 486"), ("bestrate-auto", "dialled: 200, it pays 12.00"),
        ("bestrate-day", "own better bid"), ("coastal-national", "below the floor of 5.00"),
        ("acme-home", "asks for verticals home-insurance"),
    ):
        line = next(line for line in lines if f" {name} " in line)
        assert words in line
    assert text.index("acme-auto") < text.index("bestrate-auto") < text.index("bestrate-day")
    assert all(len(line) <= WIDTH for line in lines)


def test_without_names_the_reasons_are_counted() -> None:
    shown = record()
    shown["auction"]["decision"] = None
    assert "     1 refused: below the floor of 5.00" in list(decision_lines(shown, plan(), PLAIN))
    shown["auction"] = None
    assert list(decision_lines(shown, plan(), PLAIN)) == ["  no auction was held"]


def test_record_and_postings_fit() -> None:
    lines = [*record_lines(record()), *posting_lines(record()["postings"])]
    assert all(len(line) <= WIDTH for line in lines)
    text = "\n".join(lines)
    assert "sub_id=ad" in text
    assert "ended by the caller" in text
    assert "-12.00 USD" in text


def test_books_compare_the_engine_with_the_ledger() -> None:
    accounts = [
        {"id": "acme", "kind": "buyer", "balance": "250.00", "currency": "USD"},
        {"id": "bright", "kind": "publisher", "balance": "1.00", "currency": "USD"},
    ]
    rows = [("bank", "", 1, 250_000_000), ("buyer", "acme", 1, -250_000_000)]
    books = Books(rows)
    assert books.balance("acme") == "250.00"
    assert books.differences(accounts) == ["account bright: 1.00, its postings say 0.00"]
    lines = list(book_lines(accounts, books, PLAIN))
    assert [GOOD in line for line in lines[1:]] == [True, False, True]
    crooked = Books([*rows, ("revenue", "", 1, 5)])
    assert "sum to 0.000005, not to 0" in crooked.differences([])[0]


def test_colour_is_for_terminals_only() -> None:
    assert "\x1b" not in heading("a", PLAIN) + PLAIN.mark(False) + PLAIN.dim("b")
    assert "\x1b[31m" in Paint(True).mark(False)
    assert len(heading("a", PLAIN)) == WIDTH + 1
