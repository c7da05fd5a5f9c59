# cython: boundscheck=False
"""One call as the desk holds it: what was offered, the ladder, the attempt in hand, the money.

Everything here is a value or belongs to this call alone. The state moves only through
`advance`, which reads the table of exchange.states.
"""

from accounts.terms import Terms
from exchange.states import ABSENT, CELLS, DIALING, INPUTS
from exchange.ways import Way
from sip.timers import Owner
from vocabulary.facts import Attempt, CapUse, LadderEntry, Personal

NS_PER_US = 1_000


class CallTimer(Owner):
    """Owner of a call's timers; names the call by serial so that a lane keeps no call alive."""

    __slots__ = ("serial",)

    def __init__(self, serial: int) -> None:
        super().__init__()
        self.serial = serial


class Reservation:
    """What one ladder entry took in one step: caps, concurrency, money, budget (rule 13).

    unit: a unit of the target's concurrency is still here; dialling hands it on to the leg,
    and it comes back when that leg ends. All else is committed or released here, once.
    """

    __slots__ = (
        "bid_id", "bid_slot", "buyer_slot", "caps", "hold_micros", "price_micros", "target", "unit",
    )

    def __init__(
        self,
        target: str,
        buyer_slot: int,
        bid_id: str,
        bid_slot: int,
        price_micros: int,
        hold_micros: int,
        caps: tuple[CapUse, ...],
    ) -> None:
        self.target = target
        self.buyer_slot = buyer_slot
        self.bid_id = bid_id
        self.bid_slot = bid_slot  # where the book held it; the id decides
        self.price_micros = price_micros
        self.hold_micros = hold_micros
        self.caps = caps
        self.unit = True


class Call:
    """State and record of one call. Instants are engine ns, 0 = never; see CallClosed."""

    __slots__ = (
        "a_leg",
        "answer_body",
        "answer_type",
        "answered_ns",
        "arrived_ns",
        "attempt_no",
        "attempts",
        "auction_id",
        "b_leg",
        "best_status",
        "bid_slots",
        "body",
        "body_type",
        "call_id",
        "caller",
        "campaign",
        "campaign_caps",
        "campaign_unit",
        "currency",
        "decided_ns",
        "display",
        "ended_ns",
        "entry",
        "gateway_at",
        "hangup",
        "heard",
        "held",
        "invited_ns",
        "ladder",
        "ladder_end_ns",
        "ladder_timer",
        "max_forwards",
        "no_response_ns",
        "number",
        "personal",
        "publisher",
        "rang_ns",
        "ring_ns",
        "ringing_ns",
        "sent",
        "serial",
        "setup_end_ns",
        "start_seq",
        "state",
        "subject",
        "terms",
        "timer",
        "trunk",
        "wall_ns",
        "ways",
    )

    def __init__(self, serial: int, a_leg: int, arrived_ns: int, wall_ns: int) -> None:
        self.serial = serial
        self.a_leg = a_leg
        self.b_leg = 0
        self.state = DIALING
        self.arrived_ns = arrived_ns
        self.wall_ns = wall_ns
        self.call_id = b""
        self.auction_id = b""
        self.trunk = ""
        self.publisher = ""
        self.campaign = ""
        self.number = ""
        self.caller = ""
        self.display = b""
        self.subject = bytes(16)
        self.personal = Personal()
        self.currency = ""
        self.terms: Terms | None = None
        self.body = b""
        self.body_type = b""
        self.max_forwards = 70
        self.ladder: tuple[LadderEntry, ...] = ()
        self.bid_slots: tuple[int, ...] = ()  # of the ladder, as the auction found them
        self.entry = -1  # index on the ladder of the entry in hand
        self.ways: tuple[Way, ...] = ()  # to the target in hand, in dialling order
        self.gateway_at = 0
        self.held: Reservation | None = None
        self.campaign_caps: tuple[CapUse, ...] = ()
        self.campaign_unit = False  # a unit of the campaign's concurrency is taken
        self.attempt_no = 0
        self.attempts: tuple[Attempt, ...] = ()
        self.best_status = 0
        self.decided_ns = 0
        self.invited_ns = 0
        self.heard = False  # any response to the attempt in hand
        self.rang_ns = 0  # of the attempt in hand
        self.ringing_ns = 0  # first 18x of any attempt
        self.answered_ns = 0
        self.ended_ns = 0
        self.answer_body = b""
        self.answer_type = b""
        self.start_seq = 0
        self.sent = False  # our 200 left
        self.hangup = 0
        self.no_response_ns = 0
        self.ring_ns = 0
        self.ladder_end_ns = 0
        self.setup_end_ns = 0
        self.timer = CallTimer(serial)  # of the attempt in hand, then of the disk
        self.ladder_timer = CallTimer(serial)  # of all attempts together

    def advance(self, what: int) -> bool:
        """Move by the table; False (and no move) where the table has no cell."""
        after = CELLS[self.state * INPUTS + what]
        if after == ABSENT:
            return False
        self.state = after
        return True

    def offset_us(self, instant_ns: int) -> int:
        """µs since arrival of an engine instant, −1 if it never happened."""
        return (instant_ns - self.arrived_ns) // NS_PER_US if instant_ns else -1

    def attempt(self, status: int, cause: str, ended_ns: int) -> Attempt:
        """The record of the attempt in hand."""
        way = self.ways[self.gateway_at] if 0 <= self.gateway_at < len(self.ways) else None
        return Attempt(
            self.attempt_no,
            self.entry,
            self.ladder[self.entry].target,
            way.name if way else "",
            status,
            cause,
            self.offset_us(self.invited_ns),
            self.offset_us(self.rang_ns),
            self.offset_us(self.answered_ns),
            self.offset_us(ended_ns),
        )
