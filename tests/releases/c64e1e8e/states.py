"""What a checkpoint holds, as of commit 64e1e8e; frozen, to read what later versions write."""

from msgspec import Struct

from tests.releases.c64e1e8e.facts import Attempt, CapUse, LadderEntry


class OpenCall(Struct, array_like=True):
    """A routed call that has not been closed yet."""

    at_ns: int
    wall_ns: int
    trunk: str
    publisher: str
    campaign: str
    number: str
    subject: bytes
    personal: bytes
    currency: str
    terms: tuple[int, int, int, int, int]
    ladder: tuple[LadderEntry, ...]
    attempts: tuple[Attempt, ...] = ()
    answered: Attempt | None = None
    answered_ns: int = 0
    answered_seq: int = 0
    caps: tuple[CapUse, ...] = ()
    sent: bool = False
    connected_max_ns: int = -1


class StandingBid(Struct, array_like=True):
    """A bid as the book must come back."""

    terms: bytes = b""
    spent_micros: int = 0
    last_won_ns: int = 0
    removed: bool = False


class ReplayState(Struct, array_like=True):
    """All that a checkpoint held."""

    seq: int = 0
    at_ns: int = 0
    offset_ns: int = 0
    epoch: int = 0
    plan_version: int = 0
    beat_seq: int = 0
    beat_at_ns: int = 0
    balances: dict[str, int] = {}
    pending: dict[str, int] = {}
    bids: dict[str, StandingBid] = {}
    caps: dict[str, int] = {}
    open: dict[bytes, OpenCall] = {}
    top_ups: dict[str, tuple[bytes, str, int]] = {}
