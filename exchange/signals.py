"""What the desk hears from outside the calls: disk, clock, addresses and plans. Values only."""

from typing import Any

from msgspec import Struct

from sip.signals import Flow


class Durable(Struct, frozen=True, gc=False):
    """Every fact up to and including seq is on disk."""

    seq: int


class JournalFailed(Struct, frozen=True, gc=False):
    """Nothing new may be acknowledged; calls that wait for the disk get 500, new ones 503.

    What is emitted from here on, the ends of live calls, may still be kept."""

    reason: str


class JournalFull(Struct, frozen=True, gc=False):
    """The journal's disk is full and its reserve is in use, or not there: room for the ends of
    live calls only, so new calls get 503. reason "": there is a reserve again."""

    reason: str


class ClockChanged(Struct, frozen=True, gc=False):
    """Wall time is now_ns + offset_ns; sent on a change over 1 ms."""

    offset_ns: int


class AddressesChanged(Struct, frozen=True):
    """A gateway's host was resolved anew. flows is empty when it cannot be resolved.

    gateway: (transport, host, port) as the plan names it.
    """

    gateway: tuple[str, str, int]
    flows: tuple[Flow, ...]


class SwapPlan(Struct, frozen=True):
    """Route calls by this plan from now on.

    plan: routing.plan.Plan. bids: auction.bid.BidTerms of every standing bid the plan names;
    what differs from the book is journaled as deltas; None: PutBids and RemoveBids carry them.
    digest: of the plan file.
    """

    plan: Any
    bids: tuple[Any, ...] | None
    digest: bytes


class CheckBids(Struct, frozen=True):
    """Whether the book could hold these bids; nothing changes."""

    bids: tuple[Any, ...]


class PutBids(Struct, frozen=True):
    """Place bids, a slice of a plan's; those that stand already stay as they are."""

    bids: tuple[Any, ...]


class RemoveBids(Struct, frozen=True):
    """Withdraw standing bids, a slice of those a plan dropped."""

    bid_ids: tuple[str, ...]


class StopAdmission(Struct, frozen=True, gc=False):
    """Take no new calls (drain); running calls go on."""


class EndCalls(Struct, frozen=True, gc=False):
    """The drain is over: end the oldest calls, at most `most`. Answered with how many live on."""

    most: int


class Beat(Struct, frozen=True, gc=False):
    """One second passed: emit the heartbeat that stands for all live calls."""
