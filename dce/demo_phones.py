"""Built-in phones of the demo: our own SIP core with a desk of a few lines, on real sockets.

```
sockets ─batch─► Phone ─► Endpoint ─notices─► BuyerPhone │ CallerPhone
   ▲               │ ◄──────sends, commands now or after some seconds
   └───────────────┘ ◄─ one timer for the endpoint's deadline
```
A phone runs on the event loop that it was opened on and keeps answering until it is closed.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, Self

from msgspec import Struct

from dce.demo_sdp import CONTENT_TYPE, answer_offer, make_offer
from dce.demo_trace import Trace
from sip.edge.address import bracketed
from sip.edge.driver import ListenSpec, Sockets
from sip.endpoint import Endpoint
from sip.signals import (
    Answer,
    By,
    CallOffered,
    Cancel,
    Command,
    Dial,
    Flow,
    FlowLost,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
    Notice,
    Reject,
    Ring,
)
from sip.uri import user_of
from vocabulary.limits import NS_PER_S

SECRET_BYTES = 32
NOT_ACCEPTABLE = 488
CALLER = "caller"
BUYER = "buyer"


class Manner(Struct, frozen=True, gc=False):
    """How a buyer's phone treats one call.

    reject: final status at once, 0 for none. early: it rings with 183 and SDP instead of 180.
    ring_s: seconds until it answers, below 0 never. talk_s: seconds until it hangs up, 0 never.
    """

    reject: int = 0
    early: bool = False
    ring_s: float = 0.3
    talk_s: float = 0


SOFTPHONE_MANNER = Manner(ring_s=1.5)


class Phone:
    """One phone: an endpoint, its sockets and its clock. Subclasses hear notices."""

    def __init__(self, name: str, trace: Trace) -> None:
        self.name = name
        self.host = ""
        self._trace = trace
        self._endpoint = Endpoint(secrets.token_bytes(SECRET_BYTES), user_agent=b"dce demo phone")
        self._commands: list[Command] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sockets: Sockets | None = None

    async def open(self, host: str, port: int, key: str) -> Self:
        """Listen on host:port, UDP and TCP; port 0: one of the kernel's choice for each.

        Raises ConfigError naming `key` and the port's owner.
        """
        specs = [ListenSpec(transport, host, port, key) for transport in ("UDP", "TCP")]
        self._sockets = await Sockets.open(specs, "", self._batch, self._lost, self._loop)
        self.host = host
        return self

    def flow_to(self, transport: str, host: str, port: int) -> Flow:
        """The Flow on which to dial a literal address; the phone is open."""
        assert self._sockets is not None
        return self._sockets.flow_to(transport, host, port)

    def address(self, transport: str = "UDP") -> tuple[str, int]:
        """(host, port) of one of its sockets; the phone is open."""
        assert self._sockets is not None
        return next(
            (host, port) for name, host, port in self._sockets.addresses() if name == transport
        )

    async def close(self) -> None:
        """Close the sockets; nothing is heard afterwards."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sockets is not None:
            self._sockets.close()
            await self._sockets.wait_closed()
            self._sockets = None

    def hear(self, notice: Notice) -> None:
        """Take one notice of the endpoint; answer with `say` and `later`."""
        raise NotImplementedError(f"{type(self).__name__} says nothing to {type(notice).__name__}")

    def say(self, command: Command) -> None:
        """Give a command within the turn."""
        self._commands.append(command)

    def later(self, delay_s: float, command: Command) -> None:
        """Give a command after some seconds; too late for a leg that is gone, it does nothing."""
        self._loop.call_later(delay_s, self.do, command)

    def do(self, command: Command) -> None:
        """Give a command from outside a turn."""
        if self._sockets is not None:
            self._commands.append(command)
            self._turn()

    def _batch(self, received: list[Any]) -> None:
        now_ns = time.monotonic_ns()
        for data, flow in zip(received[::2], received[1::2], strict=True):
            self._trace.note(self.name, False, data, now_ns)
            self._endpoint.receive(data, flow, now_ns)
        self._turn()

    def _lost(self, flow: Flow, reason: str) -> None:
        self.do(FlowLost(flow, reason))

    def _turn(self) -> None:
        """Let endpoint and desk talk until neither has anything to say, then arm the timer."""
        now_ns = time.monotonic_ns()
        self._endpoint.expire(now_ns)
        while True:
            commands, self._commands = self._commands, []
            for command in commands:
                self._endpoint.perform(command, now_ns)
            sends, notices = self._endpoint.drain()
            self._send(sends, now_ns)
            for notice in notices:
                self.hear(notice)
            if not notices and not self._commands:
                break
        self._arm(now_ns)

    def _send(self, sends: list[Any], now_ns: int) -> None:
        for data in sends[1::2]:
            self._trace.note(self.name, True, data, now_ns)
        if sends and self._sockets is not None:
            self._sockets.send(sends)

    def _arm(self, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = self._endpoint.deadline()
        if due_ns is not None:
            self._timer = self._loop.call_later(max(0, due_ns - now_ns) / NS_PER_S, self._turn)


class BuyerPhone(Phone):
    """Answers calls, each in the manner set for its caller; other callers as softphones.

    heard: told (caller's user part, "rings" | "answered" | "ended") of calls by softphones.
    """

    def __init__(self, name: str, trace: Trace, manners: dict[str, Manner]) -> None:
        super().__init__(name, trace)
        self.heard: Callable[[str, str], None] | None = None
        self._manners = manners
        self._talks: dict[int, float] = {}
        self._guests: dict[int, str] = {}

    def hear(self, notice: Notice) -> None:
        """Ring and answer, or refuse; hang up when the manner says so."""
        leg = notice.leg
        if isinstance(notice, CallOffered):
            self._offered(notice)
        elif isinstance(notice, LegAcked):
            self._tell(leg, "answered")
            talk_s = self._talks.pop(leg, 0)
            if talk_s:
                self.later(talk_s, Hangup(leg))
        elif isinstance(notice, LegEnded):
            self._tell(leg, "ended")
            self._guests.pop(leg, None)

    def _offered(self, offer: CallOffered) -> None:
        caller = user_of(offer.from_uri).decode("utf-8", "replace")
        manner = self._manners.get(caller)
        if manner is None:
            manner = SOFTPHONE_MANNER
            self._guests[offer.leg] = caller
        if manner.reject:
            self.say(Reject(offer.leg, manner.reject))
            return
        body = answer_offer(offer.body, self.host, b"buyer")
        if not body:
            self._guests.pop(offer.leg, None)
            self.say(Reject(offer.leg, NOT_ACCEPTABLE))
            return
        early = (body, CONTENT_TYPE) if manner.early else (b"", b"")
        self.say(Ring(offer.leg, 183 if manner.early else 180, 0, *early))
        self._tell(offer.leg, "rings")
        if manner.ring_s >= 0:
            self._talks[offer.leg] = manner.talk_s
            self.later(manner.ring_s, Answer(offer.leg, 0, body, CONTENT_TYPE))

    def _tell(self, leg: int, what: str) -> None:
        if self.heard is not None and leg in self._guests:
            self.heard(self._guests[leg], what)


class PlacedCall:
    """What the caller's phone knows of one call.

    status: final status of its INVITE, 0 before. ended_by: "caller", "buyer" (the far side) or
    "" for a call that was never answered. answered, ended: set once each.
    """

    def __init__(self) -> None:
        self.status = 0
        self.ended_by = ""
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()


class Call(Struct, frozen=True, gc=False):
    """What a caller does. cancel_s: seconds after the first ringing at which it gives up, below 0
    never. talk_s: seconds after the answer at which it hangs up, 0 never."""

    caller: str
    number: str
    cancel_s: float = -1
    talk_s: float = 0
    sub_id: str = ""


class CallerPhone(Phone):
    """Places calls."""

    def __init__(self, name: str, trace: Trace) -> None:
        super().__init__(name, trace)
        self._calls: dict[int, tuple[Call, PlacedCall]] = {}
        self._next_leg = 1

    def place(self, call: Call, flow: Flow) -> PlacedCall:
        """Send the INVITE to the exchange at `flow`."""
        leg = self._next_leg
        self._next_leg += 2
        placed = PlacedCall()
        self._calls[leg] = (call, placed)
        host = f"{bracketed(flow.host)}:{flow.port}".encode()
        extra = ((b"X-Sub-ID", call.sub_id.encode()),) if call.sub_id else ()
        self.do(
            Dial(
                leg=leg, flow=flow, uri=b"sip:%b@%b" % (call.number.encode(), host),
                from_user=call.caller.encode(), extra=extra,
                body=make_offer(self.host, b"caller"), content_type=CONTENT_TYPE,
            )
        )
        return placed

    def hear(self, notice: Notice) -> None:
        """Give up, hang up, and note how the call ended."""
        leg = notice.leg
        if leg not in self._calls:
            return
        call, placed = self._calls[leg]
        if isinstance(notice, LegProgress):
            if notice.status > 100 and call.cancel_s >= 0:
                self.later(call.cancel_s, Cancel(leg))
        elif isinstance(notice, LegAnswered):
            placed.status = notice.status
            placed.answered.set()
            if call.talk_s:
                self.later(call.talk_s, Hangup(leg))
        elif isinstance(notice, LegFailed):
            placed.status = notice.status
            placed.ended.set()
            del self._calls[leg]
        elif isinstance(notice, LegEnded):
            placed.ended_by = CALLER if notice.by == By.LOCAL else BUYER
            placed.ended.set()
            del self._calls[leg]
