"""What the demo shows after its calls: one of them in full, then the books."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dce.demo_calls import SHOWN
from dce.demo_stage import CALLER_NAME, Played, Stage
from dce.demo_text import (
    Books,
    Paint,
    book_lines,
    decision_lines,
    heading,
    posting_lines,
    record_lines,
)
from dce.demo_trace import draw_ladder


def call_in_full(stage: Stage, played: Sequence[Played], paint: Paint) -> Iterator[str]:
    """Ladder, decision, record and postings of the call that the demo shows."""
    shown = next(each for each in played if each.planned.title == SHOWN)
    yield heading(f"one call in full: {SHOWN}", paint)
    buyers = list(shown.planned.manners)
    names = ["caller", "exchange", *(name.removesuffix("-desk") for name in buyers)]
    seen = stage.trace.of_caller(shown.planned.call.caller)
    yield from draw_ladder(seen, CALLER_NAME, buyers, names)
    if shown.record is None:
        return
    yield heading("why it went there", paint)
    yield from decision_lines(shown.record, stage.plan, paint)
    yield heading("its record", paint)
    yield from record_lines(shown.record)
    yield heading("its postings in PostgreSQL: debit +, credit -", paint)
    yield from posting_lines(shown.record["postings"])


def books_in_full(
    accounts: Sequence[Mapping[str, Any]], books: Books, paint: Paint
) -> Iterator[str]:
    """Balances beside postings, and the sum of all postings."""
    yield heading("the books after all calls", paint)
    yield from book_lines(accounts, books, paint)
