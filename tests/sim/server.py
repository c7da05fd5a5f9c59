"""A signal worker on a simulated machine: the production parts, driven by a world's clock.

```
World ─► Server ─┬─ Life (one process): recover ─► begin ─► Pump(Endpoint, Desk)
                 │                         JournalCore, checkpoints, heartbeats on SimLoop
                 ├─ SimDisk, Machine: what outlives a process
                 └─ Oracle: sees what is written, acknowledged, sent, and what a start finds
```
A power cut or kill -9 drops the life; the next begins some seconds later on what the disk kept.
"""

import random
from collections.abc import Callable
from typing import Any

from sip.signals import Flow
from storage.disk import StorageFailed
from tests.exchange.trading import US
from tests.sim.disk import PowerCut, SimDisk
from tests.sim.life import Life, Plans
from tests.sim.machine import Machine
from tests.sim.oracle import Oracle
from tests.sim.wire import MS, S


class Server:
    """The exchange as a party of a world. life: the process, None while it is down.

    plans: what the operator can apply. cuts: power cuts so far. restart_fault: called before a
    life begins, so that a start can be cut too. segment_bytes: of its journal. follow_s: between
    two checkpoints, at least and at most. keep_ns: the age at which a segment may go.
    """

    name = "exchange"
    address = US

    def __init__(
        self, seed: int, disk: SimDisk, plans: Plans, oracle: Oracle, segment_bytes: int
    ) -> None:
        self.chance = random.Random(f"server {seed}")
        self.machine = Machine()
        self.disk = disk
        self.plans = plans
        self.oracle = oracle
        self.segment_bytes = segment_bytes
        self.follow_s = (10.0, 60.0)
        self.keep_ns = 600 * S
        self.life: Life | None = None
        self.sends: list[Any] = []
        self.starts_at_ns = S
        self.cuts = self.kills = self.failures = self.refused_starts = 0
        self.restart_fault: Callable[[], None] | None = None

    # A party of the world

    def deadline(self) -> int | None:
        if self.machine.asleep_until_ns:
            return self.machine.asleep_until_ns
        if self.life is None:
            return self.starts_at_ns
        due_ns = self.life.loop.deadline_ns()
        return None if due_ns is None else self.machine.world_ns(due_ns)

    def expire(self, now_ns: int) -> None:
        self.machine.now_ns = now_ns
        if self.machine.asleep_until_ns:
            self.machine.wake()
            self.look_at_clock()
        if self.life is None:
            if now_ns >= self.starts_at_ns:
                self.alive(self._start)
        else:
            self.alive(self.life.loop.run_due)
        if self.life is not None and self.life.ended:
            self.down(2 * S)

    def receive(self, data: bytes, flow: Flow, now_ns: int) -> None:
        self.machine.now_ns = now_ns
        life = self.life
        if life is not None and not self.machine.asleep_until_ns:
            self.oracle.arrived(data, now_ns)
            self.alive(lambda: life.batch([data, flow]))

    def pump(self, _now_ns: int) -> list[Any]:
        sends, self.sends = self.sends, []
        return sends

    def send(self, sends: list[Any]) -> None:
        """The process hands datagrams to its sockets: they leave, whatever happens to it next."""
        self.sends += sends
        for data in sends[1::2]:
            self.oracle.left(bytes(data))

    # What happens to it

    def alive(self, act: Callable[[], Any]) -> Any:
        """Let the process do something; the power may go meanwhile."""
        try:
            return act()
        except PowerCut:
            self.power_cut()
            return None

    def power_cut(self) -> None:
        """The machine is off; what a sync was about to write may be torn."""
        life = self.life
        if life is not None and life.writing and not self.disk.cut_at:
            self.disk.cut_at = self.disk.steps + self.chance.randrange(1, 3)
            try:
                life.journal.step()
            except PowerCut:
                pass
        self.cuts += 1
        self.disk.power_cut()
        self.down(self.chance.randrange(2 * S, 20 * S))

    def kill(self) -> None:
        """kill -9: what was sent has left, what was written is in memory."""
        if self.life is not None:
            self.kills += 1
            self.disk.kill()
            self.down(self.chance.randrange(200 * MS, 3 * S))

    def look_at_clock(self) -> None:
        """The wall clock has jumped: the process sees it with its next heartbeat."""
        self.oracle.jumped_ns = self.machine.monotonic_ns()
        if self.life is not None:
            self.life.beat_within(1.0)

    def down(self, for_ns: int) -> None:
        """No process for a while."""
        if self.life is not None:
            self.oracle.crashed(self.life, self.machine.now_ns)
        self.life = None
        self.starts_at_ns = self.machine.now_ns + for_ns

    def _start(self) -> None:
        if self.restart_fault is not None:
            self.restart_fault()
        try:
            self.life = Life(self)
        except (OSError, StorageFailed):  # a full or failing disk: the next start may do better
            self.refused_starts += 1
            self.disk.kill()
            self.starts_at_ns = self.machine.now_ns + 10 * S
            return
        self.life.go_on()
