"""The usual cast: a caller, the exchange under test, and buyers."""

from typing import Any

from sip.signals import LegReleased
from tests.sim.phones import Buyer, Caller, Exchange
from tests.sim.wire import Party, Wire, World

ALICE = ("192.0.2.10", 5060)
US = ("192.0.2.1", 5060)
BUYER = ("192.0.2.20", 5060)
SECOND = ("192.0.2.21", 5060)
TRANSPORTS = ("UDP", "TCP")


class Net:
    """alice ── exchange ── buyer [── second], as one object for a test."""

    def __init__(
        self,
        wire: Wire,
        caller: Caller | None = None,
        buyers: tuple[Any, ...] = (),
        transport: str = "UDP",
        durable_ns: int = 0,
        ring_ns: int = 0,
    ) -> None:
        self.world = world = World(wire, transport)
        self.buyers = []
        for name, address, desk in zip(
            ("buyer", "second"), (BUYER, SECOND), buyers or (Buyer(),), strict=False
        ):
            party = desk if hasattr(desk, "pump") else Party(name, address, desk)
            self.buyers.append(world.add(party))
        self.buyer: Any = self.buyers[0]
        flows = [world.flow(US, party.address) for party in self.buyers]
        self.desk = Exchange(flows, durable_ns, ring_ns)
        self.exchange: Party = world.add(Party("exchange", US, self.desk))
        self.alice: Any = world.add(Party("alice", ALICE, caller or Caller()))

    def call(self, leg: int = 1, **fields: Any) -> None:
        """Alice calls."""
        desk = self.alice.desk
        assert isinstance(desk, Caller)
        self.world.perform(self.alice, desk.call(self.world.flow(ALICE, US), leg, **fields))

    def finish(self) -> None:
        """Run to rest: nothing is left alive, and every leg was released exactly once."""
        self.world.assert_clean()
        for party in (self.alice, self.exchange, *self.buyers):
            if isinstance(party, Party) and party.address not in self.world.dead:
                released = [notice.leg for notice in party.seen(LegReleased)]
                legs = {notice.leg for notice in party.notices}
                assert sorted(released) == sorted(legs), self.world.drawing()
