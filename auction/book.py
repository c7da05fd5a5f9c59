# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The book of standing bids: its terms, what they have spent, when they last won.

```
 bid id ─► slot ─► words[slot × 8 …]   eight words (auction.columns), one cache line
    │        ├───► digests[slot]       of the terms, to see whether a plan changes them
    │        └───► index               criteria as bitmaps (auction.index)
    └──────► past[bid id]              of removed bids: buyer, spent, last won
```
Mutable, with one owner: the desk. Slots of removed bids are used again, last freed first, so the
same changes in the same order give the same slots. An id keeps what it spent and when it last
won, through new terms and through removal, and belongs to its first buyer for ever.
"""

from array import array
from collections.abc import Iterator

from auction.bid import BidTerms, check_terms, digest_of, encode_terms
from auction.columns import (
    ACTIVE_SHIFT,
    AMOUNT,
    ATTESTATION_SHIFT,
    BASIS_SHIFT,
    BUYER_SHIFT,
    CURRENCY_SHIFT,
    EXPIRES,
    FAULT_MASK,
    LAST_WON,
    LEFT,
    META,
    NEVER,
    PARTY,
    QUALITY_SHIFT,
    SCORE,
    SPENT,
    TARGET_MASK,
    WORDS,
    grown,
)
from auction.directory import Directory
from auction.index import Index
from auction.score import score_of
from auction.snapshot import LAYOUT, BookSnapshot
from vocabulary import limits
from vocabulary.errors import CommandRefused
from vocabulary.reasons import REASON_BASE, Reason

_SLOTS_STEP = 1_024


class Book:
    """Standing bids by slot. currency and per: what the auctions sell in (551, 550 otherwise)."""

    __slots__ = ("_bases", "_currencies", "_free", "_per_buyer", "_used", "basis", "buyer_slots",
                 "currency", "digests", "directory", "index", "past", "seq", "target_slots",
                 "words")

    def __init__(self, currency: str = "USD", per: str = "call") -> None:
        self.seq = 0  # journal sequence of the last change of the book
        self.currency, self.basis = currency, per
        self._currencies = [currency]
        self._bases = [per]
        self.index = Index()
        self.words = array("q")
        self.digests = array("Q")
        self.directory = Directory()
        self._free: list[int] = []
        self._used = 0  # slots ever in use
        self.buyer_slots = 0  # one more than the highest that any bid has had
        self.target_slots = 0
        self._per_buyer: dict[int, int] = {}
        self.past: dict[str, tuple[int, int, int]] = {}

    def __len__(self) -> int:
        return self.directory.count

    @property
    def zones(self) -> list[str]:
        """Names of the zones of bid hours, by the slot that match's zone_hours is read by."""
        return self.index.zones

    def ids(self) -> Iterator[str]:
        """Ids of the bids in the book, by slot."""
        return (bid_id for bid_id in self.directory.ids if bid_id is not None)

    def check(self, terms: BidTerms, buyer_slot: int) -> None:
        """Raise CommandRefused where put would: bid_invalid, bid_id_taken, bids_full,
        buyer_bids_full or book_values_full. Changes nothing.
        """
        check_terms(terms)
        slot = self.directory.find(terms.bid_id)
        owner = self.buyer_of(slot) if slot >= 0 else self.past.get(
            terms.bid_id, (buyer_slot, 0, 0))[0]
        if owner != buyer_slot:
            raise CommandRefused("bid_id_taken", f"{terms.bid_id} was a bid of another buyer")
        if slot < 0:
            self._check_room(terms.bid_id, buyer_slot)
        self.index.check(terms)
        _known(self._currencies, terms.currency, add=False)
        _known(self._bases, terms.per, add=False)

    def put(self, terms: BidTerms, buyer_slot: int, target_slot: int, seq: int) -> int:
        """Place a bid or give it new terms; returns its slot. seq: journal sequence of the change.

        Spent budget and last won stay with the id. Raises as check, before any change.
        """
        self.check(terms, buyer_slot)
        return self.place(terms, encode_terms(terms), buyer_slot, target_slot, seq)

    def place(self, terms: BidTerms, encoded: bytes, buyer_slot: int, target_slot: int, seq: int
              ) -> int:
        """Put a bid that was checked already, as one that the journal gives back was."""
        assert seq >= self.seq
        assert 0 <= buyer_slot <= TARGET_MASK >= target_slot >= 0
        slot = self.directory.find(terms.bid_id)
        if slot < 0:
            slot = self._take_slot(terms.bid_id, buyer_slot)
        else:
            self.index.remove(slot)
        self.index.insert(slot, terms)
        self._write(slot, terms, buyer_slot, target_slot)
        self.digests[slot] = digest_of(encoded)
        self.seq = seq
        return slot

    def remove(self, bid_id: str, seq: int) -> None:
        """Withdraw a bid. Raises CommandRefused("bid_unknown")."""
        assert seq >= self.seq
        slot = self.directory.find(bid_id)
        if slot < 0:
            raise CommandRefused("bid_unknown", f"there is no bid {bid_id}")
        buyer = self.buyer_of(slot)
        at = slot * WORDS
        self.past[bid_id] = (buyer, self.words[at + SPENT], self.words[at + LAST_WON])
        self.index.remove(slot)
        self.directory.drop(slot)
        self._per_buyer[buyer] -= 1
        self._free.append(slot)
        self.seq = seq

    def holds(self, terms: BidTerms, target_slot: int) -> bool:
        """Whether the bid stands with exactly these terms: put would change nothing."""
        slot = self.directory.find(terms.bid_id)
        same = slot >= 0 and self.target_of(slot) == target_slot
        return same and self.digests[slot] == digest_of(encode_terms(terms))

    def match(self, vertical: str, state: str, area_code: int, hour_of_week: int, attestation: int,
              zone_hours: "array[int]", out: "array[int]") -> int:
        """Slots of the active bids whose criteria accept the call, ascending, into out ('i').

        state "", area_code 0, hour_of_week −1: unknown, accepted only where a bid has no such
        criterion. hour_of_week: 0..167 in the caller's zone. attestation: 0 unknown, 1 A, 2 B,
        4 C. zone_hours ('i'): hour of the week by slot of `zones`, −1 unknown. Returns how many
        pass; out holds the first len(out) of them: a larger count means it was too short.
        """
        assert -1 <= hour_of_week < 168
        assert attestation in (0, 1, 2, 4)
        assert len(zone_hours) >= len(self.index.zones)
        return self.index.match(vertical, state, area_code, hour_of_week, attestation,
                                zone_hours, out, self._used)

    def spend(self, slot: int, micros: int) -> None:
        """Take micros from a bid's budget, in the turn of the auction that returned the slot."""
        assert micros >= 0
        self._move_spent(slot, micros)

    def unspend(self, bid_id: str, micros: int, hint: int = -1) -> None:
        """Give back what spend took and the call did not use; also of a bid withdrawn since."""
        assert micros >= 0
        slot = self.slot_near(bid_id, hint)
        if slot < 0:
            buyer, spent, won = self.past[bid_id]
            self.past[bid_id] = (buyer, _less(spent, micros), won)
        else:
            _less(self.words[slot * 8 + _SPENT], micros)
            self._move_spent(slot, -micros)

    def mark_won(self, slot: int, order: int) -> None:
        """The bid's reserve was granted; order: an instant, of which the latest is kept."""
        at = slot * 8 + _LAST_WON
        self.words[at] = max(self.words[at], order)

    def sell_in(self, currency: str, per: str) -> None:
        """Change what auctions sell in, when a plan does; bids in other terms stand at 551, 550."""
        bids = self.ids() if (currency, per) != (self.currency, self.basis) else ()
        self.currency, self.basis = currency, per
        for bid_id in bids:
            at = self.slot_of(bid_id) * WORDS + META
            meta = self.words[at] & ~FAULT_MASK
            self.words[at] = meta | self._fault(
                self._currencies[meta >> CURRENCY_SHIFT & 0xFF],
                self._bases[meta >> BASIS_SHIFT & 0xFF],
            )

    def slot_of(self, bid_id: str) -> int:
        """Slot of a bid, −1 if it does not stand."""
        return self.directory.find(bid_id)

    def slot_near(self, bid_id: str, hint: int) -> int:
        """Slot of a bid, −1 if it does not stand; hint: where it was last seen, tried first."""
        if 0 <= hint < len(self.directory.ids) and self.directory.ids[hint] == bid_id:
            return hint
        return self.directory.find(bid_id)

    def dialable(self, bid_id: str, hint: int, buyer_slot: int, target_slot: int,
                 expires_after_s: int) -> int:
        """Slot of a bid, −1 unless it is active, for this buyer and target, and lasts longer."""
        slot = self.slot_near(bid_id, hint)
        if slot < 0:
            return -1
        at = slot * 8
        party = self.words[at + _PARTY]
        if party >> 31 != buyer_slot or party & 0x7FFFFFFF != target_slot:
            return -1
        if self.words[at + _EXPIRES] <= expires_after_s or not self.words[at + _META] >> 27 & 1:
            return -1
        return slot

    def id_of(self, slot: int) -> str:
        """Id of the bid in a slot; the slot must be in use."""
        bid_id = self.directory.ids[slot]
        assert bid_id is not None
        return bid_id

    def buyer_of(self, slot: int) -> int:
        """Buyer slot of a bid."""
        return self.words[slot * 8 + _PARTY] >> 31

    def target_of(self, slot: int) -> int:
        """Target slot of a bid."""
        return self.words[slot * 8 + _PARTY] & 0x7FFFFFFF

    def amount_micros(self, slot: int) -> int:
        """What a bid offers for a unit."""
        return self.words[slot * 8 + _AMOUNT]

    def quality_ppm(self, slot: int) -> int:
        """Factor of a bid's score."""
        return self.words[slot * 8 + _META] >> 32

    def last_won(self, slot: int) -> int:
        """Order of a bid's last reserve, 0 if it never won."""
        return self.words[slot * 8 + _LAST_WON]

    def spent_micros(self, slot: int) -> int:
        """What a bid has taken from its budget."""
        return self.words[slot * 8 + _SPENT]

    def budget_left_micros(self, slot: int) -> int:
        """What a bid may still spend, −1 without a budget; 0 where a lower budget is overspent."""
        left: int = self.words[slot * 8 + _LEFT]
        return -1 if left == NEVER else max(0, left)

    def terms_of(self, slot: int, buyer: str, target: str) -> BidTerms:
        """The terms of a bid, read back from the book. buyer, target: the ids of its slots.

        Criteria come out sorted; without hours the zone is the caller's.
        """
        at = slot * WORDS
        meta = self.words[at + META]
        left, expires = self.words[at + LEFT], self.words[at + EXPIRES]
        verticals, states, codes, hours = self.index.criteria(slot)
        return BidTerms(
            self.id_of(slot), buyer, target, self.words[at + AMOUNT],
            self._bases[meta >> BASIS_SHIFT & 0xFF],
            self._currencies[meta >> CURRENCY_SHIFT & 0xFF],
            states, codes, hours, verticals, meta >> ATTESTATION_SHIFT & 7,
            -1 if left == NEVER else left + self.words[at + SPENT],
            0 if expires == NEVER else expires,
            meta >> QUALITY_SHIFT, bool(meta >> ACTIVE_SHIFT & 1),
        )

    def snapshot(self) -> BookSnapshot:
        """A copy of the whole book; restore_book makes an equal one."""
        ids = tuple([bid_id or "" for bid_id in self.directory.ids[: self._used]])
        return BookSnapshot(
            LAYOUT, self.seq, self.currency, self.basis, tuple(self._currencies),
            tuple(self._bases), ids, tuple(self._free), bytes(self.words), bytes(self.digests),
            dict(self.past), self.index.snapshot(),
        )

    def _restore(self, held: BookSnapshot) -> None:
        self.seq = held.seq
        self._currencies, self._bases = list(held.currencies), list(held.bases)
        self.words = array("q", held.words)
        self.digests = array("Q", held.digests)
        self._used = len(held.ids)
        free = [None] * (len(held.digests) // 8 - self._used)
        self.directory.load([*(bid_id or None for bid_id in held.ids), *free])
        self._free = list(held.free)
        self.past = dict(held.past)
        self.index.restore(held.index)
        for slot, bid_id in enumerate(held.ids):
            if bid_id:
                buyer = self.buyer_of(slot)
                self._per_buyer[buyer] = self._per_buyer.get(buyer, 0) + 1
                self.buyer_slots = max(self.buyer_slots, buyer + 1)
                self.target_slots = max(self.target_slots, self.target_of(slot) + 1)

    def _check_room(self, bid_id: str, buyer_slot: int) -> None:
        if len(self) >= limits.bids_max:
            raise CommandRefused("bids_full", f"the book holds {limits.bids_max} bids")
        if (bid_id not in self.past
                and len(self) + len(self.past) >= limits.bid_ids_remembered_max):
            raise CommandRefused("bids_full", "the ids of too many withdrawn bids are remembered")
        if self._per_buyer.get(buyer_slot, 0) >= limits.bids_per_buyer_max:
            raise CommandRefused("buyer_bids_full",
                                 f"a buyer has at most {limits.bids_per_buyer_max} bids")

    def _take_slot(self, bid_id: str, buyer_slot: int) -> int:
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._used
            self.reserve(slot + 1)
            self._used = slot + 1
        self.directory.add(bid_id, slot)
        self._per_buyer[buyer_slot] = self._per_buyer.get(buyer_slot, 0) + 1
        _, spent, won = self.past.pop(bid_id, (buyer_slot, 0, 0))
        at = slot * WORDS
        self.words[at + SPENT] = spent
        self.words[at + LAST_WON] = won
        return slot

    def reserve(self, slots: int) -> None:
        """Grow by an eighth, so that a hundred thousand puts copy little and waste little."""
        held = len(self.digests)
        if slots <= held:
            return
        wanted = max(slots, held + max(_SLOTS_STEP, held // 8))
        self.words = grown(self.words, "q", wanted * WORDS)
        self.digests = grown(self.digests, "Q", wanted)
        self.directory.reserve(wanted)
        self.index.reserve(wanted)

    def _move_spent(self, slot: int, micros: int) -> None:
        at = slot * WORDS
        self.words[at + SPENT] += micros
        if self.words[at + LEFT] != NEVER:
            self.words[at + LEFT] -= micros

    def _write(self, slot: int, terms: BidTerms, buyer_slot: int, target_slot: int) -> None:
        at = slot * WORDS
        self.buyer_slots = max(self.buyer_slots, buyer_slot + 1)
        self.target_slots = max(self.target_slots, target_slot + 1)
        self.words[at + AMOUNT] = terms.amount_micros
        self.words[at + SCORE] = score_of(terms.amount_micros, terms.quality_ppm)
        self.words[at + EXPIRES] = terms.expires_s or NEVER
        self.words[at + LEFT] = NEVER
        if terms.budget_micros >= 0:
            self.words[at + LEFT] = terms.budget_micros - self.words[at + SPENT]
        self.words[at + PARTY] = buyer_slot << BUYER_SHIFT | target_slot
        self.words[at + META] = (
            terms.quality_ppm << QUALITY_SHIFT
            | int(terms.active) << ACTIVE_SHIFT
            | terms.attestation << ATTESTATION_SHIFT
            | _known(self._currencies, terms.currency, add=True) << CURRENCY_SHIFT
            | _known(self._bases, terms.per, add=True) << BASIS_SHIFT
            | self._fault(terms.currency, terms.per)
        )

    def _fault(self, currency: str, per: str) -> int:
        if currency != self.currency:
            return Reason.CURRENCY - REASON_BASE
        if per != self.basis:
            return Reason.PRICE_BASIS - REASON_BASE
        return 0


def restore_book(held: BookSnapshot) -> Book:
    """The book of a snapshot. Raises CommandRefused("book_layout") if it is of another."""
    if held.layout != LAYOUT:
        raise CommandRefused("book_layout", f"a book of layout {held.layout}, this is {LAYOUT}")
    slots = len(held.digests) // 8
    if not (len(held.ids) <= slots == len(held.words) // (8 * WORDS)
            == len(held.index.foreign_of) // 4):
        raise CommandRefused("book_layout", "the columns of the book differ in length")
    book = Book(held.currency, held.basis)
    book._restore(held)
    return book


def _known(names: list[str], name: str, *, add: bool) -> int:
    if name in names:
        return names.index(name)
    if len(names) >= limits.bid_currencies_max:
        raise CommandRefused("book_values_full", f"no room for one more such as {name}")
    if add:
        names.append(name)
    return len(names) - 1


def _less(spent: int, micros: int) -> int:
    assert micros <= spent
    return spent - micros


# C twins of the constants: those that a .pxd types vanish from the module.
_AMOUNT, _LEFT, _SPENT, _LAST_WON, _PARTY, _META = AMOUNT, LEFT, SPENT, LAST_WON, PARTY, META
_EXPIRES = EXPIRES
