"""Compiled plans on disk: NNNNNN.plan, NNNNNN.bids, NNNNNN.book, and `current`, which names one.

The api process writes the plans, the signal worker reads them: at a swap, and at its start.
`current` is the worker's: it names a plan once the swap is durable, whoever still waits for it.
A book file is the fingerprint of the bids beside it; a start that has them reads no more.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from auction.bid import BidTerms, encode_terms, fingerprint
from dce.folders import write_durably
from routing.plan_file import PlanFile, StandingBid, decode_bids, decode_plan, digest

CURRENT_NAME = "current"
IN_DOUBT = "plan_in_doubt"  # code of a refusal after which the plan may be in force all the same


def plan_path(plans_dir: Path, version: int) -> Path:
    """Compiled plan of a version."""
    return plans_dir / f"{version:06d}.plan"


def bids_path(plans_dir: Path, version: int) -> Path:
    """Standing bids that came with a version."""
    return plans_dir / f"{version:06d}.bids"


def book_path(plans_dir: Path, version: int) -> Path:
    """Fingerprint of those bids."""
    return plans_dir / f"{version:06d}.book"


def write_book(plans_dir: Path, version: int, bids: Iterable[StandingBid]) -> None:
    """Keep the fingerprint of a version's bids. Durable on return."""
    mark = fingerprint({bid.bid_id: encode_terms(terms_of(bid)) for bid in bids})
    write_durably(book_path(plans_dir, version), mark)


def read_book(plans_dir: Path, version: int) -> bytes:
    """That fingerprint, b"" if it was not kept."""
    try:
        return book_path(plans_dir, version).read_bytes()
    except FileNotFoundError:
        return b""


def write_current(plans_dir: Path, version: int) -> None:
    """Name the plan that the next start takes. Durable on return."""
    write_durably(plans_dir / CURRENT_NAME, f"{version}\n".encode())


def read_current(plans_dir: Path) -> int:
    """Version of the plan in force, 0 if there never was one. Raises ValueError on other text."""
    try:
        return int((plans_dir / CURRENT_NAME).read_text())
    except FileNotFoundError:
        return 0


def read_plan(path: Path) -> tuple[PlanFile, bytes]:
    """A compiled plan and its digest. Raises PlanRefused for a damaged file, OSError."""
    data = path.read_bytes()
    return decode_plan(data), digest(data)


def read_bids(path: Path) -> Iterator[list[BidTerms]]:
    """The bids of a file in chunks. Raises PlanRefused for a damaged file, OSError."""
    for chunk in decode_bids(path.read_bytes()):
        yield [terms_of(bid) for bid in chunk]


def terms_of(bid: StandingBid) -> BidTerms:
    """A plan's bid as the book takes it."""
    return BidTerms(
        bid.bid_id, bid.buyer, bid.target, bid.amount_micros, bid.per, bid.currency,
        bid.states, bid.area_codes, bid.hours, bid.verticals, bid.attestation,
        bid.budget_micros, bid.expires_s, bid.quality_ppm, bid.active,
    )
