"""Longest-prefix look-up of digits: what a trunk may dial, later what a call costs.

```
"1"   → 0        node 0 ─1─► node 1 (value 0) ─2─► node 2 ─1─► node 3 ─2─► node 4 (value 1)
"1212" → 1       cell = node · 10 + digit holds the next node, 0 where there is none
```
A trie in two flat arrays: ten cells a node, one value a node.
"""

from array import array

from vocabulary import limits

NODES_MAX = 16 * limits.plan_objects_max
DIGITS = 10


class PrefixTable:
    """Digit prefix → small integer; the longest stored prefix of a number wins."""

    __slots__ = ("_cells", "_values", "entries")

    def __init__(self) -> None:
        self._cells = array("i", [0] * DIGITS)
        self._values = array("i", [-1])
        self.entries = 0

    def insert(self, prefix: str, value: int) -> None:
        """Store a prefix of digits ("" is every number). value: 0 or more; a later one replaces.

        Raises ValueError for anything but digits.
        """
        assert value >= 0
        if prefix and not (prefix.isascii() and prefix.isdigit()):
            raise ValueError(f"a prefix is digits only, got {prefix!r}")
        node = 0
        for character in prefix:
            cell = node * DIGITS + ord(character) - 48
            if not self._cells[cell]:
                assert len(self._values) < NODES_MAX, "the plan's bounds keep the trie below this"
                self._cells[cell] = len(self._values)
                self._values.append(-1)
                self._cells.extend([0] * DIGITS)
            node = self._cells[cell]
        self.entries += self._values[node] < 0
        self._values[node] = value

    def longest(self, number: str) -> int:
        """Value of the longest stored prefix of a number (leading '+' ignored), −1 if none."""
        cells = self._cells
        values = self._values
        best = values[0]
        node = 0
        start = 1 if number[:1] == "+" else 0
        for position in range(start, len(number)):
            digit = ord(number[position]) - 48
            if digit < 0 or digit > 9:
                break
            node = cells[node * 10 + digit]
            if node == 0:
                break
            if values[node] >= 0:
                best = values[node]
        return best
