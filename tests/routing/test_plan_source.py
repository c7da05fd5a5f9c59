"""Written plans: what is taken, what is refused, and that every mistake is named at once."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.plan_source import load, to_builtins
from tests.routing.plans import written_plan
from vocabulary.errors import PlanRefused

Document = dict[str, Any]


def full_document() -> Document:
    """A plan with every section and nearly every field."""
    document = written_plan(2, 2, bids_per_buyer=2)
    document["gateways"] = [
        {"id": "gw1", "host": "192.0.2.7", "number_format": "prefix", "prefix": "9"},
        {"id": "gw2", "host": "sip.example.com", "port": 5070, "transport": "tcp"},
    ]
    document["schedules"] = [
        {
            "id": "office",
            "zone": "America/New_York",
            "open": [{"days": "mon-fri", "from": "09:00", "to": "17:00"}],
            "closed": ["2026-12-25"],
        }
    ]
    document["targets"].append(
        {
            "id": "phone",
            "buyer": "buyer-000",
            "number": "+12125550199",
            "gateways": ["gw1", "gw2"],
            "schedule": "office",
            "concurrency": 3,
            "caps": {"hour": 10, "day": 50, "zone": "America/Chicago"},
            "ring_s": 20,
            "priority": 2,
            "weight": 5,
        }
    )
    document["campaigns"].append(
        {
            "id": "solar",
            "vertical": "solar",
            "price": "second",
            "floor": "5.00",
            "increment": "0.01",
            "targets": ["phone", "target-001-0"],
            "schedule": "office",
            "terms": {"qualify_s": 30},
            "payout": {"kind": "share", "basis_points": 7000},
        }
    )
    document["bids"][0] |= {
        "budget": "500.00",
        "expires": "2027-01-01T00:00:00Z",
        "criteria": {
            "states": ["NY", "CA"],
            "area_codes": [212],
            "hours": {"zone": "buyer", "open": [{"days": ["mon"], "from": "09:00", "to": "12:00"}]},
            "verticals": ["solar"],
            "attestation": ["A", "B"],
        },
    }
    return document


# Each mistake: where it is put, what is put there, the path under which it must be reported.
MISTAKES: list[tuple[tuple[Any, ...], Any, str]] = [
    (("trunks", 0, "networks", 0), "10.0.0.1/8", "trunks[0].networks[0]"),
    (("trunks", 0, "country"), "usa", "trunks[0].country"),
    (("publishers", 0, "zone"), "Mars/Olympus", "publishers[0].zone"),
    (("buyers", 0, "credit_limit"), "-1.00", "buyers[0].credit_limit"),
    (("buyers", 1, "status"), "asleep", "buyers[1].status"),
    (("gateways", 0, "port"), 70_000, "gateways[0].port"),
    (("gateways", 1, "host"), "not a host", "gateways[1].host"),
    (("schedules", 0, "zone"), "Nowhere/At_All", "schedules[0].zone"),
    (("schedules", 0, "open", 0, "days"), "mon-fry", "schedules[0].open[0].days"),
    (("schedules", 0, "open", 0, "to"), 1020, "schedules[0].open[0].to"),
    (("schedules", 0, "closed", 0), "2026-02-30", "schedules[0].closed[0]"),
    (("targets", 0, "uri"), "mailto:me@example.com", "targets[0].uri"),
    (("targets", 0, "caps"), {"hour": -1}, "targets[0].caps.hour"),
    (("targets", 1, "colour"), "red", "targets[1].colour"),
    (("targets", 1, "buyer"), "nobody", "targets[1].buyer"),
    (("targets", 2, "schedule"), "never", "targets[2].schedule"),
    (("targets", 4, "gateways", 1), "gw9", "targets[4].gateways[1]"),
    (("campaigns", 0, "targets"), ["target-000-0", "ghost"], "campaigns[0].targets[1]"),
    (("campaigns", 1, "floor"), "0", "campaigns[1].floor"),
    (("campaigns", 1, "payout", "amount"), "3.00", "campaigns[1].payout.amount"),
    (("campaigns", 1, "ring_s"), 91, "campaigns[1].ring_s"),
    (("numbers", 0, "campaign"), "ghost", "numbers[0].campaign"),
    (("bids", 0, "amount"), "-12.50", "bids[0].amount"),
    (("bids", 0, "criteria", "states", 1), True, "bids[0].criteria.states[1]"),
    (("bids", 1, "amount"), 12.5, "bids[1].amount"),
    (("bids", 1, "currency"), "EUR", "bids[1].currency"),
    (("bids", 2, "target"), "target-000-0", "bids[2].target"),
    (("bids", 2, "id"), "bid-000-1", "bids[2].id"),
    (("bids", 3, "expires"), "tomorrow", "bids[3].expires"),
]


def put(document: Document, place: tuple[Any, ...], value: Any) -> None:
    """Write a value at a place in a document."""
    for step in place[:-1]:
        document = document[step]
    document[place[-1]] = value


def refused_paths(document: object) -> list[str]:
    """Paths of the errors of a document that must be refused."""
    with pytest.raises(PlanRefused) as refusal:
        load(document)
    return [path for path, _ in refusal.value.errors]


def test_a_full_plan_is_taken() -> None:
    source = load(full_document())
    assert [bid.id for bid in source.bids][:2] == ["bid-000-0", "bid-000-1"]
    assert source.targets[4].caps.zone == "America/Chicago"


def test_what_went_in_comes_out() -> None:
    document = full_document()
    for bid in document["bids"]:
        if not bid["criteria"]:
            del bid["criteria"]  # equal to its default: left out on the way back
    source = load(document)
    assert to_builtins(source) == document
    assert load(json.loads(json.dumps(to_builtins(source)))) == source


@pytest.mark.parametrize(("place", "value", "path"), MISTAKES)
def test_one_mistake_is_reported_at_its_path(
    place: tuple[Any, ...], value: Any, path: str
) -> None:
    document = full_document()
    put(document, place, value)
    assert refused_paths(document) == [path]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sets(st.integers(0, len(MISTAKES) - 1), min_size=1))
def test_every_mistake_of_a_plan_is_reported(chosen: set[int]) -> None:
    document = full_document()
    for index in chosen:
        put(document, MISTAKES[index][0], copy.deepcopy(MISTAKES[index][1]))
    assert sorted(refused_paths(document)) == sorted(MISTAKES[index][2] for index in chosen)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
PLACES = [mistake[0] for mistake in MISTAKES]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(PLACES), st.integers(1, 5), PLAIN)
def test_any_value_anywhere_is_taken_or_refused(
    place: tuple[Any, ...], depth: int, value: Any
) -> None:
    document = full_document()
    put(document, place[:depth], value)
    try:
        source = load(document)
    except PlanRefused as refusal:
        errors = refusal.errors
    else:
        assert load(to_builtins(source)) == source
        return
    assert errors


@settings(max_examples=100, deadline=None, derandomize=True)
@given(PLAIN)
def test_any_document_is_refused_with_a_path(value: Any) -> None:
    assert all(refused_paths(value))


def test_missing_keys_and_wrong_shapes_have_paths() -> None:
    assert refused_paths({"version": 1}) == ["currency"]
    assert refused_paths([]) == ["plan"]
    assert refused_paths({"version": 2, "currency": "USD"}) == ["version"]
    assert refused_paths({"version": 1, "currency": "USD", "buyers": {}}) == ["buyers"]
    assert refused_paths({"version": 1, "currency": "USD", "buyers": ["b"]}) == ["buyers[0]"]


def test_one_broken_entry_is_not_reported_twice() -> None:
    document = full_document()
    document["buyers"][0]["status"] = "asleep"  # its targets and bids still find it
    assert refused_paths(document) == ["buyers[0].status"]


def test_networks_and_numbers_must_not_overlap() -> None:
    document = full_document()
    document["trunks"].append(
        {"id": "other", "networks": ["::ffff:127.0.0.0/104"], "country": "US"}
    )
    document["numbers"].append(dict(document["numbers"][0]))
    assert refused_paths(document) == ["numbers[1].number", "trunks[1].networks[0]"]


def test_a_target_has_a_uri_or_a_number() -> None:
    document = full_document()
    document["targets"][0]["number"] = "+12125550101"
    del document["targets"][1]["uri"]
    document["targets"][2]["gateways"] = ["gw1"]
    document["targets"][4]["gateways"] = []
    assert refused_paths(document) == [
        "targets[0]",
        "targets[1]",
        "targets[2].gateways",
        "targets[4].gateways",
    ]


def test_second_price_needs_an_auction() -> None:
    document = full_document()
    document["campaigns"][1]["strategy"] = "round_robin"
    assert refused_paths(document) == ["campaigns[1].price"]


def test_unquoted_yaml_is_explained() -> None:
    document = full_document()
    document["schedules"][0]["open"][0]["to"] = 1020  # YAML reads 17:00 as 1020
    with pytest.raises(PlanRefused, match="put it in quotes"):
        load(document)
