"""`dce recover --explain`: what a start will do with the calls it finds alive, and what the last
one did. Reads journal and checkpoints, changes nothing.

```
checkpoint before the last start ─► replay to that start: whom it closed, and why
                                 └► replay to the end:    whom the next start closes, and why
```
The verdicts are those of exchange.closing, by which a start itself closes.
"""

import sys
from pathlib import Path

import msgspec
from msgspec import MsgspecError, Struct

from dce.config import Config
from dce.folders import is_running
from dce.recovery import reader_behind, starts
from exchange.closing import CHARGED, OpenCall, Why, closing, end_ns, why
from exchange.recover import Replay, ReplayState, beat_of, open_calls
from storage.disk import OsDisk
from storage.fact_reading import unreadable
from storage.segment import begun_segments
from vocabulary.codec import fact_decoder
from vocabulary.errors import JournalDamaged
from vocabulary.facts import CallClosed, Fact, Started
from vocabulary.ids import uuid_text
from vocabulary.instants import format_wall
from vocabulary.limits import NS_PER_S
from vocabulary.money import format_micros

BECAUSE = {
    Why.UNANSWERED: "no buyer's answer is on record",
    Why.NEVER_SENT: "an answer is on record, but nothing shows that our 200 left: no AnswerSent,"
                    " and the last heartbeat does not cover it",
    Why.ANSWER_SENT: "a record says that our 200 left; the process is known to have lived until"
                     " its last heartbeat",
    Why.BEAT_COVERS: "a heartbeat says that the answer was on disk, so our 200 left; the process"
                     " is known to have lived until its last heartbeat",
}


class ClosedCall(Struct):
    """One call that a start closes. Instants are ISO 8601 in UTC, money in units of currency.

    held: what was reserved at most; released: what of it is free again. why: a word of
    exchange.closing.Why; because: the same as a sentence.
    """

    id: str
    arrived: str
    publisher: str
    campaign: str
    number: str
    buyer: str
    answered: str | None
    ended: str
    talked_s: float
    charged: str
    payout: str
    held: str
    released: str
    currency: str
    why: str
    because: str


class Closing(Struct):
    """The calls of one start. known: False where the journal does not reach back to it."""

    at: str | None
    version: str
    record: int
    known: bool
    calls: list[ClosedCall]
    charged_micros: int
    payout_micros: int


class Explanation(Struct):
    """Everything that is told; `pending` is None while a server runs: its calls are alive."""

    journal: str
    records: int
    epoch: int
    version: str
    last_record: str | None
    last_heartbeat: str | None
    read_from: int
    last_start: Closing | None
    pending: Closing | None


def explain_recovery(config: Config, *, as_json: bool) -> int:
    """`dce recover --explain`: prints it. Raises JournalDamaged, JournalNewer, OSError."""
    running = is_running(config)
    found = explain(config.journal_dir, config.checkpoint_dir, running=running)
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    else:
        text = "\n".join(lines_of(found))
    print(text)
    if running:
        print("dce: a server runs on this data, its live calls are not listed", file=sys.stderr)
    return 0


def explain(journal_dir: Path, checkpoint_dir: Path, *, running: bool) -> Explanation:
    """Replay twice over: to the last start, then to the end."""
    disk = OsDisk()
    begun_at = _last_start_seq(disk, journal_dir)
    replay, known = _base(journal_dir, checkpoint_dir, begun_at)
    read_from = replay.state.seq
    reader = reader_behind(journal_dir, replay.state, disk, whole=not running)
    assert reader is not None  # _base has seen to it
    decode = fact_decoder().decode
    last: Closing | None = None
    done: dict[bytes, CallClosed] = {}
    try:
        for entry in reader:
            try:
                fact: Fact = decode(entry.payload)
            except MsgspecError as error:
                raise unreadable(entry, replay.state.version, error) from error
            if isinstance(fact, Started) and entry.seq == begun_at:
                last = _closing_of(replay.state, known, entry.seq, fact)
            if isinstance(fact, CallClosed) and fact.recovered:
                done[fact.call_id] = fact
            replay.apply(entry.seq, fact)
    finally:
        reader.close()
    if last is not None:
        _check(last, done)
    state = replay.state
    pending = None if running else _closing_of(state, True, state.seq + 1, None)
    return Explanation(
        str(journal_dir), state.seq, state.epoch, state.version, _wall(state, state.at_ns),
        _wall(state, state.beat_at_ns), read_from, last, pending,
    )


def _last_start_seq(disk: OsDisk, journal_dir: Path) -> int:
    """Where the last process began: the first record of the first segment of the last epoch."""
    segments = begun_segments(disk, journal_dir)
    if not segments:
        raise JournalDamaged(f"{journal_dir}: there is no journal")
    epoch = segments[-1].header.epoch
    return next(s.header.first_seq for s in segments if s.header.epoch == epoch)


def _base(journal_dir: Path, checkpoint_dir: Path, before: int) -> tuple[Replay, bool]:
    """The best state that lies before a record, else the best there is; whether it lies before."""
    disk = OsDisk()
    best: Replay | None = None
    for replay in starts(checkpoint_dir, disk):
        reader = None
        if replay.state.seq or begun_segments(disk, journal_dir)[0].header.first_seq == 1:
            reader = reader_behind(journal_dir, replay.state, disk, whole=True)
        if reader is None:
            continue
        reader.close()
        if replay.state.seq < before:
            return replay, True
        best = best or replay
    if best is None:
        raise JournalDamaged(
            f"{journal_dir}: its beginning is gone, and no checkpoint in {checkpoint_dir} can be"
            " read"
        )
    return best, False


def _closing_of(state: ReplayState, known: bool, seq: int, begun: Started | None) -> Closing:
    """The calls that were alive at a state, as a start closes them."""
    beat = beat_of(state)
    calls = []
    revenue = payout = 0
    for call_id, call in open_calls(state):
        fact = closing(call_id, call, beat, state.at_ns)
        revenue += fact.revenue_micros
        payout += fact.payout_micros
        calls.append(_closed_call(state, call_id, call, fact))
    at = format_wall(begun.wall_ns) if begun is not None else None
    return Closing(at, begun.version if begun else "", seq, known, calls, revenue, payout)


def _closed_call(
    state: ReplayState, call_id: bytes, call: OpenCall, fact: CallClosed
) -> ClosedCall:
    beat = beat_of(state)
    reason = why(call, beat)
    held = call.hold_micros or max((entry.price_micros for entry in call.ladder), default=0)
    answer = call.answered
    return ClosedCall(
        uuid_text(call_id), format_wall(call.wall_ns), call.publisher, call.campaign, call.number,
        call.ladder[answer.entry].buyer if answer is not None else "",
        _at(call, call.answered_ns) if answer is not None else None,
        _at(call, end_ns(call, beat)), fact.connected_ns / NS_PER_S,
        format_micros(fact.revenue_micros), format_micros(fact.payout_micros),
        format_micros(held), format_micros(held - fact.revenue_micros), call.currency,
        reason.name.lower(), BECAUSE[reason],
    )


def _check(last: Closing, done: dict[bytes, CallClosed]) -> None:
    """What was explained is what the start wrote down, to the micro-unit."""
    written = {uuid_text(call_id): fact for call_id, fact in done.items()}
    for call in last.calls:
        fact = written.get(call.id)
        if fact is None or format_micros(fact.revenue_micros) != call.charged:
            call.because += "; the start recorded it otherwise" if fact else "; not recorded yet"


def _at(call: OpenCall, at_ns: int) -> str:
    return format_wall(call.wall_ns + at_ns - call.at_ns)


def _wall(state: ReplayState, at_ns: int) -> str | None:
    return format_wall(at_ns + state.offset_ns) if at_ns else None


def lines_of(found: Explanation) -> list[str]:
    """The explanation for somebody who was woken up."""
    start = f"the checkpoint at {found.read_from:,}" if found.read_from else "its beginning"
    lines = [
        f"journal {found.journal}: {found.records:,} records, read from {start}",
        f"last record {found.last_record}, last heartbeat {found.last_heartbeat or 'none'}, "
        f"written by dce {found.version or 'unknown'}, epoch {found.epoch}",
        "",
    ]
    last = found.last_start
    if last is not None and last.known:
        lines += [f"The last start, {last.at} by dce {last.version} (record {last.record:,}):"]
        lines += _told(last, "closed")
    else:
        lines += ["What the last start did is no longer in the journal."]
    if found.pending is not None:
        lines += ["", "The next start:"]
        lines += _told(found.pending, "will close")
    return lines


def _told(found: Closing, verb: str) -> list[str]:
    calls = found.calls
    if not calls:
        return [f"  {verb} no call: none was alive"]
    charged = [call for call in calls if Why[call.why.upper()] in CHARGED]
    money = f"{format_micros(found.charged_micros)} charged, "
    money += f"{format_micros(found.payout_micros)} earned by publishers"
    lines = [
        f"  {verb} {len(calls):,} calls: {len(charged):,} answered ones up to the last heartbeat"
        f" ({money}), {len(calls) - len(charged):,} at no charge. Every hold is released."
    ]
    for call in calls:
        lines += _call_lines(call)
    return lines


def _call_lines(call: ClosedCall) -> list[str]:
    lines = [f"  {call.id}  arrived {call.arrived}, {call.number}, campaign {call.campaign}"]
    if Why[call.why.upper()] in CHARGED:
        lines.append(
            f"    {call.buyer} is charged {call.charged} {call.currency} for {call.talked_s:.3f} s"
            f" ({call.answered} to {call.ended}), {call.publisher} earns {call.payout};"
            f" {call.released} of {call.held} held come back"
        )
    else:
        who = f"{call.buyer} had answered at {call.answered}; " if call.buyer else ""
        lines.append(f"    {who}nobody is charged; at most {call.held} held come back")
    lines.append(f"    because {call.because}")
    return lines
