"""Facts to rows, without a database."""

import json
from collections import defaultdict

import pytest
from msgspec.structs import replace

from storage.copy_format import Texts
from storage.fact_types import FACT_OF_TYPE, FACT_TYPES
from storage.loader import (
    FACT_KINDS,
    Loader,
    Rows,
    add_closed,
    add_routed,
    add_top_up,
)
from storage.segment import Entry
from tests.storage.copied import counted
from tests.storage.copied import rows_of as only
from tests.storage.facts_of_calls import (
    WALL_NS,
    auction_id,
    call_id,
    encode,
    facts_of_call,
    top_up,
)
from vocabulary import limits
from vocabulary.facts import (
    AnyFact,
    CallClosed,
    CallRouted,
    ClockSet,
    Disposition,
    Heartbeat,
    Party,
    Personal,
    PlanApplied,
    Started,
)


def closed(number: int = 1) -> CallClosed:
    fact = facts_of_call(number)[3]
    assert isinstance(fact, CallClosed)
    return fact


def routed(number: int = 1) -> CallRouted:
    fact = facts_of_call(number)[0]
    assert isinstance(fact, CallRouted)
    return fact


def test_every_fact_has_its_own_number_for_ever() -> None:
    assert {fact.__name__: number for fact, number in FACT_TYPES.items()} == {
        "Started": 1, "ClockSet": 2, "Heartbeat": 3, "PlanApplied": 4, "BidPut": 5,
        "BidRemoved": 6, "CallRouted": 7, "AttemptFailed": 8, "CallAnswered": 9,
        "AnswerSent": 10, "CallClosed": 11, "TopUpPosted": 12,
        "TalkEnded": 13,
    }
    assert set(FACT_TYPES) == set(AnyFact.__args__)
    assert all(FACT_OF_TYPE[number] is fact for fact, number in FACT_TYPES.items())
    assert set(FACT_KINDS) == set(FACT_OF_TYPE) - {3, 5, 6}


def test_a_refused_call_has_nulls_and_no_postings() -> None:
    rows = Rows()
    add_closed(replace(
        closed(), disposition=Disposition.BLOCKED, hangup=Party.NONE, refused=2, sip_status=404,
        ringing_us=-1, answered_us=-1, publisher="", campaign="", buyer="", target="", bid_id="",
        attempts=(), postings=(), personal=Personal(), number="sip\0x",
    ), rows)
    row = only(rows, "calls")[0]
    assert row["disposition"] == "blocked"
    assert row["hangup"] == "none"
    assert (row["ringing_us"], row["answered_us"], row["ended_us"]) == (None, None, 60_090_000)
    assert [row[name] for name in ("publisher", "campaign", "buyer", "target")] == [None] * 4
    assert (row["number"], row["personal"]) == ("sipx", b"")
    assert rows.count == counted(rows) == 1


@pytest.mark.parametrize("disposition", list(Disposition))
def test_every_disposition_has_its_word(disposition: Disposition) -> None:
    rows = Rows()
    add_closed(replace(closed(), disposition=disposition), rows)
    assert only(rows, "calls")[0]["disposition"] == disposition.name.lower()


def test_the_lines_of_one_settlement_sum_to_zero() -> None:
    rows = Rows()
    add_closed(closed(), rows)
    add_top_up(top_up(9), rows)
    sums: dict[object, int] = defaultdict(int)
    keys = set()
    for line in only(rows, "ledger_entries"):
        sums[line["source_id"], line["kind"]] += int(str(line["amount_micros"]))
        keys.add((line["source_id"], line["kind"], line["line"]))
    assert sums == {
        (call_id(1), "revenue"): 0, (call_id(1), "payout"): 0, (call_id(9), "top_up"): 0
    }
    assert len(keys) == 6


def test_an_auction_keeps_its_vector_and_its_histogram() -> None:
    rows = Rows()
    add_routed(replace(routed(), reasons=b"\x01\xff\x00\x2e\x02\x00\x00"), rows)
    auction = only(rows, "auctions")[0]
    assert (auction["reason_ids"], auction["reason_counts"]) == ([500, 546], [1, 3])
    assert auction["tags"] == '{"sub_id":"s1"}'
    bids = only(rows, "bids")
    assert [bid["place"] for bid in bids] == list(range(1, 12))
    assert [bid["runner_up"] for bid in bids] == [False] * 10 + [True]
    assert {bid["auction_id"] for bid in bids} == {auction_id(1)}


def test_no_nul_reaches_a_column_and_nothing_is_nothing() -> None:
    rows = Rows()
    add_routed(replace(
        routed(), reasons=b"", tags=(("a\0", "b\0c"), ("d", "\\u0000")), ladder=(),
        runner_up=(), area="",
    ), rows)
    add_routed(replace(routed(2), tags=()), rows)
    first, second = only(rows, "auctions")
    assert json.loads(str(first["tags"])) == {"a": "bc", "d": "\\u0000"}
    assert (first["reasons"], first["reason_ids"], first["area"]) == (None, [], None)
    assert second["tags"] is None


def test_every_fact_of_a_call_is_found_in_the_journal() -> None:
    facts = [
        Started(1, 0, 1, WALL_NS, "1"), ClockSet(2, WALL_NS), Heartbeat(3, 0, WALL_NS),
        PlanApplied(4, 7, b"d", WALL_NS), *facts_of_call(5), top_up(6),
    ]
    rows = Loader(3).rows([
        Entry(seq, 1, FACT_TYPES[type(fact)], encode(fact), 0, 0)
        for seq, fact in enumerate(facts, 100)
    ])
    listed = only(rows, "facts")
    assert [row["seq"] for row in listed] == [100, 101, 103, 104, 105, 106, 107, 108]
    assert [row["kind"] for row in listed] == [
        "started", "clock_set", "plan_applied", "call_routed", "call_answered", "answer_sent",
        "call_closed", "top_up_posted",
    ]
    assert [row["about"] for row in listed] == [None] * 3 + [call_id(5)] * 4 + [call_id(6)]
    assert [row["engine_ns"] for row in listed] == [1, 2, 4, 5, 5, 5, 5, 6]
    assert {row["received_at"] - WALL_NS for row in listed} == {0, 5_000_000, 6_000_000}
    assert {row["worker"] for row in listed} == {3}
    assert (rows.plans, rows.count) == ([facts[3]], counted(rows))


def test_words_are_kept_within_their_bound() -> None:
    texts, names = Texts(nullable=False), Texts(nullable=True)
    for number in range(limits.copied_texts_max + 9):
        assert texts[f"{number}"] == len(f"{number}").to_bytes(4, "big") + f"{number}".encode()
    assert len(texts) == 9
    assert (texts[""], names[""], names["\0"]) == (b"\0\0\0\0", b"\xff" * 4, b"\xff" * 4)
