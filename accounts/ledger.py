"""Double entry: the lines of every fact sum to zero; debit is positive, credit negative.

```
top-up      bank +a            buyer −a              money came in, we owe it to the buyer
charge      buyer +r           revenue −r            the buyer used it
payout      payout_cost +p     publisher_pending −p  we owe the publisher
```
A buyer's balance is what we owe it: −Σ of its lines.
"""

from collections.abc import Iterable

from vocabulary.errors import LocalProtocolError
from vocabulary.facts import LedgerAccount, Posting


def top_up_postings(buyer: str, amount_micros: int) -> tuple[Posting, ...]:
    """Lines of money received for a buyer. amount_micros > 0."""
    assert amount_micros > 0
    return (
        Posting(LedgerAccount.BANK, "", amount_micros),
        Posting(LedgerAccount.BUYER, buyer, -amount_micros),
    )


def call_postings(
    buyer: str, revenue_micros: int, publisher: str, payout_micros: int
) -> tuple[Posting, ...]:
    """Lines of a settled call; a zero amount makes no lines."""
    assert revenue_micros >= 0
    assert payout_micros >= 0
    lines: list[Posting] = []
    if revenue_micros:
        lines.append(Posting(LedgerAccount.BUYER, buyer, revenue_micros))
        lines.append(Posting(LedgerAccount.REVENUE, "", -revenue_micros))
    if payout_micros:
        lines.append(Posting(LedgerAccount.PAYOUT_COST, "", payout_micros))
        lines.append(Posting(LedgerAccount.PUBLISHER_PENDING, publisher, -payout_micros))
    return tuple(lines)


def check_postings(postings: Iterable[Posting]) -> None:
    """Raise LocalProtocolError unless the lines sum to zero."""
    total = 0
    for line in postings:
        total += line.amount_micros
    if total:
        raise LocalProtocolError(f"postings sum to {total} micros, expected 0")
