"""journal.us_per_call: CPU that the journal costs the signal worker, all its threads.

Facts of real calls are read back from the journal of a running server, then written again here
through the same encoder, sealer and journal, paced as 2,000 calls a second, on the disk of the
repository. Counted is the CPU of this process, less that of the same loop without the journal.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import uvloop

from storage.fact_types import FACT_TYPES
from storage.journal import Journal
from storage.reader import JournalReader
from storage.sealing import open_keys
from tests.bench.cpu import cpu_ns
from tests.bench.our_server import build, our_server
from tests.bench.rows import ROOT, Row, row
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.facts import Fact, Personal

RATE, SECONDS = 2_000, 6
_TICK_S = 0.005
_PER_CALL = (7, 8, 9, 10, 11)  # routed, attempt failed, answered, answer sent, closed
_PLAIN = ("+12125550100", "", "+18005550100", "1-4242@127.0.0.3", "127.0.0.3:5060")

Call = tuple[Fact, ...]


def bench_journal() -> list[Row]:
    """One figure, from about 15 s."""
    with our_server() as server:
        server.play(server.load(200, 2))
        server.caught_up()
        calls = whole_calls(server.exchange.folder / "data" / "journal" / "0")
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="journal-", dir=ROOT / "build") as name:
        bare_ns = _run(calls, None)
        full_ns = _run(calls, Path(name))
    cost_us = (full_ns - bare_ns) / (RATE * SECONDS) / 1_000
    facts = sum(map(len, calls)) / len(calls)
    text = f"{RATE:,} calls/s for {SECONDS} s, {facts:.1f} facts a call, with syncs; {build()}"
    return [row("journal.us_per_call", cost_us, "us", "lower", text)]


def whole_calls(directory: Path) -> list[Call]:
    """Facts by call of a journal that may still be written to; only calls that have ended."""
    decode = fact_decoder().decode
    found: dict[object, list[Fact]] = {}
    ended = []
    reader = JournalReader(directory)
    for entry in reader:
        if entry.kind in _PER_CALL:
            fact = decode(entry.payload)
            call_id = getattr(fact, "call_id")  # noqa: B009 (the base has none)
            found.setdefault(call_id, []).append(fact)
            if entry.kind == _PER_CALL[-1]:
                ended.append(call_id)
    reader.close()
    return [tuple(found[call_id]) for call_id in ended]


def _run(calls: Sequence[Call], directory: Path | None) -> int:
    """CPU ns of one paced run; without a directory only the facts are made."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_paced(calls, directory))


async def _paced(calls: Sequence[Call], directory: Path | None) -> int:
    loop = asyncio.get_running_loop()
    journal: Journal | None = None
    write: Callable[[Fact], None] = _ignore
    if directory is not None:
        failures: list[str] = []
        journal = Journal.open(directory / "journal", worker=0, loop=loop, on_full=failures.append,
                               on_durable=_ignore, on_failed=failures.append)
        write = _writer(journal, directory / "keys")
    began_ns, start_s = cpu_ns(os.getpid()), loop.time()
    per_tick = int(RATE * _TICK_S)
    for tick in range(int(SECONDS / _TICK_S)):
        for place in range(tick * per_tick, (tick + 1) * per_tick):
            for fact in _again(calls[place % len(calls)]):
                write(fact)
        await _until(loop, start_s + (tick + 1) * _TICK_S)
    if journal is not None:
        await asyncio.to_thread(journal.close)
        assert not failures, failures
    return cpu_ns(os.getpid()) - began_ns


def _writer(journal: Journal, keys: Path) -> Callable[[Fact], None]:
    sealer = open_keys(keys, process_epoch=journal.epoch, worker=0)
    encode = fact_encoder(sealer.seal).encode

    def write(fact: Fact) -> None:
        journal.append(journal.next_seq, FACT_TYPES[type(fact)], encode(fact))

    return write


def _again(call: Call) -> list[Fact]:
    """The facts of a call with a Personal that is not sealed yet, as a new call has."""
    personal = Personal(_PLAIN)
    return [msgspec.structs.replace(fact, personal=personal) if hasattr(fact, "personal")
            else fact for fact in call]


def _ignore(_value: object) -> None:
    return None


async def _until(loop: asyncio.AbstractEventLoop, when_s: float) -> None:
    reached = loop.create_future()
    loop.call_at(when_s, reached.set_result, None)
    await reached
