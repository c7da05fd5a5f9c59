"""Layout of one bid in the book: eight signed 64-bit words, one cache line.

```
word  0 AMOUNT   1 SCORE   2 EXPIRES   3 LEFT            4 PARTY   5 META   6 SPENT  7 LAST_WON
      micros     b·g       Unix s      budget − spent,     │         │      micros   order
                                       micros              │         │
                             buyer slot << 31 | target slot          │
      quality_ppm << 32 | active << 27 | attestation << 24 | currency << 16 | basis << 8
      | fault (ordinal of the reason why no auction may take it, 0 none) ─────────────┘
```
A clearing run touches every matched bid once, at random places of the book: one line a bid
instead of one line a column. The six words it reads come first, because a large array starts 16
bytes into its page, so that these six share a line. EXPIRES and LEFT hold NEVER where the bid
has no expiry or no budget, so that a comparison needs no second test.
"""

from array import array

AMOUNT = 0
SCORE = 1
EXPIRES = 2
LEFT = 3
PARTY = 4
META = 5
SPENT = 6
LAST_WON = 7
WORDS = 8

NEVER = 2**62

FAULT_MASK = 0xFF
BASIS_SHIFT = 8
CURRENCY_SHIFT = 16
ATTESTATION_SHIFT = 24
ACTIVE_SHIFT = 27
QUALITY_SHIFT = 32

BUYER_SHIFT = 31  # with a mask of 31 bits: the compiler keeps such a literal in C
TARGET_MASK = 0x7FFF_FFFF


def grown(held: "array[int]", kind: str, length: int) -> "array[int]":
    """A longer copy, zeros behind: never in place, since a compiled reader may hold a view."""
    fresh = array(kind, bytes(held))
    fresh.frombytes(bytes((length - len(held)) * fresh.itemsize))
    return fresh
