"""Start of a signal worker: newest checkpoint, then the tail of the journal (architecture §2).

```
newest checkpoint ──damaged, unreadable, of another journal──► second newest ──► journal's start
        │ whole, and its last record stands in the journal where it says
        ▼
   tail of the journal ─► Replay ─► close what was open ─► market ─► last plan ─► caps
```
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import MsgspecError

from auction.bid import BidTerms
from exchange.closing import CHARGED, Why, why
from exchange.desk import Desk
from exchange.recover import Position, Replay, ReplayState, beat_of, open_calls
from exchange.signals import SwapPlan
from routing.plan import Plan
from storage.checkpoint import checkpoints, payload_checksum
from storage.disk import Disk, OsDisk
from storage.fact_reading import unreadable
from storage.reader import JournalReader
from storage.segment import RECORD_BYTES, Entry, begun_segments
from vocabulary import facts
from vocabulary.codec import fact_decoder
from vocabulary.errors import JournalDamaged
from vocabulary.money import format_micros

log = logging.getLogger("dce.recovery")

VERSION = "0.1.0"


LastPlan = tuple[Plan, bytes, tuple[BidTerms, ...] | None]


def recover(journal_dir: Path, checkpoint_dir: Path, disk: Disk | None = None) -> Replay:
    """Everything the journal says, up to its last whole record. Blocks.

    Raises JournalDamaged for bytes that are neither a record nor a torn tail, JournalNewer for a
    record that only a newer version knows.
    """
    disk = disk or OsDisk()
    for start in starts(checkpoint_dir, disk):
        started_at = start.state.seq
        replay = replayed(journal_dir, start, disk)
        if replay is not None:
            log.info(
                "recovered: checkpoint at %d, journal to %d, %d records replayed, %d open calls",
                started_at, replay.state.seq, replay.state.seq - started_at,
                len(replay.state.open),
            )
            return replay
    raise AssertionError("the journal's start is always tried last")


def starts(checkpoint_dir: Path, disk: Disk | None = None) -> Iterator[Replay]:
    """Where a replay may begin, best first: each checkpoint that can be read, then nothing."""
    for found in checkpoints(checkpoint_dir, disk=disk):
        if found.fault:
            log.error("%s is damaged, the one before it is taken: %s", found.path, found.fault)
            continue
        try:
            yield Replay.from_checkpoint(found.payload)
        except MsgspecError as error:
            log.error("%s cannot be read, the one before it is taken: %s", found.path, error)
    yield Replay()


def replayed(journal_dir: Path, replay: Replay, disk: Disk) -> Replay | None:
    """The replay brought to the journal's end; None if its checkpoint does not belong to it."""
    reader = reader_behind(journal_dir, replay.state, disk, whole=True)
    if reader is None:
        return None
    state = replay.state
    decode = fact_decoder().decode
    apply = replay.apply
    try:
        for entry in reader:
            try:
                fact = decode(entry.payload)
            except MsgspecError as error:
                raise unreadable(entry, state.version, error) from error
            apply(entry.seq, fact)
    finally:
        reader.close()
    return replay


def reader_behind(
    journal_dir: Path, state: ReplayState, disk: Disk, *, whole: bool
) -> JournalReader | None:
    """A reader of what follows a state; None, with a log line, if it is not of this journal."""
    segments = begun_segments(disk, journal_dir)
    oldest = segments[0].header.first_seq if segments else 1
    why_not = ""
    if state.seq and oldest > state.seq + 1:
        why_not = f"the journal begins at record {oldest}"
    elif state.seq and (not segments or oldest <= state.seq):
        why_not = _stranger(journal_dir, state, disk, whole)
    if why_not:
        log.error(
            "the checkpoint at %d is not of this journal, the one before it is taken: %s",
            state.seq, why_not,
        )
        return None
    return JournalReader(
        journal_dir, state.seq + 1, whole=whole, disk=disk, start=_following(state.position)
    )


def _stranger(journal_dir: Path, state: ReplayState, disk: Disk, whole: bool) -> str:
    """Why the record that a checkpoint ends with is not the journal's, "" if it is."""
    known = state.position
    start = (known.ordinal, known.offset) if known.ordinal else None
    reader = JournalReader(journal_dir, state.seq, whole=whole, disk=disk, start=start)
    try:
        entries = reader.read()
    except JournalDamaged as error:
        return f"the record it ends with cannot be read: {error}"
    finally:
        reader.close()
    if not entries or entries[0].seq != state.seq:
        return "the record it ends with is not there"
    return "" if is_at(entries[0], known) else "the record it ends with is another one"


def is_at(entry: Entry, known: Position) -> bool:
    """Whether a record is the one that a checkpoint ends with; one without a position is any."""
    return not known.ordinal or (
        entry.epoch == known.epoch and payload_checksum(entry.payload) == known.checksum
    )


def _following(known: Position) -> tuple[int, int] | None:
    """Where the record after a known one stands, unless it begins the next segment."""
    return (known.ordinal, known.end) if known.ordinal else None


def position_of(entry: Entry) -> Position:
    """What a checkpoint says of the record it ends with."""
    end = entry.offset + RECORD_BYTES + len(entry.payload)
    return Position(
        entry.ordinal, entry.offset, end, entry.epoch, payload_checksum(entry.payload)
    )


def begin(
    desk: Desk, replay: Replay, epoch: int, now_ns: int, last_plan: Callable[[], LastPlan | None]
) -> int:
    """The first facts of a process, the calls that the last one left, the last plan.

    last_plan: the plan in force at the last end, built on the slots that the desk restored, with
    its digest and its bids, None where they stand already; None if there never was one. Returns
    how many calls were closed.
    """
    desk.emit(facts.Started(now_ns, 0, epoch, now_ns + desk.offset_ns, VERSION))
    desk.emit(facts.ClockSet(now_ns, desk.offset_ns))
    closed = replay.close_open(now_ns)
    if closed:
        log.warning("%s", told(replay.state, closed))
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


def told(state: ReplayState, closed: list[facts.CallClosed]) -> str:
    """One line for the log: how many calls the last process left, and what became of them."""
    beat = beat_of(state)
    counts = Counter(why(call, beat) for _, call in open_calls(state))
    charged = sum(counts[reason] for reason in CHARGED)
    micros = sum(fact.revenue_micros for fact in closed)
    return (
        f"closed {len(closed)} calls that the last process left: {charged} answered ones charged "
        f"{format_micros(micros)} up to its last heartbeat, {counts[Why.UNANSWERED]} not answered "
        f"and {counts[Why.NEVER_SENT]} whose 200 never left free; dce recover --explain names each"
    )
