# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Which bids accept a call: one bitmap per value of each criterion, ANDed word by word.

```
                     bids of one block (16,384, 256 words of 64) ──►
 row   0..167  hour of the week open        ░█░░█░░░█…   caller's zone
 row 168..171  attestation none, A, B, C    █████░███…   a paused bid has none of them
 row 172       hours in another zone        ░░░░█░░░░…   checked one by one after the AND
 row 173..176  no criterion on hour,        █░░█░░█░░…   another zone counts as none here
               vertical, state, area code
 row 177..     a vertical, a state or an area code, in the order of first sight

 word = (hour | any hour) & (vertical | any) & (state | any) & (code | any) & attestation
```
The set bits are the answer, exactly, in ascending slot order. Cost: 9 loads for 64 bids, whatever
they ask for. A bid without a criterion sets one bit instead of one in each value's row, so that
a put stays short; a value that no bid names reads its "any" row twice. A block holds the rows it
has seen; rows and slots only grow, bounded by vocabulary.limits. Nothing else remembers the
criteria: they are read back out of the bitmaps.
"""

from array import array

from auction.bid import ALL_HOURS, CALLER_ZONE, HOURS_PER_WEEK, BidTerms
from auction.snapshot import IndexSnapshot
from vocabulary import limits
from vocabulary.errors import CommandRefused

BLOCK_BITS = 14
BLOCK_WORDS = 1 << BLOCK_BITS - 6
ROW_STEP = 64
ATTESTATION_ROWS = HOURS_PER_WEEK
FOREIGN = 172
ANY_HOUR = 173
ANY_VERTICAL = 174
ANY_STATE = 175
ANY_CODE = 176
FIRST_VALUE_ROW = 177
ATTESTATION_ROW = (168, 169, 170, -1, 171)  # by the bit of the call: 0, 1 (A), 2 (B), 4 (C)
FOREIGN_WORDS = 4  # three words of the hour mask, then the zone's slot
_WORD_MASK = 0xFFFF_FFFF_FFFF_FFFF

# Position of the lowest set bit, by a de Bruijn sequence (Leiserson, Prokop, Randall 1998).
_DE_BRUIJN = 0x03F7_9D71_B4CB_0A89
_BIT_OF = array(
    "B", sorted(range(64), key=lambda bit: (_DE_BRUIJN << bit & _WORD_MASK) >> 58)
)


class Block:
    """Bitmaps of 16,384 slots: `bits` holds `rows` rows of BLOCK_WORDS words."""

    __slots__ = ("bits", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self.bits = array("Q")
        self.reserve(FIRST_VALUE_ROW)

    def reserve(self, rows: int) -> None:
        """Make room for that many rows; the new ones are empty."""
        if rows <= self.rows:
            return
        wanted = (rows + ROW_STEP - 1) // ROW_STEP * ROW_STEP
        fresh = array("Q", bytes(self.bits))
        fresh.frombytes(bytes((wanted - self.rows) * BLOCK_WORDS * 8))
        self.bits = fresh
        self.rows = wanted

    def put(self, row: int, bit: int) -> None:
        """Set one bit of a row."""
        word = row * _BLOCK_WORDS + (bit >> 6)
        self.bits[word] = self.bits[word] | _POWER[bit & 63]

    def has(self, row: int, bit: int) -> bool:
        """Whether a row's bit is set."""
        if row >= self.rows:
            return False
        return (self.bits[row * _BLOCK_WORDS + (bit >> 6)] & _POWER[bit & 63]) != 0

    def clear(self, bit: int) -> None:
        """Clear one slot's bit in every row."""
        keep = _POWER[bit & 63] ^ _WORD_MASK
        word = bit >> 6
        for _ in range(self.rows):
            self.bits[word] = self.bits[word] & keep
            word += _BLOCK_WORDS

    def scan(self, wanted: "Rows", words: int, base: int, out: "array[int]", count: int,
             index: "Index", zone_hours: "array[int]") -> int:
        """Write the slots that pass from out[count] on; returns the new count, exact beyond out."""
        hour = self._at(wanted.hour, _ANY_HOUR)
        vertical = self._at(wanted.vertical, _ANY_VERTICAL)
        state = self._at(wanted.state, _ANY_STATE)
        code = self._at(wanted.code, _ANY_CODE)
        attestation = wanted.attestation * _BLOCK_WORDS
        any_hour = _ANY_HOUR * _BLOCK_WORDS
        any_vertical = _ANY_VERTICAL * _BLOCK_WORDS
        any_state = _ANY_STATE * _BLOCK_WORDS
        any_code = _ANY_CODE * _BLOCK_WORDS
        foreign = _FOREIGN * _BLOCK_WORDS
        room = len(out)
        for at in range(words):
            word = (
                (self.bits[hour + at] | self.bits[any_hour + at])
                & (self.bits[vertical + at] | self.bits[any_vertical + at])
                & (self.bits[state + at] | self.bits[any_state + at])
                & (self.bits[code + at] | self.bits[any_code + at])
                & self.bits[attestation + at]
            )
            if word and word & self.bits[foreign + at]:
                word = index.drop_closed(word, self.bits[foreign + at], base + at * 64, zone_hours)
            while word:
                lowest = word & -word
                if count < room:
                    out[count] = base + at * 64 + _BIT_OF[(lowest * _DE_BRUIJN & _WORD_MASK) >> 58]
                count += 1
                word ^= lowest
        return count

    def _at(self, row: int, otherwise: int) -> int:
        return (row if row < self.rows else otherwise) * _BLOCK_WORDS


class Rows:
    """The five rows that one query reads."""

    __slots__ = ("attestation", "code", "hour", "state", "vertical")

    def __init__(self) -> None:
        self.hour = self.vertical = self.state = self.code = self.attestation = 0


class Index:
    """Bitmaps of all bids and the names of their rows. Owned by the book."""

    __slots__ = ("_blocks", "_codes", "_foreign_free", "_foreign_masks", "_foreign_of", "_names",
                 "_query", "_states", "_verticals", "zones")

    def __init__(self) -> None:
        self.zones: list[str] = []
        self._blocks: list[Block] = []
        self._names: list[tuple[str, str | int]] = []  # of the rows from FIRST_VALUE_ROW on
        self._verticals: dict[str | int, int] = {}
        self._states: dict[str | int, int] = {}
        self._codes: dict[str | int, int] = {}
        self._foreign_of = array("i")  # by slot: its entry of _foreign_masks, −1 none
        self._foreign_masks = array("Q")
        self._foreign_free: list[int] = []
        self._query = Rows()

    def check(self, terms: BidTerms) -> None:
        """Raise CommandRefused("book_values_full") where a value would not fit any more."""
        _room("verticals", self._verticals, terms.verticals, limits.bid_verticals_max)
        _room("states", self._states, terms.states, limits.bid_states_max)
        zone = terms.hours[1]
        if zone != CALLER_ZONE and zone not in self.zones:
            _room("zones", {}, (zone,), limits.bid_zones_max - len(self.zones))

    def reserve(self, slots: int) -> None:
        """Make room for slots 0..slots − 1."""
        while len(self._blocks) << BLOCK_BITS < slots:
            self._blocks.append(Block())
        missing = slots - len(self._foreign_of)
        if missing > 0:
            fresh = array("i", bytes(self._foreign_of))
            fresh.extend(array("i", [-1]) * missing)
            self._foreign_of = fresh

    def insert(self, slot: int, terms: BidTerms) -> None:
        """Enter the criteria of a bid whose slot is clear. Paused bids are found by no query."""
        rows = [self._row("vertical", self._verticals, value) for value in terms.verticals]
        rows += [self._row("state", self._states, value) for value in terms.states]
        rows += [self._row("code", self._codes, value) for value in terms.area_codes]
        rows += [row for row, values in ((ANY_VERTICAL, terms.verticals),
                                         (ANY_STATE, terms.states), (ANY_CODE, terms.area_codes))
                 if not values]
        block = self._blocks[slot >> BLOCK_BITS]
        block.reserve(FIRST_VALUE_ROW + len(self._names))
        bit = slot & _SLOT_MASK
        for row in rows:
            block.put(row, bit)
        self._insert_hours(block, slot, terms)
        if terms.active:
            for call in (0, 1, 2, 4):
                if not terms.attestation or terms.attestation & call:
                    block.put(ATTESTATION_ROW[call], bit)

    def remove(self, slot: int) -> None:
        """Forget the criteria of a slot."""
        block = self._blocks[slot >> BLOCK_BITS]
        block.clear(slot & _SLOT_MASK)
        entry = self._foreign_of[slot]
        if entry >= 0:
            self._foreign_free.append(entry)
            self._foreign_of[slot] = -1

    def match(self, vertical: str, state: str, area_code: int, hour_of_week: int, attestation: int,
              zone_hours: "array[int]", out: "array[int]", slots: int) -> int:
        """Slots below `slots` whose bids accept the call; see Book.match."""
        query = self._query
        query.vertical = self._verticals.get(vertical, ANY_VERTICAL)
        query.state = self._states.get(state, ANY_STATE)
        query.code = self._codes.get(area_code, ANY_CODE)
        query.hour = hour_of_week if hour_of_week >= 0 else ANY_HOUR
        query.attestation = ATTESTATION_ROW[attestation]
        count = 0
        base = 0
        for block in self._blocks:
            words = min(BLOCK_WORDS, (slots - base + 63) >> 6)
            if words <= 0:
                break
            count = block.scan(query, words, base, out, count, self, zone_hours)
            base += BLOCK_WORDS * 64
        return count

    def drop_closed(self, word: int, foreign: int, base: int, zone_hours: "array[int]") -> int:
        """`word` without those `foreign` bits whose own zone's hour is not open."""
        rest = word & foreign
        while rest:
            lowest = rest & -rest
            rest ^= lowest
            bit = _BIT_OF[(lowest * _DE_BRUIJN & _WORD_MASK) >> 58]
            at = self._foreign_of[base + bit] * 4
            hour = zone_hours[self._foreign_masks[at + 3]]
            if not 0 <= hour < 168 or not self._foreign_masks[at + (hour >> 6)] & _POWER[hour & 63]:
                word ^= lowest
        return word

    def criteria(self, slot: int) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...],
                                           tuple[int, str]]:
        """(verticals, states, area codes, hours) of a slot as they stand, each sorted."""
        block = self._blocks[slot >> BLOCK_BITS]
        bit = slot & _SLOT_MASK
        found: dict[str, list[str | int]] = {"vertical": [], "state": [], "code": []}
        for offset, (dimension, value) in enumerate(self._names):
            if block.has(FIRST_VALUE_ROW + offset, bit):
                found[dimension].append(value)
        return (
            tuple(sorted(str(value) for value in found["vertical"])),
            tuple(sorted(str(value) for value in found["state"])),
            tuple(sorted(int(value) for value in found["code"])),
            self._hours(block, slot),
        )

    def snapshot(self) -> IndexSnapshot:
        """A copy of everything."""
        return IndexSnapshot(
            tuple(self.zones), tuple(self._names),
            tuple([bytes(block.bits) for block in self._blocks]),
            bytes(self._foreign_of), bytes(self._foreign_masks), tuple(self._foreign_free),
        )

    def restore(self, held: IndexSnapshot) -> None:
        """Become what a snapshot held; the index must be new."""
        assert not self._blocks
        self.zones = list(held.zones)
        tables = {"vertical": self._verticals, "state": self._states, "code": self._codes}
        for dimension, value in held.names:
            self._row(dimension, tables[dimension], value)
        for data in held.blocks:
            block = Block()
            block.bits = array("Q", data)
            block.rows = len(data) // (BLOCK_WORDS * 8)
            self._blocks.append(block)
        self._foreign_of = array("i", held.foreign_of)
        self._foreign_masks = array("Q", held.foreign_masks)
        self._foreign_free = list(held.foreign_free)

    def _row(self, dimension: str, table: dict[str | int, int], value: str | int) -> int:
        row = table.get(value)
        if row is None:
            row = FIRST_VALUE_ROW + len(self._names)
            table[value] = row
            self._names.append((dimension, value))
        return row

    def _insert_hours(self, block: Block, slot: int, terms: BidTerms) -> None:
        mask, zone = terms.hours
        bit = slot & _SLOT_MASK
        if mask and zone == CALLER_ZONE:
            for hour in range(HOURS_PER_WEEK):
                if mask >> hour & 1:
                    block.put(hour, bit)
            return
        block.put(ANY_HOUR, bit)
        if mask:
            block.put(FOREIGN, bit)
            self._foreign_of[slot] = self._foreign_entry(mask, zone)

    def _foreign_entry(self, mask: int, zone: str) -> int:
        if zone not in self.zones:
            self.zones.append(zone)
        words = [mask & _WORD_MASK, mask >> 64 & _WORD_MASK, mask >> 128, self.zones.index(zone)]
        if not self._foreign_free:
            held = len(self._foreign_masks) // FOREIGN_WORDS
            grown = max(16, held // 8)
            fresh = array("Q", bytes(self._foreign_masks))
            fresh.frombytes(bytes(grown * FOREIGN_WORDS * 8))
            self._foreign_masks = fresh
            self._foreign_free.extend(range(held + grown - 1, held - 1, -1))
        entry = self._foreign_free.pop()
        for offset, word in enumerate(words):
            self._foreign_masks[entry * FOREIGN_WORDS + offset] = word
        return entry

    def _hours(self, block: Block, slot: int) -> tuple[int, str]:
        entry = self._foreign_of[slot] * FOREIGN_WORDS
        if entry >= 0:
            low, middle, high, zone = (int(self._foreign_masks[entry + i]) for i in range(4))
            return low | middle << 64 | high << 128, self.zones[zone]
        bit = slot & _SLOT_MASK
        mask = sum(1 << hour for hour in range(HOURS_PER_WEEK) if block.has(hour, bit))
        assert mask <= ALL_HOURS
        return mask, CALLER_ZONE


def _room(name: str, held: dict[str | int, int], values: tuple[str, ...], most: int) -> None:
    fresh = sum(value not in held for value in set(values))
    if len(held) + fresh > most:
        raise CommandRefused("book_values_full", f"the bids already name {most} {name}")


# C twins of the constants above: those that a .pxd types vanish from the module.
_BLOCK_WORDS = BLOCK_WORDS
_SLOT_MASK = (1 << BLOCK_BITS) - 1
_ANY_HOUR = ANY_HOUR
_ANY_VERTICAL = ANY_VERTICAL
_ANY_STATE = ANY_STATE
_ANY_CODE = ANY_CODE
_FOREIGN = FOREIGN
_POWER = array("Q", [1 << bit for bit in range(64)])
