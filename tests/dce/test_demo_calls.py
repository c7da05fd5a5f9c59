"""The demo's table of calls, the check of their outcomes, its plan and its phones' SDP."""

import time
from typing import Any

import pytest

from dce.config import load
from dce.demo_calls import CALLS, CLOSED, SHOWN, DemoCall, differences, manners_of
from dce.demo_exchange import child_environment, entry_of
from dce.demo_plan import (
    PRIVATE_NETWORKS,
    desk_addresses,
    fit_plan,
    open_home,
    read_demo_plan,
    unmet_criteria,
)
from dce.demo_sdp import answer_offer, make_offer
from dce.demo_softphones import softphone_lines
from dce.dial_rules import dial_rules
from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan_source import load as load_plan
from vocabulary.errors import ConfigError


def named(title: str) -> DemoCall:
    return next(each for each in CALLS if each.title == title)


def record_of(planned: DemoCall) -> dict[str, Any]:
    """A record that is as planned."""
    want = planned.outcome
    return {
        "disposition": want.disposition, "refused": want.refused, "sip_status": want.status,
        "hangup": want.ended_by or "none", "buyer": want.buyer, "qualified": want.qualified,
        "revenue": want.revenue, "payout": want.payout,
        "attempts": [{"target": target, "status": status} for target, status in want.attempts],
        "auction": {"reasons": [{"reason": want.reason}]} if want.reason else None,
    }


def test_there_are_enough_calls_and_each_can_be_told_apart() -> None:
    assert len(CALLS) >= 20
    assert len({each.title for each in CALLS}) == len(CALLS)
    assert len({each.call.caller for each in CALLS}) == len(CALLS)
    assert {each.transport for each in CALLS} == {"UDP", "TCP"}
    assert len(named(SHOWN).outcome.attempts) == 2


def test_every_number_is_fictional() -> None:
    numbers = [each.call.caller for each in CALLS] + [each.call.number for each in CALLS]
    numbers += [row["number"] for row in read_demo_plan()["numbers"]]
    for number in numbers:
        assert number.startswith("+1"), number
        assert number[5:10] == "55501", number
        assert len(number) == 12, number


def test_calls_wait_only_for_calls_that_do_not_wait_for_them() -> None:
    done: set[str] = set()
    for each in CALLS:  # the table is in an order in which all can be played
        if each.after is not None:
            assert each.after[0] in done, each.title
        done.add(each.title)
    assert CLOSED in done


def test_what_must_be_shown_is_among_the_calls() -> None:
    outcomes = [each.outcome for each in CALLS]
    assert {"completed", "busy", "no_answer", "canceled", "blocked", "unsold"} <= {
        outcome.disposition for outcome in outcomes
    }
    assert {"campaign_schedule", "no_bid", "unknown_number"} <= {
        outcome.refused for outcome in outcomes if outcome.refused
    }
    assert {"concurrency", "day_cap", "below_floor"} <= {outcome.reason for outcome in outcomes}
    assert any(o.status == 200 and not o.qualified and o.ended_by == "buyer" for o in outcomes)


@pytest.mark.parametrize("title", [SHOWN, CLOSED, "one line: a second caller"])
def test_a_call_as_planned_has_no_differences(title: str) -> None:
    planned = named(title)
    want = planned.outcome
    assert differences(planned, want.status, want.ended_by, record_of(planned)) == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("revenue", "14.00", "revenue is 14.00, planned 12.00"),
        ("buyer", "acme", "buyer is acme, planned bestrate"),
        ("attempts", [], "attempts none, planned acme-desk 486, bestrate-desk 200"),
        ("hangup", "buyer", "hangup is buyer, planned caller"),
        ("refused", "fault", "refused is fault, planned None"),
    ],
)
def test_each_difference_of_a_record_is_named(key: str, value: object, said: str) -> None:
    planned = named(SHOWN)
    record = {**record_of(planned), key: value}
    assert differences(planned, 200, "caller", record) == [f"record: {said}"]


def test_what_the_phone_heard_is_checked_apart_from_the_record() -> None:
    planned = named(SHOWN)
    record = record_of(planned)
    assert differences(planned, 480, "", record) == ["the caller got 480, planned 200"]
    assert differences(planned, 0, "", record) == ["the caller got no final answer, planned 200"]
    assert differences(planned, 200, "buyer", record) == ["ended by buyer, planned caller"]
    assert differences(planned, 200, "caller", None) == ["no record came"]


def test_a_missing_reason_and_an_unwanted_record_are_differences() -> None:
    full = named("one line: a second caller")
    record = {**record_of(full), "auction": {"reasons": [{"reason": "below_floor"}]}}
    assert differences(full, 480, "", record) == [
        "record: no candidate was refused for concurrency"
    ]
    stranger = named("from an unknown address")
    assert differences(stranger, 403, "", None) == []
    assert differences(stranger, 403, "", record) == ["a record was made, planned none"]


def test_the_plan_fits_the_phones_and_both_versions_compile() -> None:
    written = read_demo_plan()
    phones = {target: lambda transport: ("127.0.0.7", 6000 + len(transport))
              for target in desk_addresses(written)}
    plan = fit_plan(written, ["127.0.0.7/32", *PRIVATE_NETWORKS], phones)
    assert desk_addresses(plan) == dict.fromkeys(phones, ("127.0.0.7", 6003))
    assert "transport=tcp" in plan["targets"][2]["uri"]
    assert plan["trunks"][0]["networks"][1:] == ["127.0.0.7/32", *PRIVATE_NETWORKS]
    assert open_home(plan)["campaigns"][1]["schedule"] == "always"
    assert written["campaigns"][1]["schedule"] == "never"
    for document in (plan, open_home(plan)):
        source = load_plan(document)
        _, bids, warnings = compile_plan(
            source, now_s=int(time.time()), version=1, areas=bundled_areas(),
            dial_rules=dial_rules({trunk.country for trunk in source.trunks}),
        )
        assert len(bids) == len(written["bids"])
        assert warnings == []


def test_every_manner_belongs_to_a_phone_of_the_plan() -> None:
    desks = set(desk_addresses(read_demo_plan()))
    assert {target for each in CALLS for target in each.manners} <= desks
    assert manners_of("acme-desk")[named(SHOWN).call.caller].reject == 486


def test_the_first_criterion_that_fits_not_is_named() -> None:
    bid = {"criteria": {"verticals": ["auto"], "states": ["CA", "OR"], "attestation": ["A"]}}
    assert unmet_criteria(bid, "home", "NY", "unknown") == "asks for verticals auto"
    assert unmet_criteria(bid, "auto", "", "unknown").endswith("states CA, OR; this call: unknown")
    assert "attestation A" in unmet_criteria(bid, "auto", "CA", "unknown")
    assert unmet_criteria({}, "auto", "CA", "A") == "asks for other places or hours"


def test_an_answer_takes_the_first_audio_it_speaks_and_refuses_the_rest() -> None:
    offer = b"v=0\r\nm=video 9000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 111 8 0 101\r\n"
    answer = answer_offer(offer, "127.0.0.1", b"buyer")
    assert b"m=video 0 RTP/AVP 96\r\n" in answer
    assert b"m=audio 9 RTP/AVP 8\r\na=inactive\r\n" in answer
    assert answer.count(b"m=") == 2


@pytest.mark.parametrize("line", [b"m=audio 4000 RTP/SAVP 0", b"m=audio 4000 RTP/AVP 111", b"m="])
def test_an_offer_that_nobody_speaks_gets_no_answer(line: bytes) -> None:
    assert answer_offer(b"v=0\r\n" + line + b"\r\n", "127.0.0.1", b"buyer") == b""


def test_an_offer_is_answered_by_itself_and_an_absent_one_by_an_offer() -> None:
    offer = make_offer("::1", b"caller")
    assert b"c=IN IP6 ::1\r\n" in offer
    assert b"m=audio 9 RTP/AVP 0\r\n" in answer_offer(offer, "127.0.0.1", b"buyer")
    assert answer_offer(b"", "127.0.0.1", b"b") == make_offer("127.0.0.1", b"b")


def test_the_child_gets_no_other_database() -> None:
    given = {"DCE_DATABASE_URL": "postgres://a", "DCE_DATABASE__URL": "postgres://a", "A": "b"}
    assert child_environment(given) == {"DCE_DATABASE__URL": "", "A": "b"}
    assert load(environ=child_environment(given)).database.url == ""


def test_the_entry_is_seen_from_this_machine() -> None:
    narrow = entry_of(load(environ={"DCE_SIP__LISTEN": "tcp:127.0.0.1:5070,udp:127.0.0.1:5060"}))
    assert (narrow.host, narrow.udp_port, narrow.tcp_port) == ("127.0.0.1", 5060, 5070)
    wide = entry_of(load(environ={"DCE_SIP__LISTEN": "udp:0.0.0.0:5060"}))
    assert (wide.host, wide.tcp_port, wide.wide) == ("127.0.0.1", 0, True)
    with pytest.raises(ConfigError, match="needs an address such as udp"):
        entry_of(load(environ={"DCE_SIP__LISTEN": "udp:[::1]:5060"}))


def test_softphones_are_told_where_to_call() -> None:
    entry = entry_of(load(environ={"DCE_SIP__LISTEN": "udp:127.0.0.1:5070"}))
    lines = list(softphone_lines(entry, "http://127.0.0.1:8080", lan=False))
    assert "no registration needed, call sip:+12125550102@127.0.0.1:5070" in lines[0]
    assert any("--lan" in line for line in lines)
    assert all(len(line) <= 100 for line in lines)
