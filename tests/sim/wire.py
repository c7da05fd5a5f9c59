"""An emulated wire between SIP endpoints, with a clock that jumps.

    World ── at each step the earliest of: a datagram that arrives, a timer that is due
      │
      ├─ Party 192.0.2.10:5060   endpoint + desk: receive → drain → desk → perform → drain …
      ├─ Party 192.0.2.20:5060
      └─ Wire(seed): loses, doubles, delays and reorders datagrams; streams keep their order

Nothing here waits: the clock jumps to the next event. One seed gives one history.
"""

import heapq
import os
import random
from typing import Any, Protocol

from sip.endpoint import Endpoint
from sip.signals import Command, Flow, FlowLost, Notice

MS = 1_000_000
S = 1_000_000_000
PUMP_ROUNDS_MAX = 64
STEPS_MAX = 200_000
Address = tuple[str, int]


def seeds(count: int) -> range:
    """Seeds of a simulated test: SEEDS from the environment, else `count`, from SEED_FROM."""
    first = int(os.environ.get("SEED_FROM", "1"))
    return range(first, first + int(os.environ.get("SEEDS", count)))


class Desk(Protocol):
    """Who tells an endpoint what to do; the exchange's own desk fits here."""

    def receive(self, notice: Notice, now_ns: int) -> None: ...
    def expire(self, now_ns: int) -> None: ...
    def drain(self) -> list[Command]: ...
    def deadline(self) -> int | None: ...


class Wire:
    """What happens to a datagram. loss, duplicate, reorder: probabilities 0..1.

    delay_ns: the least it takes; jitter_ns: added at random; a reordered one takes
    reorder_ns more. Streams lose nothing and keep their order.
    """

    def __init__(
        self,
        seed: int,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        delay_ns: int = 10 * MS,
        jitter_ns: int = 0,
        reorder_ns: int = 20 * MS,
        quiet: bool = False,
    ) -> None:
        """quiet: whoever made it says the seed himself."""
        if not quiet:
            print(f"wire seed {seed}")
        self.chance = random.Random(seed)
        self.loss = loss
        self.duplicate = duplicate
        self.reorder = reorder
        self.delay_ns = delay_ns
        self.jitter_ns = jitter_ns
        self.reorder_ns = reorder_ns
        self.last_arrival_ns: dict[tuple[Address, Address], int] = {}
        self.lost = 0

    def arrivals(self, source: Address, target: Address, transport: str, now_ns: int) -> list[int]:
        """When copies of what is sent now arrive: none, one or two instants in ns."""
        chance = self.chance
        at_ns = now_ns + self.delay_ns
        if self.jitter_ns:
            at_ns += chance.randrange(self.jitter_ns)
        if transport != "UDP":
            at_ns = max(at_ns, self.last_arrival_ns.get((source, target), 0) + 1)
            self.last_arrival_ns[source, target] = at_ns
            return [at_ns]
        if self.loss and chance.random() < self.loss:
            self.lost += 1
            return []
        if self.reorder and chance.random() < self.reorder:
            at_ns += self.reorder_ns
        if self.duplicate and chance.random() < self.duplicate:
            return [at_ns, at_ns + self.delay_ns]
        return [at_ns]


class Party:
    """One endpoint with its desk, at one address."""

    def __init__(self, name: str, address: Address, desk: Desk, **settings: Any) -> None:
        self.name = name
        self.address = address
        self.desk = desk
        self.endpoint = Endpoint(name.encode().ljust(16, b"."), **settings)
        self.notices: list[Notice] = []

    def perform(self, command: Command, now_ns: int) -> None:
        """Give a command past the desk, as a test does."""
        self.endpoint.perform(command, now_ns)

    def pump(self, now_ns: int) -> list[Any]:
        """Let endpoint and desk talk until both are silent. Returns the flat list of sends."""
        sends: list[Any] = []
        for _ in range(PUMP_ROUNDS_MAX):
            out, notices = self.endpoint.drain()
            sends += out
            for notice in notices:
                self.notices.append(notice)
                self.desk.receive(notice, now_ns)
            commands = self.desk.drain()
            for command in commands:
                self.endpoint.perform(command, now_ns)
            if not out and not commands and not notices:
                return sends
        raise AssertionError("endpoint and desk do not fall silent")

    def receive(self, data: bytes, flow: Flow, now_ns: int) -> None:
        self.endpoint.receive(data, flow, now_ns)

    def expire(self, now_ns: int) -> None:
        self.endpoint.expire(now_ns)
        self.desk.expire(now_ns)

    def deadline(self) -> int | None:
        first, second = self.endpoint.deadline(), self.desk.deadline()
        if first is None or (second is not None and second < first):
            return second
        return first

    def seen(self, kind: type) -> list[Any]:
        """Notices of one kind, in order."""
        return [notice for notice in self.notices if isinstance(notice, kind)]

    def leftovers(self) -> dict[str, int]:
        """What is still alive; all zero 64·T1 after the last call."""
        gauges = self.endpoint.statistics()
        names = ("server_transactions", "client_transactions", "legs", "dialogs", "timers")
        core = self.endpoint.core
        indexes = {"merged": len(core.merged), "offers": len(core.offers)}
        return {name: gauges[name] for name in names} | indexes | {
            "waiting": len(core.waiting), "parted": len(core.parted),
            "streams": len(core.streams),
        }


class World:
    """Parties on one wire. now_ns starts at a second, so that zero means never."""

    def __init__(
        self, wire: Wire, transport: str = "UDP", steps_max: int = STEPS_MAX
    ) -> None:
        self.wire = wire
        self.steps_max = steps_max
        self.transport = transport
        self.now_ns = S
        self.parties: dict[Address, Any] = {}
        self.queue: list[tuple[int, int, Address, bytes, Flow]] = []
        self.sequence = 0
        self.steps = 0
        self.ladder: list[tuple[int, str, str, bytes]] = []  # sent: when, from, to, first line
        self.dead: set[Address] = set()

    def add(self, party: Any) -> Any:
        """Put a party (or a script with the same verbs) on the wire. Returns it."""
        self.parties[party.address] = party
        return party

    def flow(self, source: Address, target: Address) -> Flow:
        """The flow by which `source` reaches `target`."""
        generation = 0 if self.transport == "UDP" else 1
        return Flow(self.transport, *target, *source, 0, generation)

    def perform(self, party: Party, command: Command) -> None:
        """A command from outside, now, and everything that follows at once."""
        party.perform(command, self.now_ns)
        self.flush(party)

    def flush(self, party: Any) -> None:
        """Put what a party sends on the wire."""
        sends = party.pump(self.now_ns)
        for flow, data in zip(sends[::2], sends[1::2], strict=True):
            self.post(flow, data)

    def post(self, flow: Flow, data: bytes) -> None:
        """One message leaves from the local end of `flow`."""
        source = (flow.local_host, flow.local_port)
        target = (flow.host, flow.port)
        name = self.parties[target].name if target in self.parties else f"{target[0]}:{target[1]}"
        line = data.split(b"\r\n", 1)[0]
        self.ladder.append((self.now_ns, self.parties[source].name, name, line))
        back = Flow(flow.transport, *source, *target, 0, flow.generation)
        for at_ns in self.wire.arrivals(source, target, flow.transport, self.now_ns):
            self.sequence += 1
            heapq.heappush(self.queue, (at_ns, self.sequence, target, data, back))

    def kill(self, party: Any) -> None:
        """From now on nothing reaches a party and nothing comes from it."""
        self.dead.add(party.address)

    def cut(self, one: Party, other: Party) -> None:
        """Break the connection between two parties; what is on the wire is lost."""
        ends = {one.address, other.address}
        self.queue = [
            event for event in self.queue
            if {event[2], (event[4].host, event[4].port)} != ends
        ]  # fmt: skip
        heapq.heapify(self.queue)
        for near, far in ((one, other), (other, one)):
            if near.address not in self.dead:
                self.perform(near, FlowLost(self.flow(near.address, far.address)))

    def next_ns(self) -> int | None:
        """Instant of the next event, None if nothing will ever happen."""
        first_ns: int | None = self.queue[0][0] if self.queue else None
        for party in self.parties.values():
            due_ns = party.deadline()
            if due_ns is None or party.address in self.dead:
                continue
            if first_ns is None or due_ns < first_ns:
                first_ns = due_ns
        return first_ns

    def step(self, at_ns: int | None = None) -> bool:
        """Jump to the next event, at next_ns, and let it happen. False if there is none."""
        if at_ns is None:
            at_ns = self.next_ns()
        if at_ns is None:
            return False
        self.steps += 1
        assert self.steps < self.steps_max, "the world does not come to rest"
        self.now_ns = max(self.now_ns, at_ns)
        touched = []
        for party in self.parties.values():  # due timers before what arrives
            due_ns = party.deadline()
            if due_ns is not None and due_ns <= self.now_ns and party.address not in self.dead:
                party.expire(self.now_ns)
                touched.append(party)
        while self.queue and self.queue[0][0] <= self.now_ns:
            _at, _sequence, target, data, flow = heapq.heappop(self.queue)
            party = self.parties.get(target)
            if party is not None and target not in self.dead:
                party.receive(data, flow, self.now_ns)
                touched.append(party)
        for party in touched:
            self.flush(party)
        return True

    def run(self, for_ns: int | None = None) -> None:
        """Run until nothing is left to happen, or for a time; then the clock stands there."""
        end_ns = None if for_ns is None else self.now_ns + for_ns
        while True:
            next_ns = self.next_ns()
            if next_ns is None or (end_ns is not None and next_ns > end_ns):
                break
            self.step(next_ns)
        if end_ns is not None:
            self.now_ns = end_ns

    def run_until(self, event: Any, limit_ns: int = 300 * S) -> None:
        """Run until event() holds; AssertionError if it never does within limit_ns."""
        end_ns = self.now_ns + limit_ns
        while not event():
            next_ns = self.next_ns()
            assert next_ns is not None, self.drawing()
            assert next_ns <= end_ns, self.drawing()
            self.step(next_ns)

    def lines(self, source: str, target: str) -> list[str]:
        """What one party sent another: method or status of each message, in order."""
        found = []
        for _at, a, b, line in self.ladder:
            if (a, b) == (source, target):
                words = line.decode("latin-1").split(" ")
                found.append(words[1] if words[0] == "SIP/2.0" else words[0])
        return found

    def drawing(self) -> str:
        """The ladder as text, for a failure."""
        return "\n".join(
            f"{(at - S) / MS:10.3f} ms  {a:>10} → {b:<10} {line.decode('latin-1')}"
            for at, a, b, line in self.ladder
        )

    def assert_clean(self) -> None:
        """Run to the end: every party but the dead must have nothing left alive."""
        self.run()
        for party in self.parties.values():
            if isinstance(party, Party) and party.address not in self.dead:
                left = party.leftovers()
                assert not any(left.values()), f"{party.name}: {left}\n{self.drawing()}"
                assert party.endpoint.statistics()["faults"] == 0, self.drawing()
