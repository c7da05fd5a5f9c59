"""Seeded books for tests and benches: random small ones, and the large one of the bars."""

from array import array
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from auction.bid import ALL_HOURS, BidTerms, Query, criteria_accepts
from auction.book import Book

Value = TypeVar("Value", str, int)

STATES = ("CA", "NY", "TX", "FL", "WA", "OH")
CODES = (212, 310, 415, 512, 646, 713, 206, 305)
VERTICALS = ("auto", "home", "legal", "solar")
ZONES = ("caller", "caller", "America/New_York", "America/Los_Angeles")
BUSINESS_HOURS = sum(1 << day * 24 + hour for day in range(5) for hour in range(9, 17))


@dataclass(frozen=True)
class BenchBook:
    """A filled book and the one query that `passing` of its bids accept.

    Buyer slots 0..buyers − 1; target slot = buyer slot, one target a buyer.
    """

    book: Book
    query: Query
    buyers: int
    passing: int
    terms: list[BidTerms]

    def match(self, out: "array[int]") -> int:
        """Run the query into out."""
        return match(self.book, self.query, out)


def match(book: Book, query: Query, out: "array[int]") -> int:
    """book.match of a Query."""
    hours = array("i", [query.zone_hours.get(zone, -1) for zone in book.zones])
    return book.match(query.vertical, query.state, query.area_code, query.hour_of_week,
                      query.attestation, hours, out)


def make_book(n_buyers: int = 500, bids_per_buyer: int = 200, passing: int = 1_000,
              seed: int = 3) -> BenchBook:
    """n_buyers × bids_per_buyer bids; exactly `passing` of them, spread evenly, accept the query.

    The query: auto, CA, 310, Tuesday 10:00, attestation A. Every other bid fails by one criterion
    or more. Amounts are 5.00 to 60.00 at random; no budgets, no expiries.
    """
    assert passing <= n_buyers * bids_per_buyer
    random = Random(seed)
    query = Query("auto", "CA", 310, 24 + 10, 1)
    book = Book()
    placed = []
    each, extra = divmod(passing, n_buyers)
    for buyer in range(n_buyers):
        winners = set(random.sample(range(bids_per_buyer), each + (buyer < extra)))
        for number in range(bids_per_buyer):
            terms = _bench_terms(random, buyer, number, accepts=number in winners)
            placed.append(terms)
            book.put(terms, buyer, buyer, len(placed))
    assert sum(criteria_accepts(terms, query) is None for terms in placed) == passing
    return BenchBook(book, query, n_buyers, passing, placed)


def _bench_terms(random: Random, buyer: int, number: int, *, accepts: bool) -> BidTerms:
    states = tuple(random.sample(STATES[1:], random.randrange(4)))
    codes = tuple(random.sample(range(400, 700), random.randrange(4)))
    hours = BUSINESS_HOURS if random.random() < 0.7 else 0
    verticals = (random.choice(VERTICALS[1:]),)
    attestation = random.choice((0, 1, 3))
    if accepts:
        states = (*states, "CA") if states else ()
        codes = (*codes, 310) if codes else ()
        verticals = ("auto",)
    elif random.random() < 0.4:
        states = (*states, "NV")
        verticals = ("auto",)
    return BidTerms(
        f"b{buyer}-{number}", f"buyer{buyer}", f"target{buyer}",
        random.randrange(5_000_000, 60_000_000), states=states, area_codes=codes,
        hours=(hours, "caller"), verticals=verticals, attestation=attestation,
    )


def random_terms(random: Random, bid_id: str, buyer: int, target: int) -> BidTerms:
    """Any terms: narrow or open criteria, few distinct amounts so that ties are common."""
    hours = random.choice((0, 0, ALL_HOURS, BUSINESS_HOURS, random.getrandbits(168)))
    return BidTerms(
        bid_id, f"buyer{buyer}", f"target{target}",
        random.choice((1, 2, 3, 4, 5)) * random.choice((1_000_000, 1_000_000, 1_500_001)),
        per=random.choice(("call",) * 9 + ("second",)),
        currency=random.choice(("USD",) * 9 + ("EUR",)),
        states=_some(random, STATES), area_codes=_some(random, CODES),
        hours=(hours, random.choice(ZONES) if hours else "caller"),
        verticals=_some(random, VERTICALS),
        attestation=random.choice((0, 0, 1, 3, 7)),
        budget_micros=random.choice((-1, -1, 3_000_000, 10_000_000)),
        expires_s=random.choice((0, 0, 900, 1_000, 1_001, 5_000)),
        quality_ppm=random.choice((1_000_000, 1_000_000, 500_000, 3_333_333, 1)),
        active=random.random() < 0.9,
    )


def random_query(random: Random) -> Query:
    """Any call, unknown place, hour and attestation included."""
    zone_hours = {zone: random.randrange(-1, 168) for zone in ZONES[2:]}
    return Query(
        random.choice((*VERTICALS, "unheard")), random.choice((*STATES, "ZZ", "")),
        random.choice((*CODES, 999, 0)), random.randrange(-1, 168), random.choice((0, 1, 2, 4)),
        zone_hours,
    )


def _some(random: Random, values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(sorted(random.sample(values, random.choice((0, 0, 1, 2, 3)))))
