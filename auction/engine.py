# cython: boundscheck=False, wraparound=False, cdivision=True
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
from auction.columns import (
    AMOUNT,
    BUDGET,
    EXPIRES,
    LAST_WON,
    META,
    PARTY,
    SCORE,
    SPENT,
)
from auction.price import clearing_price
from auction.score import tie_hash
from vocabulary import limits
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

_EXPIRED = Reason.EXPIRED - REASON_BASE
_BELOW_FLOOR = Reason.BELOW_FLOOR - REASON_BASE
_BUDGET_SPENT = Reason.BUDGET - REASON_BASE
_FUNDS = Reason.FUNDS - REASON_BASE
_OUTBID = Reason.OUTBID - REASON_BASE
_STANDS = ELIGIBLE
_AMOUNT, _SCORE, _EXPIRES, _BUDGET = AMOUNT, SCORE, EXPIRES, BUDGET
_SPENT, _LAST_WON, _PARTY, _META = SPENT, LAST_WON, PARTY, META
_PLACES = limits.ladder_max + 1


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

    __slots__ = ("_counts", "_filled", "_key", "_ordinals", "_parties", "_scores", "_slots",
                 "_stands", "_wanted", "_wons")

    def __init__(self) -> None:
        self._scores = array("q", bytes(8 * _PLACES))  # the best so far, best first
        self._wons = array("q", bytes(8 * _PLACES))
        self._parties = array("q", bytes(8 * _PLACES))
        self._slots = array("i", bytes(4 * _PLACES))
        self._ordinals = array("i", bytes(4 * _PLACES))
        self._counts = array("i", bytes(4 * 256))
        self._filled = 0
        self._wanted = 0
        self._stands = 0
        self._key = 0

    def run(self, book: Book, n: int, matched: "array[int]", verdicts: "array[int]",
            available: "array[int]", target_scores: "array[int] | None", floor_micros: int,
            increment_micros: int, second_price: bool, wall_s: int, ladder_max: int,
            key: int) -> Outcome:
        """Clear one auction over matched[0:n], the slots that book.match returned.

        verdicts: by target slot, 255 or the ordinal of its refusal. available: micros by buyer
        slot. target_scores: a strategy's scores by target slot, None for b·g; only b·g may be
        sold at second price. wall_s: the instant at which a bid must still be valid. key:
        auction_key of the auction. Gates in order: the target's verdict, currency 551 and price
        basis 550, expired 549, below floor 548, budget 555, funds 516.
        """
        assert 0 <= n <= limits.candidates_max
        assert n <= len(matched)
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
            [self._slots[place] for place in range(entries)],
            self._prices(book, n, matched, reasons, entries, floor_micros, increment_micros,
                         second_price),
            [self._scores[place] for place in range(entries)],
            reasons,
            {},
        )
        if self._filled > entries:
            outcome.runner_up = self._slots[entries]
            outcome.runner_up_score = self._scores[entries]
        outcome.stands = self._stands
        for place in range(entries):
            reasons[self._ordinals[place]] = ELIGIBLE
        outcome.histogram = self._histogram(entries)
        return outcome

    def _sift(self, book: Book, n: int, matched: "array[int]", verdicts: "array[int]",
              available: "array[int]", target_scores: "array[int] | None", floor_micros: int,
              wall_s: int, reasons: "array[int]") -> None:
        """Give every candidate its reason and keep the best; those that stand are outbid yet."""
        by_target = target_scores is not None
        for ordinal in range(256):
            self._counts[ordinal] = 0
        for ordinal in range(n):
            slot = matched[ordinal]
            at = slot * 8
            party = book.words[at + _PARTY]
            reason = verdicts[party & 0xFFFFFFFF]
            if reason == _STANDS:
                reason = book.words[at + _META] & 0xFF
                amount = book.words[at + _AMOUNT]
                if reason:
                    pass
                elif book.words[at + _EXPIRES] <= wall_s:
                    reason = _EXPIRED
                elif amount < floor_micros:
                    reason = _BELOW_FLOOR
                elif book.words[at + _BUDGET] - book.words[at + _SPENT] < amount:
                    reason = _BUDGET_SPENT
                elif available[party >> 32] < amount:
                    reason = _FUNDS
                else:
                    reason = _OUTBID
                    self._stands += 1
                    score = book.words[at + _SCORE]
                    if by_target:
                        score = target_scores[party & 0xFFFFFFFF]  # type: ignore[index]
                    if self._filled < self._wanted or score >= self._scores[self._filled - 1]:
                        self._offer(book, ordinal, slot, score, party)
            self._counts[reason] += 1
            reasons[ordinal] = reason

    def _offer(self, book: Book, ordinal: int, slot: int, score: int, party: int) -> None:
        """Insert into the best places, one per (buyer, target).

        Dropping the last place is safe: whoever was dropped can only come back by a better bid
        of its own pair, which is offered as well.
        """
        won = book.words[slot * 8 + _LAST_WON]
        last = self._filled
        for place in range(self._filled):
            if self._parties[place] == party:
                if not self._outranks(book, slot, score, won, place):
                    return
                last = place
                break
        if last == self._wanted:
            last -= 1
            if not self._outranks(book, slot, score, won, last):
                return
        elif last == self._filled:
            self._filled += 1
        while last > 0 and self._outranks(book, slot, score, won, last - 1):
            self._move(last - 1, last)
            last -= 1
        self._scores[last] = score
        self._wons[last] = won
        self._parties[last] = party
        self._slots[last] = slot
        self._ordinals[last] = ordinal

    def _move(self, place: int, to: int) -> None:
        self._scores[to] = self._scores[place]
        self._wons[to] = self._wons[place]
        self._parties[to] = self._parties[place]
        self._slots[to] = self._slots[place]
        self._ordinals[to] = self._ordinals[place]

    def _outranks(self, book: Book, slot: int, score: int, won: int, place: int) -> bool:
        """Whether a bid goes before the one at a place."""
        if score != self._scores[place]:
            return score > self._scores[place]
        if won != self._wons[place]:
            return won < self._wons[place]
        mine = tie_hash(self._key, book.hashes[slot])
        other = tie_hash(self._key, book.hashes[self._slots[place]])
        if mine != other:
            return mine < other
        return book.id_of(slot) < book.id_of(self._slots[place])

    def _prices(self, book: Book, n: int, matched: "array[int]", reasons: "array[int]",
                entries: int, floor_micros: int, increment_micros: int,
                second: bool) -> list[int]:
        """Price of each ladder entry, by the best entry below it of another buyer (rule 9)."""
        prices = []
        beyond = -2  # best score past the places of another buyer than the last place's
        for place in range(entries):
            at = self._slots[place] * 8
            if not second:
                prices.append(book.words[at + _AMOUNT])
                continue
            rival = -2
            for below in range(place + 1, self._filled):
                if self._parties[below] >> 32 != self._parties[place] >> 32:
                    rival = self._scores[below]
                    break
            if rival == -2:
                if beyond == -2:
                    beyond = self._best_beyond(book, n, matched, reasons)
                rival = beyond
            prices.append(clearing_price(book.words[at + _AMOUNT], book.words[at + _META] >> 32,
                                       rival, floor_micros, increment_micros))
        return prices

    def _best_beyond(self, book: Book, n: int, matched: "array[int]",
                     reasons: "array[int]") -> int:
        """Best b·g of a standing bid that is on no place, of another buyer than the last place's.

        −1: none. A second bid of a (buyer, target) on a place does not count: one bid a slot.
        """
        best = -1
        if self._filled < self._wanted:
            return best  # every (buyer, target) that stands has a place
        buyer = self._parties[self._filled - 1] >> 32
        for ordinal in range(n):
            if reasons[ordinal] != _OUTBID:
                continue
            at = matched[ordinal] * 8
            party = book.words[at + _PARTY]
            score = book.words[at + _SCORE]
            if score > best and party >> 32 != buyer and not self._placed(party):
                best = score
        return best

    def _placed(self, party: int) -> bool:
        found = False
        for place in range(self._filled):
            if self._parties[place] == party:
                found = True
        return found

    def _histogram(self, entries: int) -> dict[int, int]:
        self._counts[_OUTBID] -= entries
        self._counts[_STANDS] += entries
        found = {}
        for ordinal in range(256):
            if self._counts[ordinal]:
                found[ordinal] = self._counts[ordinal]
        return found
