"""Phones that behave by chance: callers and buyers as a day brings them.

Every call is bounded by its parties: whoever talks hangs up some time, so that a world comes to
rest whatever its exchange forgot in a crash.
"""

import heapq
import random

from sip.signals import (
    Answer,
    CallCanceled,
    CallOffered,
    Cancel,
    Dial,
    Flow,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegReleased,
    Reject,
    Ring,
)
from tests.exchange.trading import NUMBER
from tests.sim.phones import ANSWER, OFFER, SDP, TimedDesk
from tests.sim.wire import MS, S

TALK_MAX_NS = 240 * S
RING_MAX_NS = 150 * S  # whoever hears nothing any more gives up


class CrowdDesk(TimedDesk):
    """An agenda whose commands are forgotten with their leg."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.live: set[int] = set()

    def expire(self, now_ns: int) -> None:
        count = len(self.commands)
        super().expire(now_ns)
        due, self.commands[count:] = self.commands[count:], []
        for command in due:
            if isinstance(command, Dial):
                self.live.add(command.leg)
                self.say(command)
            elif getattr(command, "leg", 0) in self.live:
                self.say(command)
                if isinstance(command, Answer):
                    self.forget(command.leg, Reject)
                elif isinstance(command, Hangup | Cancel | Reject):
                    self.live.discard(command.leg)

    def LegEnded(self, notice: LegEnded, _now_ns: int) -> None:
        self.live.discard(notice.leg)

    def LegReleased(self, notice: LegReleased, _now_ns: int) -> None:
        self.live.discard(notice.leg)

    def forget(self, leg: int, kind: type) -> None:
        """Take back what was to be done with a leg."""
        self.agenda = [
            entry for entry in self.agenda
            if not (isinstance(entry[2], kind) and getattr(entry[2], "leg", 0) == leg)
        ]
        heapq.heapify(self.agenda)

    def hang_up_later(self, leg: int, now_ns: int, least_ns: int = 0) -> None:
        """Sometimes the other side is left to hang up, but not for ever."""
        chance = self.chance
        talk_ns = least_ns + min(int(chance.expovariate(1 / (25 * S))), TALK_MAX_NS)
        self.later(now_ns + (talk_ns if chance.random() < 0.6 else 2 * TALK_MAX_NS), Hangup(leg))


class Callers(CrowdDesk):
    """Callers behind one trunk. Some give up while it rings, some call again when refused.

    answered, failed: legs of calls that were answered, and of those that were not; a call that
    is placed as `sure` does nothing by chance.
    """

    def __init__(self, seed: int, flow: Flow) -> None:
        super().__init__(f"callers {seed}")
        self.flow = flow
        self.placed = 0
        self.sure: set[int] = set()
        self.retries: dict[int, int] = {}
        self.answered: set[int] = set()
        self.failed: dict[int, int] = {}

    def place(
        self, at_ns: int, sure: bool = False, retries: int = 0, number: bytes = NUMBER
    ) -> int:
        """A call at an instant; its leg."""
        leg = 2 * self.placed + 1
        self.placed += 1
        if sure:
            self.sure.add(leg)
        self.retries[leg] = retries
        self.later(at_ns, Dial(
            leg=leg, flow=self.flow, uri=b"sip:%b@192.0.2.1" % number,
            from_user=b"+1212555%04d" % self.placed, body=OFFER, content_type=SDP,
        ))
        hasty = not sure and self.chance.random() < 0.2
        patience_ns = self.chance.randrange(10 * MS, 12 * S) if hasty else RING_MAX_NS
        self.later(at_ns + patience_ns, Cancel(leg))
        return leg

    def LegAnswered(self, notice: LegAnswered, now_ns: int) -> None:
        leg = notice.leg
        self.answered.add(leg)
        self.forget(leg, Cancel)
        if leg in self.sure:
            self.later(now_ns + 15 * S, Hangup(leg))
        else:
            self.hang_up_later(leg, now_ns)

    def LegFailed(self, notice: LegFailed, now_ns: int) -> None:
        self.failed[notice.leg] = notice.status
        self.live.discard(notice.leg)
        if self.retries[notice.leg] and notice.status != 487:
            self.place(
                now_ns + self.chance.randrange(S, 8 * S), retries=self.retries[notice.leg] - 1
            )


class Buyers(CrowdDesk):
    """Agents of one buyer. kind: everybody answers soon, from now on."""

    def __init__(self, seed: int, number: int) -> None:
        super().__init__(f"buyer {number} {seed}")
        self.kind = False

    def CallOffered(self, notice: CallOffered, now_ns: int) -> None:
        leg, chance = notice.leg, self.chance
        self.live.add(leg)
        draw = 1.0 if self.kind else chance.random()
        if draw < 0.22:
            self.live.discard(leg)
            self.say(Reject(leg, chance.choice((486, 486, 603, 503, 500))))
            return
        if draw > 0.3:
            self.say(Ring(leg, 180, 0, b"", b""))
        self.later(now_ns + RING_MAX_NS, Reject(leg, 480))
        if draw > 0.4:
            self.later(
                now_ns + chance.randrange(1, 3 * S if self.kind else 9 * S),
                Answer(leg, body=ANSWER, content_type=SDP),
            )

    def CallCanceled(self, notice: CallCanceled, _now_ns: int) -> None:
        self.live.discard(notice.leg)

    def LegAcked(self, notice: LegAcked, now_ns: int) -> None:
        self.hang_up_later(notice.leg, now_ns, 60 * S if self.kind else 0)

