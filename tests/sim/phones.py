"""Desks for simulated parties: a caller, a buyer, and a tiny exchange between them.

They answer notices with commands, as the real desk does, and do nothing else.
"""

import heapq
from typing import Any

from sip.signals import (
    Acknowledge,
    Answer,
    By,
    CallCanceled,
    CallOffered,
    Cancel,
    Command,
    Dial,
    Flow,
    Hangup,
    Join,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
    LegReleased,
    Notice,
    Reject,
    Ring,
)

SDP = b"application/sdp"
OFFER = b"v=0\r\no=caller 1 1 IN IP4 192.0.2.10\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = b"v=0\r\no=buyer 1 1 IN IP4 192.0.2.20\r\ns=-\r\nm=audio 5000 RTP/AVP 0\r\n"
NUMBER = b"+15550100"


class TimedDesk:
    """A desk with an agenda: commands due now and later."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.agenda: list[tuple[int, int, Command]] = []
        self.count = 0
        self.released: list[int] = []

    def say(self, *commands: Command) -> None:
        """Give commands now."""
        self.commands += commands

    def later(self, at_ns: int, command: Command) -> None:
        """Give a command at an instant."""
        self.count += 1
        heapq.heappush(self.agenda, (at_ns, self.count, command))

    def drain(self) -> list[Command]:
        commands, self.commands = self.commands, []
        return commands

    def deadline(self) -> int | None:
        return self.agenda[0][0] if self.agenda else None

    def expire(self, now_ns: int) -> None:
        while self.agenda and self.agenda[0][0] <= now_ns:
            self.commands.append(heapq.heappop(self.agenda)[2])

    def receive(self, notice: Notice, now_ns: int) -> None:
        if isinstance(notice, LegReleased):
            assert notice.leg not in self.released, "released twice"
            self.released.append(notice.leg)
        else:
            assert notice.leg not in self.released, f"{notice} after LegReleased"
        getattr(self, type(notice).__name__, ignore)(notice, now_ns)


def ignore(_notice: Notice, _now_ns: int) -> None:
    """A notice that a desk does not care about."""


class Caller(TimedDesk):
    """Dials when told to; hangs up talk_ns after the answer (None: never).

    cancel_on: status of a provisional response at which it gives up. answer: what it puts into
    the ACK of a call that it placed without an offer.
    """

    def __init__(
        self, talk_ns: int | None = None, cancel_on: int = 0, answer: bytes = b""
    ) -> None:
        super().__init__()
        self.talk_ns = talk_ns
        self.cancel_on = cancel_on
        self.answer = answer

    def call(self, flow: Flow, leg: int = 1, body: bytes = OFFER, **fields: Any) -> Dial:
        """The command that places a call."""
        return Dial(
            leg=leg, flow=flow, uri=b"sip:%b@%b" % (NUMBER, flow.host.encode()), from_user=b"alice",
            body=body, content_type=SDP if body else b"", **fields,
        )  # fmt: skip

    def LegProgress(self, notice: LegProgress, _now_ns: int) -> None:
        if notice.status == self.cancel_on:
            self.say(Cancel(notice.leg))

    def LegAnswered(self, notice: LegAnswered, now_ns: int) -> None:
        if self.answer:
            self.say(Acknowledge(notice.leg, self.answer, SDP))
        if self.talk_ns is not None:
            self.later(now_ns + self.talk_ns, Hangup(notice.leg))


class Buyer(TimedDesk):
    """Rings and answers; or rejects (reject > 0); or never does anything (ring_ns None)."""

    def __init__(
        self,
        ring_ns: int | None = 1_000_000_000,
        reject: int = 0,
        talk_ns: int | None = None,
        early: bytes = b"",
        answer: bytes = ANSWER,
    ) -> None:
        super().__init__()
        self.ring_ns = ring_ns
        self.reject = reject
        self.talk_ns = talk_ns
        self.early = early
        self.answer = answer

    def CallOffered(self, notice: CallOffered, now_ns: int) -> None:
        if self.reject:
            self.say(Reject(notice.leg, self.reject))
            return
        status = 183 if self.early else 180
        self.say(Ring(notice.leg, status, 0, self.early, SDP if self.early else b""))
        if self.ring_ns is not None:
            answer = Answer(notice.leg, body=self.answer, content_type=SDP)
            self.later(now_ns + self.ring_ns, answer)

    def CallCanceled(self, notice: CallCanceled, _now_ns: int) -> None:
        self.agenda = [entry for entry in self.agenda if getattr(entry[2], "leg", 0) != notice.leg]

    def LegAcked(self, notice: LegAcked, now_ns: int) -> None:
        if self.talk_ns is not None:
            self.later(now_ns + self.talk_ns, Hangup(notice.leg))


class Exchange(TimedDesk):
    """A tiny desk: tries the buyers in order, relays, joins, and ends both sides together.

    durable_ns: how long our 200 waits for its record, as that of the real desk does.
    calls: caller's leg → [buyer's leg or 0, attempt].
    """

    def __init__(self, buyers: list[Flow], durable_ns: int = 0, ring_ns: int = 0) -> None:
        super().__init__()
        self.buyers = buyers
        self.durable_ns = durable_ns
        self.ring_ns = ring_ns
        self.offers: dict[int, CallOffered] = {}
        self.caller_of: dict[int, int] = {}
        self.buyer_of: dict[int, int] = {}
        self.attempt: dict[int, int] = {}
        self.next_leg = -1
        self.answered: set[int] = set()
        self.ends: list[tuple[int, By]] = []

    def CallOffered(self, notice: CallOffered, now_ns: int) -> None:
        self.offers[notice.leg] = notice
        self.attempt[notice.leg] = -1
        self.dial_next(notice.leg, now_ns, 480)

    def dial_next(self, caller: int, now_ns: int, status: int) -> None:
        """Dial the next buyer, or tell the caller that there is none."""
        self.attempt[caller] += 1
        if self.attempt[caller] >= len(self.buyers):
            self.say(Reject(caller, status))
            return
        self.next_leg += 2
        leg = self.next_leg
        self.caller_of[leg] = caller
        self.buyer_of[caller] = leg
        offer = self.offers[caller]
        flow = self.buyers[self.attempt[caller]]
        uri = b"sip:buyer@%b:%d" % (flow.host.encode(), flow.port)
        self.say(
            Dial(
                leg=leg, flow=flow, uri=uri, from_user=b"alice", body=offer.body,
                content_type=offer.content_type, parent=caller,
                max_forwards=offer.max_forwards - 1,
            )
        )  # fmt: skip
        if self.ring_ns:
            self.later(now_ns + self.ring_ns, Cancel(leg))

    def LegProgress(self, notice: LegProgress, _now_ns: int) -> None:
        caller = self.caller_of[notice.leg]
        if notice.status > 100 and self.buyer_of.get(caller) == notice.leg:
            attempt = self.attempt[caller]
            self.say(Ring(caller, notice.status, attempt, notice.body, notice.content_type))

    def LegAnswered(self, notice: LegAnswered, now_ns: int) -> None:
        caller = self.caller_of[notice.leg]
        if caller in self.released:
            self.say(Hangup(notice.leg))
            return
        self.answered.add(caller)
        self.say(Join(caller, notice.leg))
        answer = Answer(caller, self.attempt[caller], notice.body, notice.content_type)
        if self.durable_ns:
            self.later(now_ns + self.durable_ns, answer)
        else:
            self.say(answer)

    def LegFailed(self, notice: LegFailed, now_ns: int) -> None:
        caller = self.caller_of[notice.leg]
        if caller not in self.released and self.buyer_of.get(caller) == notice.leg:
            self.dial_next(caller, now_ns, notice.status)

    def CallCanceled(self, notice: CallCanceled, _now_ns: int) -> None:
        leg = self.buyer_of.pop(notice.leg, 0)
        if leg and leg not in self.released:
            self.say(Cancel(leg))

    def LegEnded(self, notice: LegEnded, _now_ns: int) -> None:
        self.ends.append((notice.leg, notice.by))
