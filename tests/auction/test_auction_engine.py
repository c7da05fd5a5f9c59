"""The engine against the oracle over thousands of seeded books, and the rules one by one."""

from array import array
from dataclasses import replace
from random import Random

import msgspec
import pytest

from auction.bid import BidTerms, Query, criteria_accepts
from auction.book import Book
from auction.engine import Engine, Outcome
from auction.score import auction_key
from tests.auction.books import match, random_query, random_terms
from tests.auction.oracle import Auction, Candidate, Decision, decide
from vocabulary import limits
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

ANY_CALL = Query("auto", "CA", 310, 30, 0)
BUYERS, TARGETS = 6, 9


class Market:
    """A book beside the list of what went into it."""

    def __init__(self) -> None:
        self.book = Book()
        self.placed: dict[str, Candidate] = {}
        self.engine = Engine()

    def put(self, terms: BidTerms, buyer: int, target: int) -> None:
        """Place a bid in both."""
        self.book.put(terms, buyer, target, self.book.seq + 1)
        before = self.placed.get(terms.bid_id)
        self.placed[terms.bid_id] = Candidate(
            terms, buyer, target, before.spent_micros if before else 0,
            before.last_won if before else 0,
        )

    def spend(self, bid_id: str, micros: int) -> None:
        """Spend in both."""
        self.book.spend(self.book.slot_of(bid_id), micros)
        held = self.placed[bid_id]
        self.placed[bid_id] = replace(held, spent_micros=held.spent_micros + micros)

    def win(self, bid_id: str, order: int) -> None:
        """Mark a win in both."""
        self.book.mark_won(self.book.slot_of(bid_id), order)
        self.placed[bid_id] = replace(self.placed[bid_id], last_won=order)

    def run(self, auction: Auction, query: Query = ANY_CALL) -> Outcome:
        """Match and clear in the book."""
        out = array("i", bytes(4 * max(1, len(self.placed))))
        count = match(self.book, query, out)
        scores = auction.target_scores
        return self.engine.run(
            self.book, count, out, array("B", auction.verdicts), array("q", auction.available),
            None if scores is None else array("q", scores), auction.floor_micros,
            auction.increment_micros, auction.second_price, auction.wall_s, auction.ladder_max,
            auction.key,
        )

    def expect(self, auction: Auction, query: Query = ANY_CALL) -> Decision:
        """The oracle's decision over the bids that brute force says match."""
        return decide(self.candidates(query), auction)

    def candidates(self, query: Query) -> list[Candidate]:
        """Bids that pass, in the order of their slots."""
        passing = [c for c in self.placed.values() if criteria_accepts(c.terms, query) is None]
        return sorted(passing, key=lambda c: self.book.slot_of(c.terms.bid_id))

    def named(self, slots: list[int]) -> list[str]:
        """Bid ids of slots."""
        return [self.book.id_of(slot) for slot in slots]


def open_auction(**changes: object) -> Auction:
    """Everyone eligible and rich, second price above a floor of 1.00, ladder of 5."""
    plain = Auction([ELIGIBLE] * TARGETS, [10**12] * BUYERS, None, 1_000_000, 0, True, 1_000, 5,
                    auction_key(b"auction"))
    return replace(plain, **changes)  # type: ignore[arg-type]


def random_market(random: Random) -> Market:
    """A few dozen bids, some put again, some with spent budgets and past wins."""
    market = Market()
    for number in range(random.randrange(40)):
        target = random.randrange(TARGETS)
        buyer = target % BUYERS
        terms = random_terms(random, f"b{number}", buyer, target)
        if random.random() < 0.5:
            terms = msgspec.structs.replace(
                terms, states=(), area_codes=(), hours=(0, "caller"), verticals=(), attestation=0)
        market.put(terms, buyer, target)
    for order, bid_id in enumerate(random.sample(list(market.placed), len(market.placed) // 3)):
        market.win(bid_id, order // 2 + 1)
        market.spend(bid_id, random.choice((0, 1_000_000, 4_000_000)))
        if random.random() < 0.3:
            held = market.placed[bid_id]
            market.put(random_terms(random, bid_id, held.buyer, held.target), held.buyer,
                       held.target)
    return market


def random_auction(random: Random) -> Auction:
    """Any gates and prices."""
    refusals = (ELIGIBLE, ELIGIBLE, ELIGIBLE, Reason.HOUR_CAP - REASON_BASE, 0)
    scores = random.choice((None, None, [random.randrange(-2, 3) for _ in range(TARGETS)]))
    return Auction(
        [random.choice(refusals) for _ in range(TARGETS)],
        [random.choice((10**12, 10**12, 3_000_000, 0)) for _ in range(BUYERS)],
        scores, random.choice((1, 1_000_000, 2_000_000)), random.choice((0, 0, 1, 700_000)),
        scores is None and random.random() < 0.7, random.choice((999, 1_000, 1_001)),
        random.randrange(1, limits.ladder_max + 1), random.getrandbits(63),
    )


@pytest.mark.parametrize("seed", range(40))
def test_engine_equals_the_oracle(seed: int) -> None:
    for part in range(60):
        random = Random(f"{seed}-{part}")
        market = random_market(random)
        query, auction = random_query(random), random_auction(random)
        outcome, wanted = market.run(auction, query), market.expect(auction, query)
        assert market.named(outcome.ladder) == wanted.ladder, (seed, part)
        assert outcome.prices == wanted.prices, (seed, part)
        runner_up = market.named([outcome.runner_up])[0] if outcome.runner_up >= 0 else None
        assert runner_up == wanted.runner_up, (seed, part)
        ids = [c.terms.bid_id for c in market.candidates(query)]
        assert dict(zip(ids, outcome.reasons, strict=True)) == wanted.reasons, (seed, part)
        counted = {o: list(outcome.reasons).count(o) for o in set(outcome.reasons)}
        assert outcome.histogram == counted, (seed, part)


@pytest.mark.parametrize("seed", range(10))
def test_price_rules_hold(seed: int) -> None:
    for part in range(50):
        random = Random(f"price-{seed}-{part}")
        market, auction = random_market(random), random_auction(random)
        outcome = market.run(auction)
        assert len(outcome.ladder) <= auction.ladder_max
        assert sorted(outcome.scores, reverse=True) == outcome.scores
        pairs = set()
        for slot, price in zip(outcome.ladder, outcome.prices, strict=True):
            assert auction.floor_micros <= price <= market.book.amount_micros(slot)
            pairs.add((market.book.buyer_of(slot), market.book.target_of(slot)))
        assert len(pairs) == len(outcome.ladder)


@pytest.mark.parametrize("seed", range(20))
def test_price_depends_only_on_entries_below_of_another_buyer(seed: int) -> None:
    random = Random(f"below-{seed}")
    market = random_market(random)
    auction = open_auction(ladder_max=10)
    outcome = market.run(auction)
    for place, slot in enumerate(outcome.ladder):
        keep = [c for c in market.candidates(ANY_CALL)
                if c.terms.bid_id == market.book.id_of(slot)
                or (c.buyer != market.book.buyer_of(slot)
                    and market.book.slot_of(c.terms.bid_id) not in outcome.ladder[:place])]
        above = {(market.book.buyer_of(s), market.book.target_of(s)) for s in
                 outcome.ladder[:place]}
        keep = [c for c in keep if (c.buyer, c.target) not in above
                or c.terms.bid_id == market.book.id_of(slot)]
        alone = decide(keep, auction)
        assert alone.ladder[0] == market.book.id_of(slot)
        assert alone.prices[0] == outcome.prices[place], (seed, place)


@pytest.mark.parametrize("seed", range(20))
def test_order_of_insertion_changes_nothing(seed: int) -> None:
    random = Random(f"order-{seed}")
    market = random_market(random)
    auction = random_auction(random)
    shuffled = Market()
    held = list(market.placed.values())
    random.shuffle(held)
    for candidate in held:
        shuffled.put(candidate.terms, candidate.buyer, candidate.target)
        shuffled.spend(candidate.terms.bid_id, candidate.spent_micros)
        shuffled.win(candidate.terms.bid_id, candidate.last_won)
    one, other = market.run(auction), shuffled.run(auction)
    assert market.named(one.ladder) == shuffled.named(other.ladder)
    assert one.prices == other.prices
    assert one.histogram == other.histogram


def bid(bid_id: str, amount: str, **terms: object) -> BidTerms:
    """A bid that accepts every call, in units."""
    return BidTerms(bid_id, "b", "t", int(float(amount) * 1_000_000), **terms)  # type: ignore


def test_second_price_skips_the_winners_own_bids() -> None:
    market = Market()
    market.put(bid("high", "10"), 0, 0)
    market.put(bid("own", "9"), 0, 6)
    market.put(bid("other", "7"), 1, 1)
    outcome = market.run(open_auction())
    assert market.named(outcome.ladder) == ["high", "own", "other"]
    assert outcome.prices == [7_000_000, 7_000_000, 1_000_000]


def test_one_bid_for_each_buyer_and_target() -> None:
    market = Market()
    market.put(bid("low", "8"), 0, 0)
    market.put(bid("high", "10"), 0, 0)
    market.put(bid("rival", "9"), 1, 1)
    outcome = market.run(open_auction())
    assert market.named(outcome.ladder) == ["high", "rival"]
    assert outcome.prices == [9_000_000, 1_000_000]  # the second bid at 8.00 is not in the auction
    assert outcome.runner_up == -1
    assert outcome.histogram == {ELIGIBLE: 2, Reason.OUTBID - REASON_BASE: 1}


def test_rival_past_the_runner_up_sets_the_price() -> None:
    market = Market()
    for number, amount in enumerate(("10", "9", "8")):
        market.put(bid(f"own{number}", amount), 0, number * BUYERS)
    market.put(bid("rival", "3"), 1, 1)
    outcome = market.run(open_auction(ladder_max=1, verdicts=[ELIGIBLE] * 20))
    assert market.named([outcome.runner_up]) == ["own1"]
    assert outcome.prices == [3_000_000]


def test_quality_turns_the_tie_into_the_winners_own_unit() -> None:
    market = Market()
    market.put(bid("good", "5", quality_ppm=3_000_000), 0, 0)
    market.put(bid("dear", "10"), 1, 1)
    outcome = market.run(open_auction(increment_micros=10_000))
    assert market.named(outcome.ladder) == ["good", "dear"]
    assert outcome.prices == [3_343_334, 1_000_000]  # ceil(10.00 / 3) + 0.01; no rival: floor


def test_ties_go_to_the_least_recently_won_then_to_the_hash() -> None:
    market = Market()
    for number in range(4):
        market.put(bid(f"b{number}", "5"), number, number)
    market.win("b0", 7)
    market.win("b1", 3)
    firsts = set()
    for number in range(40):
        key = auction_key(number.to_bytes(16, "big"))
        ladder = market.named(market.run(open_auction(key=key)).ladder)
        assert ladder[2:] == ["b1", "b0"]
        firsts.add(ladder[0])
    assert firsts == {"b2", "b3"}


def test_scores_of_a_strategy_order_targets_and_all_pay_their_bid() -> None:
    market = Market()
    market.put(bid("dear", "9"), 0, 0)
    market.put(bid("cheap", "2"), 1, 1)
    outcome = market.run(open_auction(
        target_scores=[-5, 4] + [0] * 7, second_price=False, floor_micros=0))
    assert market.named(outcome.ladder) == ["cheap", "dear"]
    assert outcome.prices == [2_000_000, 9_000_000]
    assert outcome.scores == [4, -5]


def test_a_ladder_never_refills_from_a_pair_that_rose() -> None:
    market = Market()
    for number in range(30):
        market.put(bid(f"a{number}", str(1 + number)), number % 3, number % 3)
    outcome = market.run(open_auction(ladder_max=2))
    assert market.named(outcome.ladder) == ["a29", "a28"]
    assert market.named([outcome.runner_up]) == ["a27"]


def test_no_candidate() -> None:
    outcome = Market().run(open_auction())
    assert (outcome.ladder, outcome.prices, outcome.runner_up) == ([], [], -1)
    assert (outcome.histogram, len(outcome.reasons), outcome.stands) == ({}, 0, 0)


@pytest.mark.parametrize("changes", [
    {"floor_micros": 0}, {"target_scores": [0] * TARGETS}, {"ladder_max": 0},
    {"ladder_max": limits.ladder_max + 1},
])
def test_an_auction_that_no_plan_may_ask_for_is_our_bug(changes: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        Market().run(open_auction(**changes))


def test_columns_shorter_than_the_books_slots_are_our_bug() -> None:
    market = Market()
    market.put(bid("b", "5"), 5, 8)
    for changes in ({"verdicts": [ELIGIBLE] * 8}, {"available": [10**12] * 5}):
        with pytest.raises(AssertionError):
            market.run(open_auction(**changes))
