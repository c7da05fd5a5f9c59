"""The running plan: numbers, trunks, areas, hours; the file in between; slots over changes."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from routing.area import UNKNOWN
from routing.area_source import bundled_areas, parse_area_table
from routing.compile import compile_plan
from routing.plan import Plan
from routing.plan_build import build_plan, build_plan_steps
from routing.plan_file import (
    PlanFile,
    StandingBid,
    decode_bids,
    decode_plan,
    digest,
    encode_bids,
    encode_plan,
)
from routing.plan_source import load
from routing.prefix import PrefixTable
from routing.slots import Slots
from routing.trunk import parse_network
from tests.routing.plans import DIAL_RULES, NOW_S, make_plan, running, target_id, written_plan
from tests.routing.test_plan_source import full_document
from vocabulary import limits
from vocabulary.errors import PlanRefused
from vocabulary.number import normalise


def slots_of(plan: Plan) -> dict[str, int]:
    """Target id → slot of a plan that is the first of its slots."""
    return {target_id: target.slot for target_id, target in plan.targets.items()}


def compiled(
    document: dict[str, Any],
) -> tuple[PlanFile, tuple[StandingBid, ...], list[str]]:
    """What compiling a document gives."""
    return compile_plan(
        load(document), now_s=NOW_S, version=3, areas=bundled_areas(), dial_rules=DIAL_RULES
    )


def test_a_number_leads_to_campaign_and_publisher() -> None:
    plan = running(full_document())
    entry = plan.number("+12125550100")
    assert entry is not None
    assert (entry.campaign.id, entry.publisher.id) == ("auto", "pub")
    assert plan.number("+12125550101") is None
    solar = plan.campaigns["solar"]
    assert solar.second_price
    assert (solar.floor_micros, solar.increment_micros) == (5_000_000, 10_000)
    assert (solar.payout_kind, solar.payout_basis_points) == ("share", 7_000)
    assert (solar.qualify_s, solar.payout_qualify_s) == (30, 30)
    ids = list(slots_of(plan))
    assert [ids[slot] for slot in solar.targets] == ["phone", "target-001-0"]


def test_a_number_target_is_dialled_through_its_gateways() -> None:
    phone = running(full_document()).targets["phone"]
    assert phone.uris == (
        b"sip:912125550199@192.0.2.7:5060",
        b"sip:+12125550199@sip.example.com:5070;transport=tcp",
    )
    assert [gateway.id for gateway in phone.gateways] == ["gw1", "gw2"]
    assert phone.hosts == ("192.0.2.7", "sip.example.com")
    assert (phone.ring_ns, phone.priority, phone.weight) == (20 * 10**9, 2, 5)


def test_bids_come_out_apart_as_integers() -> None:
    _, bids, _ = compiled(full_document())
    first = bids[0]
    assert (first.bid_id, first.amount_micros, first.budget_micros) == (
        "bid-000-0",
        10_000_000,
        500_000_000,
    )
    assert first.expires_s == 1_798_761_600
    assert first.hours == (0b111 << 9, "UTC")  # the buyer's zone
    assert first.attestation == 3
    assert (bids[1].hours, bids[1].budget_micros, bids[1].expires_s) == ((0, "caller"), -1, 0)


def test_files_come_back_as_they_were() -> None:
    file, bids, _ = compiled(full_document())
    data = encode_plan(file)
    assert decode_plan(data) == file
    assert len(digest(data)) == 16
    assert tuple(bid for chunk in decode_bids(encode_bids(bids)) for bid in chunk) == bids


@pytest.mark.parametrize("cut", [0, 4, 8, 20, 24, 200])
def test_a_damaged_file_is_refused(cut: int) -> None:
    file, bids, _ = compiled(full_document())
    plan_data, bids_data = encode_plan(file), encode_bids(bids)
    flipped = bytearray(plan_data)
    flipped[cut] ^= 1
    for wrong in (plan_data[:cut], bytes(flipped), bids_data):
        with pytest.raises(PlanRefused):
            decode_plan(wrong)
    for wrong in (bids_data[:cut], plan_data):
        with pytest.raises(PlanRefused):
            list(decode_bids(wrong))


def test_steps_build_the_same_plan() -> None:
    document = written_plan(300, 2, numbers=tuple(f"+1212555{n:04d}" for n in range(400)))
    file, _, _ = compiled(document)
    steps = list(build_plan_steps(file, Slots()))
    last = steps.pop()
    assert last is not None
    assert len(steps) > 10
    assert not any(steps)
    whole = build_plan(file, Slots())
    assert list(last.targets) == list(whole.targets)
    assert last.target_static == whole.target_static
    assert last.number("+12125550399") is not None


def test_slots_are_stable_over_plans() -> None:
    slots = Slots()
    make_plan(3, slots=slots)
    document = written_plan(4)
    del document["targets"][0], document["bids"]
    document["targets"].reverse()
    plan = running(document, slots)
    assert plan.targets[target_id(1, 0)].slot == 1
    assert plan.targets[target_id(3, 0)].slot == 3
    assert plan.target_by_slot[0] is None
    again = Slots()
    again.restore(slots.snapshot())
    assert again.targets == slots.targets
    assert again.target_ids == slots.target_ids


def test_a_trunk_without_dialling_rules_is_refused() -> None:
    document = written_plan(1)
    document["trunks"][0]["country"] = "DE"
    with pytest.raises(PlanRefused, match=r"trunks\[0\].country"):
        compiled(document)


def test_warnings_name_the_exposure() -> None:
    document = full_document()
    document["campaigns"][0] |= {
        "terms": {"qualify_s": 30},
        "payout": {"kind": "fixed", "amount": "3.00", "qualify_s": 10},
    }
    document["bids"][1]["expires"] = "2026-01-01T00:00:00Z"
    document["bids"][2]["criteria"] = {"states": ["ZZ"]}
    _, _, warnings = compiled(document)
    assert [warning.partition(":")[0] for warning in warnings] == [
        "campaigns[0].payout.qualify_s",
        "bids[1].expires",
        "bids[2].criteria.states[0]",
    ]
    assert "calls of 10 to 29 s cost 3.00 USD each" in warnings[0]


def test_areas_and_the_callers_hour() -> None:
    plan = make_plan(1)
    newyork = plan.area_of("+12125550100")
    assert (newyork.code, newyork.state, newyork.country) == (212, "NY", "US")
    assert plan.hour_of_week(newyork.hour_zone, NOW_S) == 24 + 7  # Tuesday 07:00
    assert plan.zone_hours(NOW_S)[plan.zone_index["UTC"]] == 24 + 12
    toronto = plan.area_of("+14165550100")
    assert (toronto.state, toronto.country) == ("ON", "CA")
    abroad = ("+442075550100", "+1800555010", "+18005550100", "+1٢١٢5550100")
    for unknown in ("", "anonymous", *abroad):
        assert plan.area_of(unknown) is UNKNOWN
    assert UNKNOWN.hour_zone == -1
    assert plan.hour_of_week(-1, NOW_S) == -1


def test_the_area_table_reads_its_source() -> None:
    entry = '"212" = {country = "US", state = "NY", zones = ["UTC", "x"]}'
    table = parse_area_table(f"[npa]\n{entry}\n")
    assert table.zones == ("UTC",)
    assert [area.code for area in table.areas()] == [212]
    assert len(bundled_areas().areas()) > 400


def trunk_id(plan: Plan, host: str) -> str | None:
    """Id of the trunk of a host."""
    trunk = plan.trunk_of(host)
    return None if trunk is None else trunk.id


def test_the_longest_network_wins() -> None:
    document = written_plan(1)
    networks = {
        "wide": "10.0.0.0/8",
        "office": "10.1.0.0/16",
        "desk": "10.1.2.3",
        "six": "2001:db8::/32",
        "seven": "2001:db8:7::/48",
    }
    document["trunks"] = [
        {"id": name, "networks": [network], "country": "US"} for name, network in networks.items()
    ]
    plan = running(document)
    assert trunk_id(plan, "10.9.9.9") == "wide"
    assert trunk_id(plan, "10.1.9.9") == "office"
    assert trunk_id(plan, "10.1.2.3") == trunk_id(plan, "::ffff:10.1.2.3") == "desk"
    assert trunk_id(plan, "[2001:db8::1]") == "six"
    assert trunk_id(plan, "2001:db8:7::1%eth0") == "seven"
    for stranger in ("11.0.0.1", "2001:db9::1", "sip.example.com", ""):
        assert trunk_id(plan, stranger) is None


def test_random_networks_agree_with_the_standard_library() -> None:
    random = Random(11)
    document = written_plan(1)
    chosen = {
        str(ip_network((random.getrandbits(32), random.randint(4, 32)), strict=False))
        for _ in range(60)
    }
    document["trunks"] = [
        {"id": f"t{index}", "networks": [network], "country": "US"}
        for index, network in enumerate(sorted(chosen))
    ]
    plan = running(document)
    for _ in range(3_000):
        host = ip_address(random.getrandbits(32))
        holding = [n for n in map(ip_network, chosen) if host in n]
        longest = max(holding, key=lambda n: n.prefixlen, default=None)
        found = trunk_id(plan, str(host))
        assert found == (None if longest is None else f"t{sorted(chosen).index(str(longest))}")


def test_a_flood_of_sources_does_not_grow_the_memo() -> None:
    plan = make_plan(1)
    for index in range(limits.sources_remembered_max + 10):
        plan.trunk_of(f"203.0.{index >> 8 & 255}.{index & 255}")
    assert trunk_id(plan, "127.0.0.1") == "carrier"


def test_a_trunk_reads_numbers_and_tags() -> None:
    document = written_plan(1)
    document["trunks"][0] |= {
        "strip": "9",
        "add": "",
        "may_dial": ["+1212"],
        "tags": {"X-Sub-ID": "sub_id", "uri:SRC": "source"},
        "advertise": "203.0.113.5:5070",
    }
    trunk = running(document).trunks["carrier"]
    assert normalise("92125550100", trunk.rule) == "+12125550100"
    assert normalise("9175550100", trunk.caller_rule) == "+19175550100"
    assert trunk.may_dial("+12125550100")
    assert not trunk.may_dial("+13105550100")
    assert trunk.headers == (("x-sub-id", "sub_id"),)
    assert trunk.uri_parameters == (("src", "source"),)
    assert trunk.advertise == ("203.0.113.5", 5_070)
    assert make_plan(1).trunks["carrier"].may_dial("+442075550100")


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "300.1.1.1", "10.0.0.0/33", "host", ""])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"host bits|does not appear to be"):
        parse_network(wrong)


def test_the_longest_prefix_wins() -> None:
    random = Random(5)
    table = PrefixTable()
    assert table.longest("+1") == -1
    stored: dict[str, int] = {}
    for value in range(300):
        prefix = str(random.getrandbits(40))[: random.randint(0, 6)]
        table.insert(prefix, value)
        stored[prefix] = value
    assert table.entries == len(stored)
    for _ in range(2_000):
        number = str(random.getrandbits(44))
        expected = next(
            (stored[number[:n]] for n in range(len(number), -1, -1) if number[:n] in stored), -1
        )
        assert table.longest("+" + number) == table.longest(number) == expected
    with pytest.raises(ValueError, match="digits only"):
        table.insert("1a", 0)


def test_the_demo_plan_holds_what_the_demo_needs() -> None:
    written = Path(__file__).parents[2] / "configs" / "demo_plan.yaml"
    source = load(yaml.safe_load(written.read_text(encoding="utf-8")))
    file, bids, warnings = compile_plan(
        source, now_s=NOW_S, version=1, areas=bundled_areas(), dial_rules=DIAL_RULES
    )
    assert warnings == []
    plan = build_plan(file, Slots())
    assert len(plan.buyers) == 3
    closed = [c for c in plan.campaigns.values() if c.schedule and not c.schedule.is_open(NOW_S)]
    assert len(closed) == 1
    assert len(plan.campaigns) == 2
    assert any(limit >= 0 for limit in plan.day_caps)
    assert any(limit >= 0 for limit in plan.live_caps)
    assert {bid.target for bid in bids} <= set(plan.targets)
    for entry in source.numbers:
        assert entry.number[5:10] == "55501", "fictional numbers only: +1 NXX 555 01xx"
