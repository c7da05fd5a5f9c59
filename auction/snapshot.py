"""The book as plain values, for checkpoints: memory as it is, copied, encoded elsewhere.

Copying costs the desk a few ms per 100,000 bids; msgspec encodes the structs off the loop.
layout names the meaning of the bytes (auction.columns, auction.index, byte order): a checkpoint
of another layout is refused, and the book comes from the journal.
"""

import sys

from msgspec import Struct

LAYOUT = f"1-{sys.byteorder}"


class IndexSnapshot(Struct, frozen=True, gc=False, array_like=True):
    """Bitmaps by block, the names of the rows, and the hours of bids in other zones."""

    zones: tuple[str, ...]
    names: tuple[tuple[str, str | int], ...]
    blocks: tuple[bytes, ...]
    foreign_of: bytes
    foreign_masks: bytes
    foreign_free: tuple[int, ...]


class BookSnapshot(Struct, frozen=True, gc=False, array_like=True):
    """A book at journal sequence seq. ids: by slot, "" where the slot is free."""

    layout: str
    seq: int
    currency: str
    basis: str
    currencies: tuple[str, ...]
    bases: tuple[str, ...]
    ids: tuple[str, ...]
    free: tuple[int, ...]
    words: bytes
    digests: bytes
    past: dict[str, tuple[int, int, int]]
    index: IndexSnapshot
