"""In which order the book held its bids: what the reason vectors of auctions are indexed by.

A vector has one ordinal per candidate in the order of the book's slots. Slots change only when
the book does, so the worker writes the ids once per change, and the record names candidates from
them: plans/order-SEQ.ids, one id a line, SEQ being the book's sequence from which it holds.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from dce.folders import write_durably

NAME = re.compile(r"order-(\d{20})\.ids")
FILES_KEPT = 50


def write_order(plans_dir: Path, book_seq: int, ids: Iterable[str]) -> None:
    """Keep the order from a sequence on; the oldest files go."""
    text = "\n".join(ids)
    write_durably(plans_dir / f"order-{book_seq:020d}.ids", text.encode())
    for _, path in sorted(_files(plans_dir))[:-FILES_KEPT]:
        path.unlink(missing_ok=True)


def read_order(plans_dir: Path, book_seq: int) -> list[str] | None:
    """Ids in the order that held at a sequence; None if that was not kept."""
    held = [(seq, path) for seq, path in _files(plans_dir) if seq <= book_seq]
    if not held:
        return None
    try:
        text = max(held)[1].read_text()
    except FileNotFoundError:
        return None
    return text.split("\n") if text else []


def _files(plans_dir: Path) -> list[tuple[int, Path]]:
    return [
        (int(match[1]), path)
        for path in plans_dir.glob("order-*.ids")
        if (match := NAME.fullmatch(path.name))
    ]
