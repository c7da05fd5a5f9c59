"""Start of a signal worker: newest checkpoint, then the tail of the journal (architecture §2)."""

import logging
from collections.abc import Callable
from pathlib import Path

from msgspec import MsgspecError

from auction.bid import BidTerms
from exchange.desk import Desk
from exchange.recover import Replay
from exchange.signals import SwapPlan
from routing.plan import Plan
from storage.checkpoint import load_newest
from storage.disk import Disk, OsDisk
from storage.reader import JournalReader
from vocabulary import facts
from vocabulary.codec import fact_decoder
from vocabulary.errors import JournalDamaged

log = logging.getLogger("dce.recovery")

VERSION = "0.1.0"


LastPlan = tuple[Plan, bytes, tuple[BidTerms, ...]]


def recover(journal_dir: Path, checkpoint_dir: Path, disk: Disk | None = None) -> Replay:
    """Everything the journal says, up to its last whole record. Blocks.

    Raises JournalDamaged for bytes that are neither a record nor a torn tail.
    """
    disk = disk or OsDisk()
    replay = from_checkpoint(checkpoint_dir, disk)
    started_at = replay.state.seq
    decode = fact_decoder().decode
    if disk.names(journal_dir):
        reader = JournalReader(journal_dir, started_at + 1, whole=True, disk=disk)
        try:
            for entry in reader:
                try:
                    fact = decode(entry.payload)
                except MsgspecError as error:
                    raise JournalDamaged(
                        f"record {entry.seq} of {journal_dir} is whole but is no fact: {error}"
                    ) from error
                replay.apply(entry.seq, fact)
        finally:
            reader.close()
    log.info(
        "recovered: checkpoint at %d, journal to %d, %d open calls",
        started_at, replay.state.seq, len(replay.state.open),
    )
    return replay


def from_checkpoint(checkpoint_dir: Path, disk: Disk | None = None) -> Replay:
    """Replay at the newest readable checkpoint, or at the very beginning."""
    found = load_newest(checkpoint_dir, disk=disk)
    if found is None:
        return Replay()
    try:
        return Replay.from_checkpoint(found[1])
    except MsgspecError as error:
        log.warning("checkpoint at %d is not readable, replaying all: %s", found[0], error)
        return Replay()


def begin(
    desk: Desk, replay: Replay, epoch: int, now_ns: int, last_plan: Callable[[], LastPlan | None]
) -> int:
    """The first facts of a process, the calls that the last one left, the last plan.

    last_plan: the plan in force at the last end, built on the slots that the desk restored, with
    its digest and its bids; None if there never was one. Returns how many calls were closed.
    """
    desk.emit(facts.Started(now_ns, 0, epoch, now_ns + desk.offset_ns, VERSION))
    desk.emit(facts.ClockSet(now_ns, desk.offset_ns))
    closed = replay.close_open(now_ns)
    for fact in closed:
        replay.apply(desk.emit(fact), fact)
    desk.market.restore(replay.state)
    desk.top_ups.update(replay.state.top_ups)
    last = last_plan()
    if last is not None:
        plan, digest, bids = last
        desk.perform(SwapPlan(plan, bids, digest), now_ns)
        desk.market.recount_caps(replay.state)
    return len(closed)
