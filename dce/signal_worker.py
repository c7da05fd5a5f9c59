"""The signal worker: recover, open the journal, take calls, serve the link, end cleanly.

```
recover ─► journal ─► desk ─► plan of the last start ─► sockets ─► link ─► ready
SIGTERM ─► close admission (Drain does it earlier) ─► close sockets, journal ─► exit 0
```
It needs no database and no network service, neither to start nor to take calls.
"""

import asyncio
import gc
import logging
import signal
from pathlib import Path

from dce.child import announce_ready
from dce.config import Config
from dce.link import LinkServer
from dce.signal_link import SignalLink
from dce.wiring import SignalCore, wire
from exchange.signals import Beat, ClockChanged, StopAdmission
from vocabulary.limits import NS_PER_S, heartbeat_ns

log = logging.getLogger("dce.signal")

EXIT_JOURNAL = 3  # the journal failed; what was acknowledged is safe, nothing more can be


async def run(config: Config) -> int:
    """Run the worker to its end; its exit code: 0, or EXIT_JOURNAL after a failed journal."""
    loop = asyncio.get_running_loop()
    core = await wire(config, loop)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = LinkServer(config.signal_socket, SignalLink(core).handle)
    await server.start()
    beating = loop.create_task(_beat(core))
    _tune_collector()
    announce_ready()
    log.info("taking calls on %s", ", ".join(f"{t} {h}:{p}" for t, h, p in core.bound()))
    await ended.wait()
    core.pump.perform(StopAdmission())
    beating.cancel()
    await server.stop()
    core.close()
    return EXIT_JOURNAL if core.journal.failed else 0


def _tune_collector() -> None:
    """What lives from the start on is never walked again; young garbage is rare here."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def _beat(core: SignalCore) -> None:
    """Once a second: clock check, heartbeat; the resolver's changes come by themselves."""
    while True:
        await asyncio.sleep(heartbeat_ns / NS_PER_S)
        if core.clock.changed():
            core.pump.tell(ClockChanged(core.clock.offset_ns))
        core.pump.tell(Beat())


def state_folders(config: Config) -> tuple[Path, ...]:
    """Folders that must exist before a worker starts."""
    return (config.journal_dir, config.checkpoint_dir, config.keys_dir, config.plans_dir)
