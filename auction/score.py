"""Rank of a bid: score b·g, then least recently won, then a keyed hash (exchange rules 7, 8)."""

from vocabulary.ids import keyed_hash

_WORD = 0xFFFF_FFFF_FFFF_FFFF
_FIRST = 0xBF58_476D_1CE4_E5B9
_SECOND = 0x94D0_49BB_1331_11EB


def score_of(amount_micros: int, quality_ppm: int) -> int:
    """s = b·g. Bounded by limits.score_max: the caller has checked both factors."""
    return amount_micros * quality_ppm


def auction_key(auction_id: bytes) -> int:
    """63 bits of an auction's id, the key of its ties: the end of a UUIDv7 is a keyed hash."""
    return int.from_bytes(auction_id[8:], "big") >> 1


def bid_hash(bid_id: str) -> int:
    """63 bits of a bid's id; kept in the book so that a tie costs no digest."""
    return keyed_hash(b"auction.bid", bid_id.encode())


def tie_hash(key: int, bid: int) -> int:
    """64 bits that depend on auction and bid only; the lower one ranks first.

    key: auction_key; bid: bid_hash. The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a
    bijection, so equal only for equal bids, and nobody can prepare it without the auction's id.
    """
    word = key ^ bid
    word = (word ^ (word >> 30)) * _FIRST & _WORD
    word = (word ^ (word >> 27)) * _SECOND & _WORD
    return word ^ (word >> 31)
