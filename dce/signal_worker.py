"""The signal worker: recover, open the journal, take calls, serve the link, end cleanly.

```
link ("starting") ─► recover ─► journal ─► desk ─► plan of the last start ─► warm ─► link, ready
SIGTERM ─► close admission (Drain does it earlier) ─► end live calls ─► close sockets, journal ─► 0
journal failed ─► new calls 503 ─► no live call, or signal.drain_s ─► the same way ─► EXIT_JOURNAL
```
It needs no database and no network service, neither to start nor to take calls.
"""

import asyncio
import logging
import signal
import time
from contextlib import suppress

from dce.child import EXIT_DAMAGED, EXIT_JOURNAL, announce_ready
from dce.collector import collector_resting, tune_collector, watch_collector
from dce.config import Config
from dce.heap import heap_trimmer
from dce.journal_text import refusal_text
from dce.link import LinkServer
from dce.signal_link import SignalLink, StartingLink
from dce.warming import warm
from dce.wiring import SignalCore, wire
from exchange.signals import Beat, ClockChanged, EndCalls, StopAdmission
from vocabulary.errors import CommandRefused, JournalDamaged, JournalNewer
from vocabulary.limits import NS_PER_S, heap_trim_ns, heartbeat_ns

log = logging.getLogger("dce.signal")

POLL_S = 0.1
CALLS_PER_SLICE = 500
GOODBYE_S = 2.0  # for the answers to our last BYEs; a peer that is away is not waited for


async def run(config: Config) -> int:
    """Run the worker to its end; its exit code: 0, EXIT_JOURNAL after a failed journal, or
    EXIT_DAMAGED if the journal that is there is not whole."""
    loop = asyncio.get_running_loop()
    door = StartingLink()
    server = LinkServer(config.signal_socket, door.handle)
    await server.start()
    try:
        with collector_resting():
            core = await wire(config, loop)
    except (JournalDamaged, JournalNewer) as error:
        help_text = refusal_text(error, config) if isinstance(error, JournalDamaged) else error
        log.error("%s", help_text)
        await server.stop()
        return EXIT_DAMAGED
    except BaseException:
        await server.stop()
        raise
    warm(core)
    door.open(SignalLink(core).handle)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    aside = [
        loop.create_task(work)
        for work in (_beat(core), _end_after_failure(core, ended), core.keeping.run())
    ]
    for task in aside:
        task.add_done_callback(_log_fault)
    tune_collector()
    watch_collector(core.gc_pauses)
    announce_ready()
    log.info("taking calls on %s", ", ".join(f"{t} {h}:{p}" for t, h, p in core.bound()))
    await ended.wait()
    for task in aside:
        task.cancel()
    await end_calls(core)
    await server.stop()
    core.close()
    return EXIT_JOURNAL if core.journal.failed else 0


def _log_fault(task: "asyncio.Task[None]") -> None:
    """What runs beside the calls should never end; calls go on, and somebody should know."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("work beside the calls ended by an error", exc_info=error)


async def end_calls(core: SignalCore) -> None:
    """BYE or refusal on both legs of every live call, their records on disk, and a short wait
    for the peers' answers."""
    pump = core.pump
    pump.perform(StopAdmission())
    if core.desk.calls:
        log.warning("%d calls still live are ended", len(core.desk.calls))
    while pump.perform(EndCalls(CALLS_PER_SLICE)):
        await asyncio.sleep(0)
        if not core.journal.failed:
            with suppress(CommandRefused):
                await core.durable.wait(core.desk.seq)
        while core.journal.failed and not core.journal.dead:  # their ends go to a fresh file
            if core.journal.durable_seq == core.desk.seq:
                break
            await asyncio.sleep(POLL_S)
    pump.tell(Beat())  # the turns of the last second
    deadline_s = time.monotonic() + GOODBYE_S
    while core.endpoint.statistics()["dialogs"] and time.monotonic() < deadline_s:
        await asyncio.sleep(POLL_S)


async def _end_after_failure(core: SignalCore, ended: asyncio.Event) -> None:
    """A journal that failed stays so: end once nobody talks any more, at last at the drain bound.

    Whoever starts us again finds a disk that takes writes, or says at once that it does not.
    """
    while not core.journal.failed:
        await asyncio.sleep(POLL_S)
    deadline_s = time.monotonic() + core.config.signal.drain_s
    told = False
    while core.desk.calls and time.monotonic() < deadline_s:
        if core.journal.dead and not told:
            told = True
            log.error("no file of the journal takes writes any more: %d live calls go on and will"
                      " be charged up to the last heartbeat on disk", len(core.desk.calls))
        await asyncio.sleep(POLL_S)
    ended.set()


async def _beat(core: SignalCore) -> None:
    """Once a second: clock check, heartbeat, a word about a disk that fills up."""
    warned = ""
    give_back = heap_trimmer()
    beats = 0
    while True:
        await asyncio.sleep(heartbeat_ns / NS_PER_S)
        beats += 1
        if beats * heartbeat_ns % heap_trim_ns == 0:
            await asyncio.to_thread(give_back)
        if core.clock.changed():
            core.pump.tell(ClockChanged(core.clock.offset_ns))
        core.pump.tell(Beat())
        warned = warn_of_spare(core.journal.statistics().spare_failed, warned)


def warn_of_spare(failed: str, warned: str) -> str:
    """One log line for each reason why the next segment cannot be prepared; the last reason."""
    if failed and failed != warned:
        log.warning("the journal's next segment cannot be prepared, calls go on: %s", failed)
    return failed
