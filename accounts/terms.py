"""Terms of one call, frozen when its auction clears (exchange rules 15, 28, 31)."""

from enum import IntEnum

from msgspec import Struct

NS_PER_S = 1_000_000_000


class PayoutKind(IntEnum):
    """How a publisher is paid for a qualified call."""

    NONE = 0
    FIXED = 1
    SHARE = 2


class Terms(Struct, frozen=True, gc=False, array_like=True):
    """When a buyer pays and what the publisher gets.

    qualify_ns: connected time from which the buyer is charged. payout_micros: the fixed amount.
    payout_basis_points: share of revenue. payout_qualify_ns: the publisher's own threshold.
    """

    qualify_ns: int
    payout_kind: PayoutKind
    payout_micros: int
    payout_basis_points: int
    payout_qualify_ns: int

    def packed(self) -> tuple[int, int, int, int, int]:
        """The five integers a fact carries."""
        return (
            self.qualify_ns,
            int(self.payout_kind),
            self.payout_micros,
            self.payout_basis_points,
            self.payout_qualify_ns,
        )


def unpack_terms(packed: tuple[int, int, int, int, int]) -> Terms:
    """Terms of the five integers of a fact."""
    return Terms(packed[0], PayoutKind(packed[1]), packed[2], packed[3], packed[4])
