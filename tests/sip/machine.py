"""A bench for one transaction: lanes, a clock that jumps, and a log of what it wants done."""

from sip import transaction as t
from sip.signals import Flow
from sip.timers import Lanes
from sip.transaction import Table, Timing, Transaction

MS = 1_000_000
T1, T2, T4 = 500 * MS, 4_000 * MS, 5_000 * MS
FLOW = Flow("UDP", "192.0.2.1", 5060, "192.0.2.2", 5060)


class Bench:
    """Feeds inputs to one transaction and lets its timers fire."""

    def __init__(self, transaction: Transaction) -> None:
        self.transaction = transaction
        self.lanes = Lanes()
        self.timing = Timing(T1, T2, T4)
        self.now_ns = 0
        self.log: list[tuple[int, str]] = []  # (ms, what it wants done)

    def feed(self, event: int) -> int:
        """One input now. Returns the actions."""
        actions = self.transaction.advance(event, self.lanes, self.timing, self.now_ns)
        if actions != t.IGNORED:
            for bit, name in ((t.SEND, "send"), (t.RESEND, "send"), (t.SEND_ACK, "ack"),
                              (t.TELL, "tell")):  # fmt: skip
                if actions & bit:
                    self.log.append((self.now_ns // MS, name))
        return actions

    def run(self, until_ms: int = 10**9) -> None:
        """Fire timers as they come due, up to an instant or until none is left."""
        while True:
            due_ns = self.lanes.deadline()
            if due_ns is None or due_ns > until_ms * MS:
                return
            self.now_ns = due_ns
            assert self.lanes.pop(due_ns) is self.transaction
            self.feed(self.lanes.kind)

    def times(self, what: str) -> list[int]:
        """When it wanted something done, in ms."""
        return [at for at, name in self.log if name == what]


def cells(table: Table) -> list[tuple[int, int]]:
    """Every (state, input) of a machine, those without a cell included."""
    return [(state, event) for state in range(t.TERMINATED + 1) for event in range(t.INPUTS)]
