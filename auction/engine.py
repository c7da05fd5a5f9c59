# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""One auction over the matched standing bids: who stands, in which order, at which price.

```
matched slots ─► verdict of the target ─► fault, expiry, floor, budget, funds ─► score
                 (routing, one byte)       one reason each, first failure           │
      ladder ◄─ the first K ◄─ best K + 1, one per (buyer, target) ◄────────────────┘
```
Order: score, then least recently won, then tie_hash (exchange rule 8; the deal class that goes
before them is the same for every standing bid). Rule 12: of one buyer's bids on one target only
the first in that order is in the auction, the others are outbid; a buyer may stand on the ladder
with several targets. Nothing depends on the order of `matched` or of the book's slots.
"""

from array import array

from auction.book import Book
from auction.price import clearing_price
from auction.score import tie_hash
from vocabulary import limits
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

_EXPIRED = Reason.EXPIRED - REASON_BASE
_BELOW_FLOOR = Reason.BELOW_FLOOR - REASON_BASE
_BUDGET_SPENT = Reason.BUDGET - REASON_BASE
_FUNDS = Reason.FUNDS - REASON_BASE
_OUTBID = Reason.OUTBID - REASON_BASE
# Word offsets below are literals, since a literal stays in C: auction.columns names them.
_PLACES = limits.ladder_max + 1
_CELL_WORDS = 4
_NO_SCORE = 1 - 2**63


class Outcome:
    """What an auction decided; complete and frozen, so that later attempts change nothing.

    ladder: bid slots, best first; prices and scores beside it (micros; b·g or the strategy's).
    runner_up: slot of the next candidate in order after the ladder's last entry, of any buyer
    and not a second bid for a (buyer, target) on the ladder, −1 none; runner_up_score with it.
    reasons: one ordinal per matched bid in index order: 255 on the ladder, else Reason − 500.
    histogram: {ordinal: how many}, without zeros. stands: how many passed every gate.
    """

    __slots__ = ("histogram", "ladder", "prices", "reasons", "runner_up", "runner_up_score",
                 "scores", "stands")

    def __init__(self, ladder: list[int], prices: list[int], scores: list[int],
                 reasons: "array[int]", histogram: dict[int, int]) -> None:
        self.ladder = ladder
        self.prices = prices
        self.scores = scores
        self.runner_up = -1
        self.runner_up_score = -1
        self.reasons = reasons
        self.histogram = histogram
        self.stands = 0


class Engine:
    """Runs auctions; holds nothing between two runs but its scratch space."""

    __slots__ = ("_cells", "_counts", "_filled", "_key", "_order", "_parties", "_stands",
                 "_wanted")

    def __init__(self) -> None:
        # The best so far: _order[place] is a cell, best place first; a cell never moves.
        self._order = array("i", bytes(4 * _PLACES))
        self._parties = array("q", bytes(8 * _PLACES))  # by cell
        self._cells = array("q", bytes(8 * _CELL_WORDS * _PLACES))  # score, won, slot, ordinal
        self._counts = array("i", bytes(4 * 256))  # of refusals
        self._filled = 0
        self._wanted = 0
        self._stands = 0
        self._key = 0

    def run(self, book: Book, n: int, matched: "array[int]", verdicts: "array[int]",
            available: "array[int]", target_scores: "array[int] | None", floor_micros: int,
            increment_micros: int, second_price: bool, wall_s: int, ladder_max: int,
            key: int) -> Outcome:
        """Clear one auction over matched[0:n], the slots that book.match returned.

        verdicts: by target slot, 255 or the ordinal of its refusal, never outbid's. available:
        micros by buyer slot. Both cover book.target_slots and book.buyer_slots. target_scores: a
        strategy's scores by target slot, None for b·g; only b·g may be sold at second price.
        wall_s: the instant at which a bid must still be valid. key: auction_key of the auction.
        Gates in order: the target's verdict, currency 551 and price basis 550, expired 549,
        below floor 548, budget 555, funds 516.
        """
        assert 0 <= n <= limits.candidates_max
        assert n <= len(matched)
        assert len(verdicts) >= book.target_slots
        assert len(available) >= book.buyer_slots
        assert target_scores is None or len(target_scores) >= book.target_slots
        assert 1 <= ladder_max <= limits.ladder_max
        assert not second_price or (target_scores is None and floor_micros > 0)
        assert floor_micros >= 0 <= increment_micros
        reasons = array("B", bytes(n))
        self._filled = self._stands = 0
        self._wanted = ladder_max + 1
        self._key = key
        self._sift(book, n, matched, verdicts, available, target_scores, floor_micros, wall_s,
                   reasons)
        entries = min(self._filled, ladder_max)
        outcome = Outcome(
            [self._slot(place) for place in range(entries)],
            self._prices(book, n, matched, reasons, entries, floor_micros, increment_micros,
                         second_price),
            [self._score(place) for place in range(entries)],
            reasons,
            self._histogram(entries),
        )
        if self._filled > entries:
            outcome.runner_up = self._slot(entries)
            outcome.runner_up_score = self._score(entries)
        outcome.stands = self._stands
        for place in range(entries):
            reasons[self._cells[self._order[place] * 4 + 3]] = ELIGIBLE
        return outcome

    def _sift(self, book: Book, n: int, matched: "array[int]", verdicts: "array[int]",
              available: "array[int]", target_scores: "array[int] | None", floor_micros: int,
              wall_s: int, reasons: "array[int]") -> None:
        """Give every candidate its reason and keep the best; those that stand are outbid yet."""
        words = book.words
        by_target = target_scores is not None
        score = 0
        worst = _NO_SCORE  # score of the last place once all are filled
        for ordinal in range(256):
            self._counts[ordinal] = 0
        for ordinal in range(n):
            slot = matched[ordinal]
            at = slot * 8
            party = words[at + 4]
            reason = verdicts[party & 0x7FFFFFFF]
            if reason == 255:
                amount = words[at]
                if words[at + 5] & 0xFF:
                    reason = words[at + 5] & 0xFF
                elif words[at + 2] <= wall_s:
                    reason = _EXPIRED
                elif amount < floor_micros:
                    reason = _BELOW_FLOOR
                elif words[at + 3] < amount:
                    reason = _BUDGET_SPENT
                elif available[party >> 31] < amount:
                    reason = _FUNDS
                else:
                    reasons[ordinal] = _OUTBID
                    self._stands += 1
                    score = words[at + 1]
                    if by_target:
                        score = target_scores[party & 0x7FFFFFFF]  # type: ignore[index]
                    if score >= worst:
                        worst = self._offer(book, ordinal, slot, score, party)
                    continue
            self._counts[reason] += 1
            reasons[ordinal] = reason

    def _offer(self, book: Book, ordinal: int, slot: int, score: int, party: int) -> int:
        """Insert into the best places, one per (buyer, target); returns the score to reach next.

        Dropping the last place is safe: whoever was dropped can only come back by a better bid
        of its own pair, which is offered as well.
        """
        won = book.words[slot * 8 + 7]
        full = self._filled == self._wanted
        if full and not self._outranks(book, slot, score, won, self._filled - 1):
            return self._score(self._filled - 1)
        own = self._place_of(party)
        if own >= 0 and not self._outranks(book, slot, score, won, own):
            return self._next_score()
        last = own if own >= 0 else self._filled - full
        if own < 0 and not full:
            self._order[last] = last
            self._filled += 1
        cell = self._order[last]
        place = self._position(book, slot, score, won, last)
        while last > place:
            self._order[last] = self._order[last - 1]
            last -= 1
        self._order[place] = cell
        self._parties[cell] = party
        cell *= 4
        self._cells[cell] = score
        self._cells[cell + 1] = won
        self._cells[cell + 2] = slot
        self._cells[cell + 3] = ordinal
        return self._next_score()

    def _position(self, book: Book, slot: int, score: int, won: int, last: int) -> int:
        """First place below `last` that the bid outranks, by bisection; else `last`."""
        low = 0
        while low < last:
            middle = (low + last) >> 1
            if self._outranks(book, slot, score, won, middle):
                last = middle
            else:
                low = middle + 1
        return low

    def _outranks(self, book: Book, slot: int, score: int, won: int, place: int) -> bool:
        """Whether a bid goes before the one at a place."""
        cell = self._order[place] * 4
        if score != self._cells[cell]:
            return score > self._cells[cell]
        if won != self._cells[cell + 1]:
            return won < self._cells[cell + 1]
        rival = self._cells[cell + 2]
        mine = tie_hash(self._key, book.directory.hashes[slot])
        other = tie_hash(self._key, book.directory.hashes[rival])
        if mine != other:
            return mine < other
        return book.id_of(slot) < book.id_of(rival)

    def _next_score(self) -> int:
        return self._score(self._filled - 1) if self._filled == self._wanted else _NO_SCORE

    def _score(self, place: int) -> int:
        return self._cells[self._order[place] * 4]

    def _slot(self, place: int) -> int:
        return self._cells[self._order[place] * 4 + 2]

    def _buyer(self, place: int) -> int:
        return self._parties[self._order[place]] >> 31

    def _place_of(self, party: int) -> int:
        """Place of a (buyer, target), −1 if it has none."""
        for place in range(self._filled):
            if self._parties[self._order[place]] == party:
                return place
        return -1

    def _prices(self, book: Book, n: int, matched: "array[int]", reasons: "array[int]",
                entries: int, floor_micros: int, increment_micros: int,
                second: bool) -> list[int]:
        """Price of each ladder entry, by the best entry below it of another buyer (rule 9)."""
        prices = []
        beyond = -2  # best score past the places of another buyer than the last place's
        for place in range(entries):
            at = self._slot(place) * 8
            if not second:
                prices.append(book.words[at])
                continue
            rival = -2
            for below in range(place + 1, self._filled):
                if self._buyer(below) != self._buyer(place):
                    rival = self._score(below)
                    break
            if rival == -2:
                if beyond == -2:
                    beyond = self._best_beyond(book, n, matched, reasons)
                rival = beyond
            prices.append(clearing_price(book.words[at], book.words[at + 5] >> 32, rival,
                                         floor_micros, increment_micros))
        return prices

    def _best_beyond(self, book: Book, n: int, matched: "array[int]",
                     reasons: "array[int]") -> int:
        """Best b·g of a standing bid that is on no place, of another buyer than the last place's.

        −1: none. A second bid of a (buyer, target) on a place does not count: one bid a slot.
        """
        best = -1
        if self._filled < self._wanted:
            return best  # every (buyer, target) that stands has a place
        buyer = self._buyer(self._filled - 1)
        for ordinal in range(n):
            if reasons[ordinal] != _OUTBID:
                continue
            at = matched[ordinal] * 8
            party = book.words[at + 4]
            score = book.words[at + 1]
            if score > best and party >> 31 != buyer and self._place_of(party) < 0:
                best = score
        return best

    def _histogram(self, entries: int) -> dict[int, int]:
        self._counts[_OUTBID] = self._stands - entries
        self._counts[255] = entries
        found = {}
        for ordinal in range(256):
            if self._counts[ordinal]:
                found[ordinal] = self._counts[ordinal]
        return found
