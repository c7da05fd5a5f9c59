"""Batches: what is copied twice changes nothing, what is refused stops nothing."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from storage.copying import open_copier
from storage.fact_types import FACT_TYPES
from storage.segment import Entry
from storage.session import open_session
from tests.storage.facts_of_calls import call_id, encode, facts_of_call
from vocabulary.facts import AnswerSent, CallClosed

FACTS = 3_000
COUNTS = "SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM facts"


@pytest.fixture
async def session(database_dsn: str) -> AsyncIterator[Any]:
    found = await open_session(database_dsn, name="test", projection=True)
    yield found
    await found.close()


def answers(bad: set[int]) -> list[Entry]:
    """Small facts by sequence, those in bad with bytes that are no fact."""
    return [
        Entry(seq, 1, FACT_TYPES[CallClosed], b"\x91\xa5bogus", 0, 0) if seq in bad
        else Entry(seq, 1, FACT_TYPES[AnswerSent], encode(AnswerSent(seq, call_id(seq))), 0, 0)
        for seq in range(1, FACTS + 1)
    ]


async def test_bad_facts_are_found_in_a_large_batch(session: Any, seed: int) -> None:
    bad = set(random.Random(seed).sample(range(1, FACTS + 1), 5)) | {1, FACTS}
    copier = await open_copier(session, 0, "test", lock_wait_s=0)
    await copier.copy(answers(bad))
    assert (copier.cursor, copier.facts_rejected) == (FACTS, len(bad))
    assert copier.rows_copied == FACTS - len(bad)
    kept = await session.fetch("SELECT seq, error FROM rejected_facts ORDER BY seq")
    assert [row["seq"] for row in kept] == sorted(bad)
    assert all(row["error"] for row in kept)
    known = sorted(set(range(1, FACTS + 1)) - bad)
    row = await session.fetchrow(COUNTS)
    assert tuple(row) == (len(known), len(known), known[0], known[-1])


async def test_a_batch_that_comes_twice_changes_nothing(session: Any) -> None:
    copier = await open_copier(session, 0, "test", lock_wait_s=0)
    batch = [
        Entry(seq, 1, FACT_TYPES[type(fact)], encode(fact), 0, 0)
        for seq, fact in enumerate([f for n in range(9) for f in facts_of_call(n)], 1)
    ]
    await copier.copy(batch)
    before = await session.fetch("SELECT to_jsonb(b)::text FROM bids AS b ORDER BY 1")
    copier.cursor = 0
    await session.execute("UPDATE record_cursors SET seq = 0")
    await copier.copy(batch)
    assert (copier.batches_staged, copier.facts_rejected) == (1, 0)
    assert await session.fetch("SELECT to_jsonb(b)::text FROM bids AS b ORDER BY 1") == before
