"""The record in PostgreSQL beside what the phones saw: rows by Call-ID, money by account.

The Call-ID lies sealed in the row and is opened with the installation's own key: no other value
of the row ties it to one placed call.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.sealing import read_keys
from storage.session import open_session
from tests.bench.mix import PUBLISHER, Kind
from tests.bench.seen import Due, Seen, charges, due

_CALLS = """
SELECT disposition::text AS disposition, refused, coalesce(buyer, '') AS buyer, qualified,
       revenue_micros, payout_micros, personal, recovered FROM calls
"""
_TOTAL = "SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_entries"
_UNEVEN = """
SELECT count(*) FROM (
    SELECT FROM ledger_entries GROUP BY source_id, kind HAVING sum(amount_micros) <> 0) AS uneven
"""
_ACCOUNTS = """
SELECT account::text AS account, owner, sum(amount_micros)::bigint AS micros
FROM ledger_entries GROUP BY account, owner
"""
_LEGS = "SELECT target, count(*) AS legs FROM attempts GROUP BY target"
_REJECTED = "SELECT count(*) FROM rejected_facts"
_CALL_ID = 3  # among the five sealed strings
_SHOWN = 3


@dataclass(frozen=True)
class Books:
    """Everything compared, out of PostgreSQL at one moment. Money in micro-units."""

    rows: Sequence[tuple[str, Due]]  # Call-ID and what its row says
    recovered: int
    total_micros: int
    uneven: int  # settlements whose lines do not sum to 0
    charged: Mapping[str, int]  # by buyer
    owed_micros: int  # to the publisher
    legs: Mapping[str, int]  # by target
    rejected: int


def read_books(dsn: str, keys_dir: Path) -> Books:
    """Read it all. AssertionError where a row does not open."""
    return asyncio.run(_read(dsn, keys_dir))


async def _read(dsn: str, keys_dir: Path) -> Books:
    session = await open_session(dsn, name="bench")
    try:
        calls = await session.fetch(_CALLS)
        accounts = await session.fetch(_ACCOUNTS)
        charged = {row["owner"]: row["micros"] for row in accounts if row["account"] == "buyer"}
        owed = sum(-row["micros"] for row in accounts
                   if (row["account"], row["owner"]) == ("publisher_pending", PUBLISHER))
        legs = {row["target"]: row["legs"] for row in await session.fetch(_LEGS)}
        return Books(_opened(calls, keys_dir), sum(row["recovered"] for row in calls),
                     await session.fetchval(_TOTAL), await session.fetchval(_UNEVEN),
                     charged, owed, legs, await session.fetchval(_REJECTED))
    finally:
        await session.close()


def _opened(rows: Sequence[Any], keys_dir: Path) -> list[tuple[str, Due]]:
    keys = read_keys(keys_dir)
    assert keys is not None, f"no key in {keys_dir}"
    found = []
    for row in rows:
        plain = keys.open(row["personal"])
        assert plain is not None, "a row's personal fields do not open"
        found.append((plain[_CALL_ID], Due(
            row["disposition"], row["refused"], row["buyer"], row["qualified"],
            row["revenue_micros"], row["payout_micros"])))
    return found


@dataclass(frozen=True)
class Verdict:
    """Differences between phones and record; all 0 and empty when they agree."""

    missing: int  # placed calls without a row
    twice: int  # rows beyond the first of a placed call
    strange: int  # rows of no placed call
    wrong: Sequence[str]  # calls whose row says something else than the phones
    charges: Sequence[str]  # accounts whose sum differs
    unsure: int  # calls that proved nothing about their charge

    @property
    def unrecorded(self) -> int:
        """Calls without exactly one row, and rows without a call."""
        return self.missing + self.twice + self.strange


def compare(kinds: Sequence[Kind], calls: Sequence[Seen], books: Books) -> Verdict:
    """Hold every row against its call, and every account against the sum of its calls."""
    placed = {seen.call_id: seen for seen in calls}
    counts = Counter(call_id for call_id, _ in books.rows)
    wrong = [f"{placed[call_id].kind.name}: {row}" for call_id, row in books.rows
             if call_id in placed and row != due(kinds, placed[call_id])]
    return Verdict(
        missing=len(placed.keys() - counts.keys()),
        twice=sum(counts.values()) - len(counts),
        strange=len(counts.keys() - placed.keys()),
        wrong=wrong, charges=_account_differences(kinds, calls, books),
        unsure=sum(seen.unsure for seen in calls))


def _account_differences(kinds: Sequence[Kind], calls: Sequence[Seen],
                         books: Books) -> list[str]:
    expected = charges(kinds, calls)
    found = [f"{buyer}: charged {books.charged.get(buyer, 0)}, phones say {micros}"
             for buyer, micros in expected.items() if books.charged.get(buyer, 0) != micros]
    found += [f"{buyer}: no such buyer" for buyer in books.charged.keys() - expected.keys()]
    owed = sum(due(kinds, seen).payout_micros for seen in calls)
    if owed != books.owed_micros:
        found.append(f"publisher: owed {books.owed_micros}, phones say {owed}")
    return found


def shown(differences: Sequence[str]) -> str:
    """The first few, for people."""
    more = len(differences) - _SHOWN
    return "; ".join(differences[:_SHOWN]) + (f"; {more} more" if more > 0 else "")
