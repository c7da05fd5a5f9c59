"""One history of the whole exchange, by seed: an hour with faults, then calm, then an empty house.

```
safety    bursts of calls, top-ups, plans; power cuts, kills, slow and failing syncs, a full disk,
          clock steps, smear, suspension, a rough wire        the oracle looks on all the time
liveness  faults off: a process comes up, sure calls are placed and must be answered and end
empty     nothing is left at any party; the oracle's books and the exchange's are the same
```
"""

import errno
import random
from collections.abc import Callable
from typing import Any

from sip.signals import LegReleased
from tests.exchange.trading import CALLER, MICROS, NUMBER, US, buyer_address, document
from tests.routing.plans import Document
from tests.sim.crowd import Buyers, Callers
from tests.sim.disk import SimDisk
from tests.sim.life import Plans
from tests.sim.open_hours import OPEN_FROM, OPEN_TO, TIMED, TIMED_NUMBER
from tests.sim.oracle import Oracle
from tests.sim.server import Server
from tests.sim.wire import MS, Party, S, Wire, World
from vocabulary.commands import TopUp
from vocabulary.errors import CommandRefused

HOUR_NS = 3_600 * S
BURSTS = 5
CALLS_PER_BURST = 6
BURST_NS = 40 * S
SURE_CALLS = 4
BUYERS = 3
STEPS_MAX = 400_000

def written(version: int) -> Document:
    """A plan with caps, and a campaign that is open for a part of the simulated hour only."""
    plan = document(
        BUYERS, target={"concurrency": 8, "caps": {"hour": 40, "day": 500}},
        amount=lambda buyer, bid: f"{10 - buyer + version}.00",
        campaign={"concurrency": 50, "caps": {"hour": 400}},
    )
    plan["schedules"] = [{
        "id": "morning", "zone": "America/New_York",
        "open": [{"days": ["tue"], "from": OPEN_FROM, "to": OPEN_TO}],
    }]
    plan["campaigns"].append({**plan["campaigns"][0], "id": TIMED, "schedule": "morning"})
    plan["numbers"].append(
        {"number": TIMED_NUMBER.decode(), "campaign": TIMED, "publisher": "pub"}
    )
    return plan


PLANS = Plans([written(version) for version in range(4)])


class Director:
    """Whoever makes things happen to the world at set times: a party that sends nothing."""

    name = "director"
    address = ("0.0.0.0", 0)  # nobody can send to it

    def __init__(self) -> None:
        self.agenda: list[tuple[int, int, Callable[[], None]]] = []

    def at(self, at_ns: int, act: Callable[[], None]) -> None:
        self.agenda.append((at_ns, len(self.agenda), act))
        self.agenda.sort(key=lambda entry: entry[:2])

    def deadline(self) -> int | None:
        return self.agenda[0][0] if self.agenda else None

    def expire(self, now_ns: int) -> None:
        while self.agenda and self.agenda[0][0] <= now_ns:
            self.agenda.pop(0)[2]()

    def pump(self, _now_ns: int) -> list[Any]:
        return []


class History:
    """A world with its phones, server and director; `run` lives it through."""

    segment_bytes = 32_768

    def __init__(self, seed: int, *, honest: bool = True) -> None:
        self.seed = seed
        self.chance = random.Random(f"history {seed}")
        self.wire = Wire(seed, jitter_ns=MS, delay_ns=5 * MS, quiet=True)
        self.world = World(self.wire, steps_max=STEPS_MAX)
        self.director = self.world.add(Director())
        self.oracle = Oracle()
        self.disk = SimDisk(seed, honest=honest)
        self.server = self.world.add(
            Server(seed, self.disk, PLANS, self.oracle, self.segment_bytes)
        )
        self.callers = Callers(seed, self.world.flow(CALLER, US))
        self.caller = self.world.add(Party("caller", CALLER, self.callers))
        self.buyers = [Buyers(seed, number) for number in range(BUYERS)]
        for number, desk in enumerate(self.buyers):
            self.world.add(Party(f"buyer{number}", buyer_address(number), desk))
        self.keys = 0
        self.plan_version = 1

    # The operator

    def fund(self) -> None:
        """A top-up, repeated with its key until it is acknowledged."""
        self.keys += 1
        buyer = f"buyer-{self.chance.randrange(BUYERS):03d}"
        micros = self.chance.randrange(1, 500) * MICROS
        command = TopUp(buyer, micros, "USD", f"key-{self.keys}")
        self._try(command)

    def _try(self, command: TopUp) -> None:
        key = command.idempotency_key
        if key in self.oracle.acked_top_ups:
            return
        self.director.at(self.world.now_ns + 9 * S, lambda: self._try(command))
        life = self.server.life
        if life is None or self.server.machine.asleep_until_ns:
            return

        def perform() -> None:
            try:
                life.pump.perform(command)
            except CommandRefused:
                return
            life.when_durable(
                lambda: self.oracle.top_up_acked(key, command.account, command.amount_micros)
            )

        self.outside(perform)

    def apply_plan(self) -> None:
        """Another plan, with other bids."""
        life = self.server.life
        if life is not None and not self.server.machine.asleep_until_ns:
            self.plan_version += self.chance.randrange(1, 4)
            self.outside(lambda: life.apply_plan(self.plan_version))

    def outside(self, act: Callable[[], None]) -> None:
        """Something reaches the process by another way than the wire."""
        self.server.machine.now_ns = self.world.now_ns
        self.server.alive(act)
        self.world.flush(self.server)

    # Faults

    def cut_now(self) -> None:
        self.server.machine.now_ns = self.world.now_ns
        if self.server.life is not None:
            self.server.power_cut()

    def cut_soon(self) -> None:
        """Inside one of the next disk operations, wherever that is."""
        self.disk.cut_at = self.disk.steps + self.chance.randrange(1, 40)

    def cut_the_next_start(self) -> None:
        def fault() -> None:
            self.server.restart_fault = None
            self.disk.cut_at = self.disk.steps + self.chance.randrange(1, 12)

        self.server.restart_fault = fault
        self.cut_now()

    def kill(self) -> None:
        self.server.machine.now_ns = self.world.now_ns
        self.server.kill()

    def slow(self) -> None:
        self.oracle.slow_disk = True
        self.director.at(self.world.now_ns + self.chance.randrange(S, 30 * S), self.not_slow)

    def not_slow(self) -> None:
        self.oracle.slow_disk = False

    def fail(self) -> None:
        self.disk.failing = errno.EIO
        self.director.at(self.world.now_ns + self.chance.randrange(5 * S, 60 * S), self.not_failing)

    def not_failing(self) -> None:
        self.disk.failing = 0

    def fill(self) -> None:
        self.disk.full = True
        self.director.at(self.world.now_ns + self.chance.randrange(S, 200 * S), self.not_full)

    def not_full(self) -> None:
        self.disk.full = False

    def set_clock(self) -> None:
        self.server.machine.now_ns = self.world.now_ns
        hours = self.chance.choice((-24, -1, 1, 24))
        self.server.machine.step_wall(hours * HOUR_NS)
        self.server.look_at_clock()

    def smear(self) -> None:
        self.server.machine.now_ns = self.world.now_ns
        self.server.machine.smear(self.chance.choice((-12, 12, 500)))

    def suspend(self) -> None:
        self.server.machine.now_ns = self.world.now_ns
        self.server.machine.suspend(30 * S)

    def roughen(self) -> None:
        wire, chance = self.wire, self.chance
        wire.loss, wire.duplicate, wire.reorder = (chance.choice((0, 0.05, 0.2)) for _ in range(3))
        self.director.at(self.world.now_ns + chance.randrange(5 * S, 60 * S), self.smooth)

    def smooth(self) -> None:
        self.wire.loss = self.wire.duplicate = self.wire.reorder = 0

    # The history

    def run(self) -> None:
        """Live it. Raises AssertionError or what the product raised."""
        self.safety()
        self.liveness()

    def safety(self) -> None:
        """An hour in bursts, with a handful of faults among them."""
        chance = self.chance
        faults = (
            self.cut_now, self.cut_now, self.cut_soon, self.cut_soon, self.cut_the_next_start,
            self.kill, self.slow, self.fail, self.fill, self.set_clock, self.smear, self.suspend,
            self.roughen, self.roughen,
        )
        starts = sorted(chance.randrange(S, HOUR_NS - 300 * S) for _ in range(BURSTS))
        for start_ns in starts:
            for _ in range(CALLS_PER_BURST):
                at_ns = start_ns + chance.randrange(BURST_NS)
                number = TIMED_NUMBER if chance.random() < 0.3 else NUMBER
                self.callers.place(at_ns, number=number, retries=chance.choice((0, 0, 1, 2)))
            for _ in range(chance.randrange(3)):
                self.director.at(start_ns + chance.randrange(2 * BURST_NS), chance.choice(faults))
            if chance.random() < 0.4:
                self.director.at(start_ns + chance.randrange(BURST_NS), self.apply_plan)
            self.director.at(start_ns + chance.randrange(BURST_NS), self.fund)
        self.world.run(HOUR_NS)

    def liveness(self) -> None:
        """No more faults: whoever calls now is served, and everything comes to an end."""
        self.smooth()
        self.not_slow()
        self.not_full()
        self.not_failing()
        self.disk.cut_at = 0
        for desk in self.buyers:
            desk.kind = True
        self.world.run(700 * S)  # old calls, drains and restarts are over
        now_ns = self.world.now_ns
        legs = [
            self.callers.place(now_ns + self.chance.randrange(10 * S), sure=True)
            for _ in range(SURE_CALLS)
        ]
        self.world.run(120 * S)
        for leg in legs:
            assert leg in self.callers.answered, (
                f"a call without faults failed: {self.callers.failed.get(leg)}"
            )
        self.world.run(700 * S)
        self.assert_empty()

    def assert_empty(self) -> None:
        """Nothing is left at any party."""
        life = self.server.life
        assert life is not None
        self.oracle.assert_drained(life)
        endpoint = life.endpoint.statistics()
        for name in ("server_transactions", "client_transactions", "legs", "dialogs", "timers"):
            assert endpoint[name] == 0, (name, endpoint)
        for party in self.world.parties.values():
            if isinstance(party, Party):
                left = party.leftovers()
                assert not any(left.values()), (party.name, left)
                released = [notice.leg for notice in party.seen(LegReleased)]
                assert len(released) == len(set(released))
