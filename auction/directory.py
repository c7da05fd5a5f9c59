# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Bid id → slot, by open addressing over the hashes that the book keeps anyway.

```
 table: ─┬─ −1 free ─┬─ slot ─┬─ −2 freed ─┬─ slot ─┬─ …     2^k entries, at most half of them used
         └───────────┴── probe: hash & (2^k − 1), then the next one, until a free entry ──►
```
Eight bytes a bid, where a dict with its integers takes eighty.
"""

from array import array

from auction.score import bid_hash

_FREE = -1
_FREED = -2


class Directory:
    """Ids and hashes by slot, and the table that finds them. The hash of an id is bid_hash."""

    __slots__ = ("_table", "_used", "count", "hashes", "ids")

    def __init__(self) -> None:
        self.count = 0  # ids in the directory
        self.ids: list[str | None] = []
        self.hashes = array("Q")
        self._used = 0  # entries of the table that are not free, freed ones included
        self._table = array("i", [_FREE]) * 64

    def reserve(self, slots: int) -> None:
        """Make room for slots 0..slots − 1."""
        fresh = array("Q", bytes(self.hashes))
        fresh.frombytes(bytes((slots - len(self.ids)) * 8))
        self.hashes = fresh
        self.ids.extend([None] * (slots - len(self.ids)))

    def find(self, bid_id: str) -> int:
        """Slot of an id, −1 if it is not here."""
        wanted = bid_hash(bid_id)
        last = len(self._table) - 1
        entry = wanted & last
        while self._table[entry] != -1:
            slot = self._table[entry]
            if slot >= 0 and self.hashes[slot] == wanted and self.ids[slot] == bid_id:
                return slot
            entry = (entry + 1) & last
        return -1

    def add(self, bid_id: str, slot: int) -> None:
        """Enter an id that is not here under a reserved slot."""
        assert self.ids[slot] is None
        self.ids[slot] = bid_id
        self.hashes[slot] = bid_hash(bid_id)
        self.count += 1
        self._used += 1
        if self._used * 2 > len(self._table):
            self._rebuild()
        else:
            self._enter(slot)

    def drop(self, slot: int) -> None:
        """Forget the id of a slot; its entry stays as a stepping stone until the next rebuild."""
        last = len(self._table) - 1
        entry = self.hashes[slot] & last
        while self._table[entry] != slot:
            entry = (entry + 1) & last
        self._table[entry] = _FREED
        self.ids[slot] = None
        self.count -= 1

    def load(self, ids: "list[str | None]") -> None:
        """Hold exactly these ids, by slot."""
        self.ids = ids
        self.hashes = array("Q", [bid_hash(bid_id) if bid_id else 0 for bid_id in ids])
        self.count = sum(bid_id is not None for bid_id in ids)
        self._rebuild()

    def _enter(self, slot: int) -> None:
        last = len(self._table) - 1
        entry = self.hashes[slot] & last
        while self._table[entry] != -1:
            entry = (entry + 1) & last
        self._table[entry] = slot

    def _rebuild(self) -> None:
        size = 64
        while size < self.count * 3:
            size *= 2
        self._table = array("i", [_FREE]) * size
        self._used = self.count
        for slot in range(len(self.ids)):
            if self.ids[slot] is not None:
                self._enter(slot)
