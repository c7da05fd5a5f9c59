"""The book: index against brute force, what an id remembers, refusals, snapshots."""

from array import array
from random import Random
from typing import Any

import msgspec
import pytest

from auction.bid import ALL_HOURS, BidTerms, Query, criteria_accepts, decode_terms, encode_terms
from auction.book import Book, restore_book
from auction.snapshot import BookSnapshot
from tests.auction.books import make_book, match, random_query, random_terms
from vocabulary import limits
from vocabulary.errors import CommandRefused
from vocabulary.reasons import Reason


def found(book: Book, query: Query, room: int = 4_000) -> list[str]:
    """Ids that the index returns, in its order."""
    out = array("i", bytes(4 * room))
    count = match(book, query, out)
    return [book.id_of(out[place]) for place in range(count)]


def brute(held: dict[str, BidTerms], book: Book, query: Query) -> list[str]:
    """Ids whose criteria accept, by slot."""
    ids = [bid_id for bid_id, terms in held.items() if criteria_accepts(terms, query) is None]
    return sorted(ids, key=book.slot_of)


def churn(random: Random, book: Book, held: dict[str, BidTerms], changes: int) -> None:
    """Put, put again and remove at random; buyer of an id is its number mod 7."""
    for _ in range(changes):
        number = random.randrange(120)
        bid_id = f"b{number}"
        if bid_id in held and random.random() < 0.4:
            book.remove(bid_id, book.seq + 1)
            del held[bid_id]
            continue
        terms = random_terms(random, bid_id, number % 7, number % 5)
        book.put(terms, number % 7, number % 5, book.seq + 1)
        held[bid_id] = terms


@pytest.mark.parametrize("seed", range(30))
def test_index_equals_brute_force(seed: int) -> None:
    random = Random(seed)
    book, held = Book(), dict[str, BidTerms]()
    for _ in range(8):
        churn(random, book, held, 60)
        for _ in range(25):
            query = random_query(random)
            assert found(book, query) == brute(held, book, query), (seed, query)
    assert sorted(book.ids()) == sorted(held)
    assert len(book) == len(held)


def test_index_over_several_blocks() -> None:
    random = Random(5)
    book, held = Book(), dict[str, BidTerms]()
    for number in range(2 * 16_384 + 100):
        terms = BidTerms(f"b{number}", "b", "t", 1, verticals=("auto",))
        if number % 97 == 0:
            terms = random_terms(random, terms.bid_id, 0, 0)
        book.put(terms, number // 9_000, 0, number)
        held[terms.bid_id] = terms
    for _ in range(5):
        query = msgspec.structs.replace(random_query(random), vertical="auto")
        assert found(book, query, 40_000) == brute(held, book, query)


def test_short_array_still_gets_the_exact_count() -> None:
    bench = make_book(4, 10, 12)
    out = array("i", [-7] * 5)
    assert bench.match(out) == 12
    assert [bench.book.id_of(slot) for slot in out] == found(bench.book, bench.query)[:5]


@pytest.mark.parametrize("seed", range(10))
def test_terms_come_back_as_they_went_in(seed: int) -> None:
    random = Random(f"terms-{seed}")
    book, held = Book(), dict[str, BidTerms]()
    churn(random, book, held, 300)
    for bid_id, terms in held.items():
        slot = book.slot_of(bid_id)
        assert book.terms_of(slot, terms.buyer, terms.target) == terms
        assert book.holds(terms, book.target_of(slot))
        assert not book.holds(terms, book.target_of(slot) + 1)
        changed = msgspec.structs.replace(terms, amount_micros=terms.amount_micros + 1)
        assert not book.holds(changed, book.target_of(slot))
        assert decode_terms(encode_terms(terms)) == terms


@pytest.mark.parametrize("seed", range(5))
def test_snapshot_restores_an_equal_book(seed: int) -> None:
    random = Random(f"snapshot-{seed}")
    book, held = Book(), dict[str, BidTerms]()
    churn(random, book, held, 200)
    for order, bid_id in enumerate(held):
        book.mark_won(book.slot_of(bid_id), order)
        book.spend(book.slot_of(bid_id), order * 1_000)
    data = msgspec.msgpack.encode(book.snapshot())
    other = restore_book(msgspec.msgpack.decode(data, type=BookSnapshot))
    assert other.snapshot() == book.snapshot()
    state = random.getstate()
    again = dict(held)
    churn(random, book, held, 200)
    random.setstate(state)
    churn(random, other, again, 200)  # the same changes after it give the same slots
    assert other.snapshot() == book.snapshot()
    query = random_query(random)
    assert found(other, query) == found(book, query) == brute(held, book, query)


def test_snapshot_of_another_layout_is_refused() -> None:
    held = msgspec.structs.replace(Book().snapshot(), layout="0-little")
    with pytest.raises(CommandRefused, match="book_layout"):
        restore_book(held)
    book = Book()
    book.put(plain(), 0, 0, 1)
    held = msgspec.structs.replace(book.snapshot(), words=b"")
    with pytest.raises(CommandRefused, match="book_layout"):
        restore_book(held)


def plain(bid_id: str = "b1", **terms: Any) -> BidTerms:
    """A bid that accepts every call."""
    return msgspec.structs.replace(BidTerms(bid_id, "buyer", "target", 5_000_000), **terms)


def test_an_id_remembers_what_it_spent_and_when_it_won() -> None:
    book = Book()
    book.put(plain(budget_micros=20_000_000), 3, 4, 1)
    book.spend(0, 6_000_000)
    book.mark_won(0, 9)
    book.put(plain(budget_micros=10_000_000), 3, 5, 2)
    assert (book.spent_micros(0), book.last_won(0)) == (6_000_000, 9)
    assert (book.budget_left_micros(0), book.target_of(0)) == (4_000_000, 5)
    book.remove("b1", 3)
    book.put(plain("b2"), 8, 8, 4)  # takes the freed slot, clean
    assert (book.slot_of("b2"), book.spent_micros(0), book.last_won(0)) == (0, 0, 0)
    assert book.budget_left_micros(0) == -1
    book.unspend("b1", 1_000_000)  # of a call that lived through the removal
    slot = book.put(plain(budget_micros=5_000_000), 3, 4, 5)
    assert (book.spent_micros(slot), book.last_won(slot)) == (5_000_000, 9)
    assert (book.seq, book.budget_left_micros(slot)) == (5, 0)
    book.unspend("b1", 5_000_000)
    assert book.budget_left_micros(slot) == 5_000_000


def test_an_id_belongs_to_its_first_buyer() -> None:
    book = Book()
    book.put(plain(), 3, 4, 1)
    with pytest.raises(CommandRefused, match="bid_id_taken"):
        book.put(plain(), 2, 4, 2)
    book.remove("b1", 3)
    with pytest.raises(CommandRefused, match="bid_id_taken"):
        book.put(plain(), 2, 4, 4)
    with pytest.raises(CommandRefused, match="bid_unknown"):
        book.remove("b1", 5)


def test_bounds_are_refusals_that_change_nothing() -> None:
    book = Book()
    for number in range(limits.bids_per_buyer_max):
        book.put(plain(f"b{number}"), 0, 0, number)
    before = book.snapshot()
    with pytest.raises(CommandRefused, match="buyer_bids_full"):
        book.put(plain("one-more"), 0, 0, book.seq + 1)
    many = tuple(f"v{number}" for number in range(limits.criteria_values_max))
    more = tuple(f"w{number}" for number in range(limits.criteria_values_max))
    book.put(plain("b0", verticals=many), 0, 0, book.seq)
    book.put(plain("b1", verticals=more), 0, 0, book.seq)
    with pytest.raises(CommandRefused, match="book_values_full"):
        book.put(plain("b2", verticals=("x",)), 0, 0, book.seq)
    assert len(book) == limits.bids_per_buyer_max
    assert before.ids == book.snapshot().ids
    assert found(book, Query("w7", "", 0, -1, 0), 20_000)[:2] == ["b1", "b2"]


@pytest.mark.parametrize("changes", [
    {"amount_micros": 0}, {"amount_micros": -1}, {"amount_micros": limits.price_micros_max + 1},
    {"quality_ppm": 0}, {"quality_ppm": limits.quality_ppm_max + 1}, {"budget_micros": -2},
    {"expires_s": -1}, {"attestation": 8}, {"hours": (ALL_HOURS + 1, "caller")},
    {"hours": (-1, "caller")}, {"hours": (1, "")}, {"area_codes": (199,)}, {"area_codes": (1000,)},
    {"states": ("",)}, {"currency": ""}, {"per": ""}, {"verticals": ("a" * 65,)},
    {"states": tuple(f"s{n}" for n in range(limits.criteria_values_max + 1))},
    {"area_codes": (212,) * (limits.criteria_values_max + 1)},
])
def test_intake_refuses_what_is_out_of_range(changes: dict[str, Any]) -> None:
    with pytest.raises(CommandRefused, match="bid_invalid"):
        Book().put(plain(**changes), 0, 0, 1)


@pytest.mark.parametrize("data", [
    b"", b"\xc1", b"\x01", msgspec.msgpack.encode([]), msgspec.msgpack.encode(["b"] * 15),
    encode_terms(plain())[:-1], encode_terms(plain(bid_id="no spaces")),
    encode_terms(plain(amount_micros=0)),
])
def test_decoding_refuses_what_is_not_terms(data: bytes) -> None:
    with pytest.raises(CommandRefused, match="bid_invalid"):
        decode_terms(data)


def test_bids_in_other_terms_fault_until_the_plan_sells_in_them() -> None:
    random = Random(2)
    book, held = Book(), dict[str, BidTerms]()
    churn(random, book, held, 200)
    other = Book("EUR", "call")
    for bid_id in sorted(held, key=book.slot_of):
        terms = held[bid_id]
        other.put(terms, book.buyer_of(book.slot_of(bid_id)), 0, other.seq + 1)
    book.sell_in("EUR", "call")
    for bid_id, terms in held.items():
        fault = book.words[book.slot_of(bid_id) * 8 + 5] & 0xFF
        assert fault == other.words[other.slot_of(bid_id) * 8 + 5] & 0xFF
        wanted = 51 if terms.currency != "EUR" else 50 if terms.per != "call" else 0
        assert fault == wanted


@pytest.mark.parametrize(("changes", "query", "reason"), [
    ({"active": False}, {}, Reason.PAUSED_BY_HAND),
    ({"verticals": ("home",), "states": ("NY",)}, {}, Reason.VERTICAL),
    ({"states": ("NY",)}, {}, Reason.PLACE),
    ({"states": ("CA",), "area_codes": (212,)}, {}, Reason.PLACE),
    ({"area_codes": (310,)}, {"area_code": 0}, Reason.PLACE),
    ({"hours": (1, "caller"), "attestation": 4}, {}, Reason.CALLER_SCHEDULE),
    ({"hours": (ALL_HOURS, "caller")}, {"hour_of_week": -1}, Reason.CALLER_SCHEDULE),
    ({"hours": (1 << 3, "Asia/Tokyo")}, {"zone_hours": {"Asia/Tokyo": 4}}, Reason.CALLER_SCHEDULE),
    ({"hours": (1 << 3, "Asia/Tokyo")}, {"zone_hours": {"Asia/Tokyo": 3}}, None),
    ({"attestation": 2}, {"attestation": 1}, Reason.ATTESTATION),
    ({"attestation": 7}, {"attestation": 0}, Reason.ATTESTATION),
    ({"attestation": 3}, {"attestation": 2}, None),
    ({}, {}, None),
])
def test_criteria_name_the_one_that_refuses(
    changes: dict[str, Any], query: dict[str, Any], reason: Reason | None
) -> None:
    asked = msgspec.structs.replace(Query("auto", "CA", 310, 30, 0), **query)
    terms = plain(**changes)
    assert criteria_accepts(terms, asked) is reason
    book = Book()
    book.put(terms, 0, 0, 1)
    assert found(book, asked) == ([] if reason else ["b1"])


def test_bench_book_is_as_described() -> None:
    bench = make_book(10, 20, 20)
    assert len(bench.book) == 200
    assert len(found(bench.book, bench.query)) == 20
