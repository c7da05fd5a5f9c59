"""One call brought into any state by the desk's own functions, without an endpoint."""

from typing import Any

from exchange import flowing, ladder
from exchange.call import Call
from exchange.desk import RECEIVERS
from exchange.states import (
    ACKED,
    ANSWERED,
    ANSWERING,
    BUYER_ENDED,
    CALLER_ENDED,
    CANCELED,
    CLOSED,
    CONFIRMING,
    CONNECTED,
    DIALING,
    DURABLE,
    EMPTY,
    ENDING,
    FAILED,
    ORPHANED,
    PROGRESS,
    RINGING,
    UNACKED,
    UNDURABLE,
)
from sip.signals import (
    By,
    CallCanceled,
    CallOffered,
    Cause,
    Flow,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
)
from tests.exchange.trading import CALLER, NUMBER, US, DeskWithDisk, document
from tests.routing.plans import Document
from tests.sim.wire import S
from vocabulary.reasons import Refused

A_LEG = 2
START_NS = 5 * S
TALK_NS = 30 * S  # over the plan's ten seconds: whoever may be charged is

PATHS = {  # what was received on the way into each state
    DIALING: (),
    RINGING: (PROGRESS,),
    ANSWERING: (ANSWERED,),
    ORPHANED: (ANSWERED, BUYER_ENDED),
    CONFIRMING: (ANSWERED, DURABLE),
    CONNECTED: (ANSWERED, DURABLE, ACKED),
    ENDING: (ANSWERED, DURABLE, BUYER_ENDED),
    CLOSED: (CANCELED,),
}

class Walk:
    """One call, brought into a state by the desk's own functions, without an endpoint."""

    def __init__(self, state: int, plan: Document | None = None) -> None:
        self.kept = DeskWithDisk(plan or document(3))
        self.desk = self.kept.desk
        for buyer in list(self.desk.market.slots.buyers):
            self.kept.top_up(buyer, 1_000)
        self.now_ns = START_NS
        self.desk.receive(offer(), self.now_ns)
        self.call: Call = self.desk.legs[A_LEG]
        for what in PATHS[state]:
            self.feed(what)
        assert self.call.state == state
        self.drain()

    def drain(self) -> list[Any]:
        """What the desk has to say now."""
        self.desk.emitted = 0
        return self.desk.drain()

    def feed(self, what: int) -> None:
        """Give one input; both ends of a talk lie TALK_NS after the answer."""
        desk, call = self.desk, self.call
        if what in (BUYER_ENDED, CALLER_ENDED) and call.state != ANSWERING:
            self.now_ns += TALK_NS
        if what == DURABLE:
            flowing.durable(desk, call, self.now_ns)
        elif what == UNDURABLE:
            flowing.undurable(desk, call, Refused.JOURNAL_LATE, self.now_ns)
        elif what == EMPTY:
            self.now_ns = call.ladder_end_ns
            ladder.attempt_timed_out(desk, call, ladder.LADDER_TIMER, self.now_ns)
        else:
            notice = self.notice(what)
            RECEIVERS[type(notice)](desk, call, notice, self.now_ns)

    def notice(self, what: int) -> Any:
        """What the endpoint says for an input."""
        leg = self.call.b_leg
        return {
            PROGRESS: LegProgress(leg, 180, b"t"),
            FAILED: LegFailed(leg, 486, Cause.RESPONSE),
            ANSWERED: LegAnswered(leg, 200, b"v=0", b"application/sdp"),
            CANCELED: CallCanceled(A_LEG),
            ACKED: LegAcked(A_LEG),
            BUYER_ENDED: LegEnded(leg, By.REMOTE),
            CALLER_ENDED: LegEnded(A_LEG, By.REMOTE),
            UNACKED: LegEnded(A_LEG, By.NO_ACK),
        }[what]


def offer(leg: int = A_LEG) -> CallOffered:
    """An INVITE from the plan's trunk to its number."""
    uri = b"sip:%b@192.0.2.1" % NUMBER
    return CallOffered(
        leg, flow=Flow("UDP", *CALLER, *US), call_id=b"c1", uri=uri, to_uri=uri,
        from_uri=b"sip:+12125550199@192.0.2.10", body=b"v=0", content_type=b"application/sdp",
    )


def names(outputs: list[Any]) -> list[str]:
    """Type of each output, in order."""
    return [type(output).__name__ for output in outputs]


def money(walk: Walk) -> tuple[list[int], list[int], int]:
    """Balances, holds and the number of holds."""
    balances = walk.desk.market.balances
    return list(balances.balance), list(balances.held), balances.holds_live
