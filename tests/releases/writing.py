"""Writes what a release leaves on disk, and what it makes of that itself, for later ones to read.

    cd CHECKOUT_OF_THE_RELEASE && PYTHONPATH=. python PATH/OF/THIS/writing.py FOLDER

It runs on the release's own code and on its tests' recorded minute, cut where most calls are
alive, as kill -9 would. `expected.json` is what that release itself recovers from these files.
"""

import asyncio
import sys
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from exchange.recover import Replay
from storage.checkpoint import write_checkpoint
from storage.fact_types import FACT_TYPES
from storage.journal import Journal
from storage.loader import COLUMNS
from storage.migrate import SCHEMA_DIRECTORY, migrate_up
from storage.postgres import EmbeddedPostgres
from storage.record import Record
from tests.exchange.test_recovery import recorded
from tests.postgres_fixture import open_folder
from vocabulary.codec import fact_encoder
from vocabulary.facts import CallClosed, CallRouted, Fact

SEGMENT_BYTES = 65_536
CHECKPOINTS = (0.4, 0.8)  # parts of the journal behind the two of them
TABLES = (*COLUMNS, "plans", "record_cursors")

encode = fact_encoder(lambda personal: b"sealed").encode


def cut_facts() -> list[tuple[int, Fact]]:
    """The recorded facts up to where most calls are alive."""
    live = most = at = 0
    for seq, fact in recorded():
        live += isinstance(fact, CallRouted) and bool(fact.ladder)
        live -= isinstance(fact, CallClosed)
        if live >= most:
            most, at = live, seq
    return [(seq, fact) for seq, fact in recorded() if seq <= at]


async def write_journal(folder: Path, facts: list[tuple[int, Fact]]) -> None:
    """The facts as the release's journal writes them, the last segment left as a crash does."""
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def durable(seq: int) -> None:
        if seq == facts[-1][0] and not done.done():
            done.set_result(seq)

    journal = Journal.open(
        folder, worker=0, loop=asyncio.get_running_loop(), on_durable=durable,
        on_failed=lambda reason: sys.exit(reason), segment_bytes=SEGMENT_BYTES,
    )
    for seq, fact in facts:
        journal.append(seq, FACT_TYPES[type(fact)], encode(fact))
        await asyncio.sleep(0)
    await done
    journal.close()


def write_states(folder: Path, facts: list[tuple[int, Fact]]) -> Replay:
    """Two checkpoints, and the state at the end."""
    replay = Replay()
    due = [round(len(facts) * part) for part in CHECKPOINTS]
    for seq, fact in facts:
        replay.apply(seq, msgspec.structs.replace(fact))
        if seq in due:
            write_checkpoint(folder, seq, replay.checkpoint())
    return replay


async def write_rows(folder: Path, journal: Path, last_seq: int) -> None:
    """The release's schema and what its record process puts into it, as COPY's text."""
    place = open_folder()
    server = EmbeddedPostgres(place / "data", place / "run")
    dsn = server.start()
    try:
        session = await asyncpg.connect(dsn)
        await migrate_up(session)
        record = Record(journal, 0, dsn)
        running = asyncio.create_task(record.run())
        await record.reached(last_seq)
        record.stop()
        await running
        for table in TABLES:
            columns = COLUMNS.get(table)
            await session.copy_from_table(
                table, columns=columns, output=str(folder / f"{table}.copy"), null="\\N")
        await session.close()
    finally:
        server.stop()


def expected(replay: Replay) -> dict[str, Any]:
    """What the release recovers: everything by name, the closings as it encodes them."""
    state = replay.state
    return {
        "seq": state.seq, "at_ns": state.at_ns, "offset_ns": state.offset_ns,
        "plan_version": state.plan_version, "beat_seq": state.beat_seq,
        "balances": state.balances, "pending": state.pending, "caps": state.caps,
        "bids": {
            bid_id: [bid.terms.hex(), bid.spent_micros, bid.last_won_ns, bid.removed]
            for bid_id, bid in state.bids.items()
        },
        "top_ups": {
            key: [top_up_id.hex(), account, micros]
            for key, (top_up_id, account, micros) in state.top_ups.items()
        },
        "closings": [
            b64encode(encode(fact)).decode() for fact in replay.close_open(state.at_ns + 1)
        ],
    }


async def write(folder: Path) -> None:
    """Everything into a folder."""
    facts = cut_facts()
    for part in ("schema", "rows"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for path in SCHEMA_DIRECTORY.glob("*.sql"):
        (folder / "schema" / path.name).write_text(path.read_text())
    (folder / "columns.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(COLUMNS), indent=1) + b"\n")
    await write_journal(folder / "journal", facts)
    replay = write_states(folder / "checkpoints", facts)
    await write_rows(folder / "rows", folder / "journal", facts[-1][0])
    for name in ("lock", "epoch"):
        with suppress(FileNotFoundError):
            (folder / "journal" / name).unlink()
    text = msgspec.json.format(msgspec.json.encode(expected(replay)), indent=1)
    (folder / "expected.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
