"""Layout of one bid in the book: eight signed 64-bit words, one cache line.

```
word  0 AMOUNT   1 SCORE   2 EXPIRES   3 BUDGET   4 SPENT   5 LAST_WON   6 PARTY   7 META
      micros     b·g       Unix s      micros     micros    order        │          │
                                                     buyer slot << 32 | target slot  │
          quality_ppm << 32 | active << 27 | attestation << 24 | currency << 16 | basis << 8
          | fault (ordinal of the reason why no auction may take it, 0 none) ────────┘
```
A clearing run touches every matched bid once, at random places of the book: one line a bid
instead of one line a column. EXPIRES and BUDGET hold NEVER where the bid has none, so that a
comparison needs no second test.
"""

AMOUNT = 0
SCORE = 1
EXPIRES = 2
BUDGET = 3
SPENT = 4
LAST_WON = 5
PARTY = 6
META = 7
WORDS = 8

NEVER = 2**62

FAULT_MASK = 0xFF
BASIS_SHIFT = 8
CURRENCY_SHIFT = 16
ATTESTATION_SHIFT = 24
ACTIVE_SHIFT = 27
QUALITY_SHIFT = 32

BUYER_SHIFT = 32
TARGET_MASK = 0xFFFF_FFFF
