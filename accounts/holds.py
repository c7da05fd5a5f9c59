# cython: boundscheck=False
"""Balances and holds of all buyers, as columns by buyer slot (exchange rules 13 and 27).

```
slot        0      1      2   …
balance     b0     b1     b2       what we owe the buyer, may be negative up to its credit
held        h0     h1     h2       Σ of its open holds
credit      c0     c1     c2       credit limit of the plan in force
available   b+c−h                  kept up to date; the auction reads this column only
```
A hold is a reservation, not a posting: granted iff available ≥ amount. The invariant
held ≥ 0 is asserted on both sides of every change.
"""

from array import array

from vocabulary import limits
from vocabulary.errors import LocalProtocolError

MICROS_MAX = limits.money_micros_max


class Balances:
    """Mutable money of one worker; owned by the desk, keyed by stable buyer slots."""

    __slots__ = ("available", "balance", "credit", "held", "holds_live", "pending")

    def __init__(self) -> None:
        self.balance = array("q")
        self.held = array("q")
        self.credit = array("q")
        self.available = array("q")
        self.pending: dict[str, int] = {}  # publisher id → payout owed, micros
        self.holds_live = 0

    def grow(self, slots: int) -> None:
        """Make room for buyer slots 0 … slots − 1; new ones hold nothing."""
        missing = slots - len(self.balance)
        if missing > 0:
            zeros = array("q", bytes(8 * missing))
            self.balance.extend(zeros)
            self.held.extend(zeros)
            self.credit.extend(zeros)
            self.available.extend(zeros)

    def set_credit(self, slot: int, credit_micros: int) -> None:
        """A new plan's credit limit; may leave available below zero, then nothing is granted."""
        assert 0 <= credit_micros <= MICROS_MAX
        self.available[slot] += credit_micros - self.credit[slot]
        self.credit[slot] = credit_micros

    def hold(self, slot: int, amount_micros: int) -> bool:
        """Reserve an amount; False and no change if available is smaller."""
        assert amount_micros >= 0
        if self.available[slot] < amount_micros:
            return False
        self.available[slot] -= amount_micros
        self.held[slot] += amount_micros
        self.holds_live += 1
        return True

    def release(self, slot: int, amount_micros: int) -> None:
        """Give a hold back whole. Once for each hold: the caller's call sees to that."""
        if self.held[slot] < amount_micros or self.holds_live < 1:
            raise LocalProtocolError(f"release of {amount_micros} micros that are not held")
        self.held[slot] -= amount_micros
        self.available[slot] += amount_micros
        self.holds_live -= 1

    def commit(self, slot: int, held_micros: int, charge_micros: int) -> None:
        """End a hold with a charge of at most what was held."""
        if not 0 <= charge_micros <= held_micros:
            raise LocalProtocolError(f"charge {charge_micros} above hold {held_micros}")
        self.release(slot, held_micros)
        self.credit_balance(slot, -charge_micros)

    def credit_balance(self, slot: int, amount_micros: int) -> None:
        """Add to a balance (top-up: positive). Raises LocalProtocolError past the bound."""
        after = self.balance[slot] + amount_micros
        if not -MICROS_MAX <= after <= MICROS_MAX:
            raise LocalProtocolError(f"balance {after} micros out of bounds")
        self.balance[slot] = after
        self.available[slot] += amount_micros

    def owe_publisher(self, publisher: str, payout_micros: int) -> None:
        """Add to a publisher's pending payout."""
        self.pending[publisher] = self.pending.get(publisher, 0) + payout_micros
