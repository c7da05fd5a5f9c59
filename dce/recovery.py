"""Start of a signal worker: newest checkpoint, then the tail of the journal (architecture §2)."""

import logging
from pathlib import Path

from msgspec import MsgspecError

from exchange.recover import Replay
from storage.checkpoint import load_newest
from storage.reader import JournalReader
from vocabulary.codec import fact_decoder
from vocabulary.errors import JournalDamaged

log = logging.getLogger("dce.recovery")


def recover(journal_dir: Path, checkpoint_dir: Path) -> Replay:
    """Everything the journal says, up to its last whole record. Blocks.

    Raises JournalDamaged for bytes that are neither a record nor a torn tail.
    """
    replay = from_checkpoint(checkpoint_dir)
    started_at = replay.state.seq
    decode = fact_decoder().decode
    if journal_dir.exists():
        reader = JournalReader(journal_dir, started_at + 1, whole=True)
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


def from_checkpoint(checkpoint_dir: Path) -> Replay:
    """Replay at the newest readable checkpoint, or at the very beginning."""
    found = load_newest(checkpoint_dir) if checkpoint_dir.exists() else None
    if found is None:
        return Replay()
    try:
        return Replay.from_checkpoint(found[1])
    except MsgspecError as error:
        log.warning("checkpoint at %d is not readable, replaying all: %s", found[0], error)
        return Replay()
