"""The pump between a real desk and an endpoint that refuses one command."""

from typing import Any

from dce.pump import Pump
from sip.signals import CallOffered, Dial, Flow, Reject
from storage.fact_types import FACT_OF_TYPE, FACT_TYPES
from tests.exchange.trading import CALLER, NUMBER, US, DeskWithDisk, document
from vocabulary.errors import LocalProtocolError
from vocabulary.facts import CallClosed


class Stubborn:
    """An endpoint that offers what it is told to and refuses one kind of command once."""

    def __init__(self, refused: type) -> None:
        self.refused = refused
        self.notices: list[Any] = []
        self.performed: list[Any] = []

    def receive(self, data: Any, flow: Flow, now_ns: int) -> None:
        self.notices.append(data)

    def perform(self, command: Any, now_ns: int) -> None:
        if type(command) is self.refused:
            self.refused = type(None)
            raise LocalProtocolError("the leg's state does not allow it")
        self.performed.append(command)

    def drain(self) -> tuple[list[Any], list[Any]]:
        notices, self.notices = self.notices, []
        return [], notices

    def expire(self, now_ns: int) -> None:
        """No timers."""

    def deadline(self) -> int | None:
        return None


class Stopped:
    """A clock and a loop that stand still."""

    def now_ns(self) -> int:
        return 2_000_000_000

    def call_later(self, delay_s: float, call: Any) -> "Stopped":
        return self

    def cancel(self) -> None:
        """Nothing runs."""


def offered(leg: int) -> CallOffered:
    flow = Flow("UDP", *CALLER, *US)
    return CallOffered(leg=leg, flow=flow, call_id=b"c%d" % leg, uri=b"sip:%b@x" % NUMBER,
                       to_uri=b"sip:x@x", from_uri=b"sip:+12125550199@x")


def test_a_refused_command_ends_its_call_only_and_the_batch_goes_on() -> None:
    desk = DeskWithDisk(document(3)).desk
    desk.market.balances.credit_balance(0, 10**9)
    desk.out.clear()
    desk.emitted = 0
    endpoint = Stubborn(Dial)
    facts: list[tuple[int, int]] = []
    still = Stopped()
    pump = Pump(still, still, endpoint, desk, send=lambda sends: None,  # type: ignore[arg-type]
                append=lambda seq, kind, data: facts.append((seq, kind)),
                encode=lambda fact: b"", kinds=dict(FACT_TYPES))
    first = desk.seq + 1

    pump.batch([offered(2), None, offered(4), None])

    assert pump.refused == 1
    assert [type(command) for command in endpoint.performed].count(Dial) == 1
    assert Reject(2, 500) in endpoint.performed
    assert [call.a_leg for call in desk.calls.values()] == [4]
    assert [seq for seq, _ in facts] == list(range(first, first + len(facts)))
    assert [FACT_OF_TYPE[kind] for _, kind in facts].count(CallClosed) == 1
    assert desk.counters["faults"] == 1
    assert desk.counters["calls_failed"] == 1
    assert not pump.overruns
