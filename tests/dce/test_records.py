"""Calls read back from PostgreSQL: pages, filters, everything of one call, candidates by name."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.deps import CallFilter
from auction import reasons
from auction.bid import BidTerms
from dce import plan_files
from dce.book_order import read_order, write_order
from dce.call_text import call_text
from dce.config import Config, load
from dce.database import Database
from dce.folders import prepare_folders, write_durably
from dce.records import RecordedCalls, list_query
from exchange.market import Market
from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan_build import build_plan
from routing.plan_file import StandingBid, encode_bids, encode_plan
from routing.plan_source import load as load_plan
from storage.copying import open_copier
from storage.fact_types import FACT_TYPES
from storage.sealing import open_keys
from storage.segment import Entry
from storage.session import open_session
from tests.routing.plans import DIAL_RULES, NOW_S, written_plan
from tests.storage.facts_of_calls import WALL_NS, call_id, facts_of_call
from vocabulary.codec import fact_encoder
from vocabulary.facts import CallClosed, CallRouted, Disposition, Fact, Party, Personal
from vocabulary.ids import IdSource, uuid_text
from vocabulary.limits import NS_PER_S

CALLS = 23
INJECTIONS = [
    "' OR '1'='1", "'; DROP TABLE calls; --", "\\'; SELECT pg_sleep(9); --", "$1", "%", "_", "{}",
    "a\x00b", "\u2028", "NULL", "1) UNION SELECT 1", "x" * 10_000,
]


async def put_facts(dsn: str, facts: list[Fact], encode: Any) -> None:
    """Copy facts as the record process does."""
    session = await open_session(dsn, name="test", projection=True)
    try:
        copier = await open_copier(session, 0, "test", lock_wait_s=0)
        await copier.copy([
            Entry(copier.cursor + n, 1, FACT_TYPES[type(fact)], encode(fact), 0, 0)
            for n, fact in enumerate(facts, 1)
        ])
    finally:
        await session.close()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    made = load(None, environ={}, flags={"data_dir": str(tmp_path / "data")})
    prepare_folders(made)
    return made


@pytest.fixture
async def records(config: Config, database_dsn: str) -> AsyncIterator[RecordedCalls]:
    database = Database(database_dsn)
    yield RecordedCalls(config, database)
    await database.close()


@pytest.fixture
async def filled(database_dsn: str) -> None:
    encode = fact_encoder(lambda personal: personal.sealed).encode
    facts = [fact for number in range(CALLS) for fact in facts_of_call(number)]
    await put_facts(database_dsn, facts, encode)


def ids(rows: list[tuple[bytes, Any]]) -> list[str]:
    return [row["id"] for _, row in rows]


@pytest.mark.usefixtures("filled")
async def test_pages_cover_all_newest_first(records: RecordedCalls) -> None:
    seen: list[str] = []
    before = None
    while rows := await records.list_calls(CallFilter(), before, 5):
        seen += ids(rows)
        before = rows[-1][0]
    assert seen == [uuid_text(call_id(number)) for number in reversed(range(CALLS))]


@pytest.mark.usefixtures("filled")
async def test_filters_choose_what_they_say(records: RecordedCalls) -> None:
    everything = [row for _, row in await records.list_calls(CallFilter(), None, 500)]
    cases: list[tuple[CallFilter, Any]] = [
        (CallFilter(buyer="buyer-002"), lambda row: row["buyer"] == "buyer-002"),
        (CallFilter(campaign="campaign-1"), lambda row: row["campaign"] == "campaign-1"),
        (CallFilter(publisher="publisher-3"), lambda row: row["publisher"] == "publisher-3"),
        (CallFilter(campaign="campaign-1", buyer="buyer-002"),
         lambda row: (row["campaign"], row["buyer"]) == ("campaign-1", "buyer-002")),
        (CallFilter(target="target-001", number="+18005550100"), lambda row: True),
        (CallFilter(number="+18005550199"), lambda row: False),
        (CallFilter(disposition=Disposition.COMPLETED), lambda row: True),
        (CallFilter(disposition=Disposition.BUSY), lambda row: False),
        (CallFilter(qualified=True), lambda row: True),
        (CallFilter(qualified=False), lambda row: False),
    ]
    for chosen, wanted in cases:
        rows = await records.list_calls(chosen, None, 500)
        assert [row for _, row in rows] == [row for row in everything if wanted(row)], chosen
    half = CallFilter(from_ns=WALL_NS + 5_000_000, to_ns=WALL_NS + 10_000_000)
    assert ids(await records.list_calls(half, None, 500)) == [
        uuid_text(call_id(number)) for number in (9, 8, 7, 6, 5)
    ]


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_value_enters_the_text_of_a_query(text: str) -> None:
    chosen = CallFilter(text, text, text, text, text)
    query, values = list_query(chosen, None, 10)
    plain, _ = list_query(CallFilter("a", "a", "a", "a", "a"), None, 10)
    assert query == plain
    assert values == [text] * 5 + [10]


@pytest.mark.usefixtures("filled")
async def test_one_call_has_everything(records: RecordedCalls) -> None:
    call = await records.read_call(call_id(3))
    assert call is not None
    assert (call["disposition"], call["sip_status"], call["hangup"]) == ("completed", 200, "caller")
    assert (call["revenue"], call["payout"], call["margin"]) == ("11.00", "7.00", "4.00")
    assert (call["connected_s"], call["ringing_ms"], call["qualified"]) == (60.0, 40.0, True)
    assert call["attempts"] == [{
        "number": 1, "entry": 0, "status": 200, "cause": "answered", "target": "target-001",
        "gateway": "gateway-1", "invited_ms": 2.0, "ringing_ms": 40.0, "answered_ms": 90.0,
        "ended_ms": 60_000.0,
    }]
    auction = call["auction"]
    assert [entry["place"] for entry in auction["ladder"]] == list(range(1, 11))
    assert auction["ladder"][0]["buyer"] == "buyer-001"
    assert auction["runner_up"]["buyer"] == "buyer-011"
    assert auction["tags"] == {"sub_id": "s1"}
    assert sum(row["candidates"] for row in auction["reasons"]) == auction["candidates"] == 1_000
    assert {"reason": "outbid", "reason_id": 546, "openrtb": 102}.items() <= next(
        row for row in auction["reasons"] if row["reason"] == "outbid"
    ).items()
    assert auction["decision"] is None  # no such plan on this disk: nothing is made up
    assert [(row["account"], row["amount"]) for row in call["postings"]] == [
        ("buyer", "11.00"), ("revenue", "-11.00"), ("payout_cost", "7.00"),
        ("publisher_pending", "-7.00"),
    ]
    shown = call_text(call)
    assert "attempts (1)" in shown
    assert "outbid (546)" in shown
    assert await records.read_call(b"\0" * 16) is None


def stored_market(config: Config, order: list[int]) -> Market:
    """Plan 1 on disk, and a market whose book took the bids in some order."""
    document = written_plan(
        6, 2, bids_per_buyer=2,
        criteria=lambda buyer, bid: {"states": ["NY"]} if buyer == 4 else (
            {"area_codes": [312]} if buyer == 5 else {}),
        campaign={"floor": "11.00", "ladder": 2, "terms": {"qualify_s": 10}},
    )
    document["buyers"][1]["status"] = "paused"
    file, bids, _ = compile_plan(
        load_plan(document), now_s=NOW_S, version=1, areas=bundled_areas(), dial_rules=DIAL_RULES
    )
    write_durably(plan_files.plan_path(config.plans_dir, 1), encode_plan(file))
    write_durably(plan_files.bids_path(config.plans_dir, 1), encode_bids(bids))
    market = Market()
    market.take_plan(build_plan(file, market.slots))
    for seq, index in enumerate(order):
        market.put_bid(_terms(bids[index]), seq)
    market.refresh_columns()
    assert market.plan is not None
    for slot in range(len(market.plan.target_reachable)):
        market.plan.target_reachable[slot] = 1
    return market


def _terms(bid: StandingBid) -> BidTerms:
    return BidTerms(*(getattr(bid, name) for name in BidTerms.__struct_fields__))


def routed_call(market: Market, config: Config) -> tuple[list[Fact], Any, dict[str, str]]:
    """The facts of one auction, their encoder, and what became of each bid."""
    assert market.plan is not None
    campaign = market.plan.campaigns["auto"]
    wall_ns = NOW_S * NS_PER_S
    outcome = market.auction(campaign, market.area_of("+12125550123"), NOW_S, 7)
    ladder = tuple(market.ladder_entry(outcome, place) for place in range(len(outcome.ladder)))
    truth = {}
    for slot, ordinal in zip(market.matched, outcome.reasons, strict=False):
        reason = reasons.reason_of(ordinal)
        truth[market.book.id_of(slot)] = reason.name.lower() if reason else "eligible"
    personal = Personal(("+12125550123", "", "+12125550100", "id", "192.0.2.1"))
    sealer = open_keys(config.keys_dir, process_epoch=1, worker=0)
    subject, (call, auction) = b"s" * 16, IdSource(b"secret" * 4).uuid7_pair(wall_ns)
    facts: list[Fact] = [
        CallRouted(
            1, call, auction, wall_ns, "carrier", "pub", "auto", "+12125550100", subject,
            personal, 0, (), "NY", 1, market.book.seq, "first", campaign.floor_micros, "USD",
            len(outcome.reasons), reasons.encode(outcome.reasons), ladder,
        ),
        CallClosed(
            2, call, wall_ns, "carrier", "pub", "auto", "+12125550100", subject, personal,
            Disposition.NO_ANSWER, 9, 480, Party.EXCHANGE, 20, -1, -1, 900, 0, False, "", "", "",
            "USD", 0, 0, (), (), (),
        ),
    ]
    return facts, fact_encoder(sealer.seal).encode, truth


def call_of(facts: list[Fact]) -> bytes:
    """Id of the call that the first fact routes."""
    assert isinstance(facts[0], CallRouted)
    return facts[0].call_id


@pytest.mark.parametrize("seed", range(3))
async def test_every_candidate_is_named_with_its_reason(
    records: RecordedCalls, config: Config, database_dsn: str, seed: int
) -> None:
    print(f"seed {seed}")
    order = list(range(12))
    random.Random(seed).shuffle(order)
    market = stored_market(config, order)
    write_order(config.plans_dir, market.book.seq, market.book.ids())
    facts, encode, truth = routed_call(market, config)
    await put_facts(database_dsn, facts, encode)
    call = await records.read_call(call_of(facts))
    assert call is not None
    named = call["auction"]["decision"]
    assert {row["bid"]: row["reason"] for row in named} == truth
    assert len(truth) == 10  # buyer 5 wants another area code, so the index never returned it
    by_buyer = {row["buyer"]: row["reason"] for row in named}
    assert (by_buyer["buyer-001"], by_buyer["buyer-000"]) == ("buyer_not_active", "below_floor")
    assert "buyer-004 / target-004-0" in call_text(call)
    assert call["refused"] == "ladder_empty"


async def test_names_that_do_not_fit_the_record_are_not_given(
    records: RecordedCalls, config: Config, database_dsn: str
) -> None:
    market = stored_market(config, list(range(12)))
    facts, encode, _ = routed_call(market, config)
    for path in config.keys_dir.iterdir():
        if path.suffix == ".key":
            path.unlink()  # an erased installation key: the caller's place is unknown
    await put_facts(database_dsn, facts, encode)
    call = await records.read_call(call_of(facts))
    assert call is not None
    assert call["auction"]["decision"] is None
    assert call["auction"]["reasons"]


def test_the_order_of_a_book_is_found_by_sequence(tmp_path: Path) -> None:
    assert read_order(tmp_path, 9) is None
    for seq in range(1, 60):
        write_order(tmp_path, seq * 10, [f"bid-{seq}"])
    assert read_order(tmp_path, 599) == ["bid-59"]
    assert read_order(tmp_path, 300) == ["bid-30"]
    assert read_order(tmp_path, 50) is None  # too old: dropped
    assert len(list(tmp_path.iterdir())) == 50
