"""Server transactions (RFC 3261 §17.2, figures 7 and 8, as amended by RFC 6026 §7.1). Sans-IO.

INVITE (figure 7 with the Accepted state of RFC 6026):     non-INVITE (figure 8):

    INVITE ──► PROCEEDING ── TU 2xx ──► ACCEPTED           request ──► TRYING
                  │ TU 300–699             │ L                           │ TU 1xx
                  ▼ G, H                   ▼                             ▼
              COMPLETED ── H ──────────► ends                        PROCEEDING
                  │ ACK                    ▲                             │ TU 200–699
                  ▼ I                      │                             ▼ J
              CONFIRMED ── I ──────────────┘                         COMPLETED ── J ──► ends

The 2xx itself is sent again by the leg until its ACK (RFC 3261 §13.3.1.4), not from here.
"""

from typing import TYPE_CHECKING

from sip.timers import Lanes
from sip.transaction import (
    ACCEPTED,
    ARM_G,
    ARM_H,
    ARM_I,
    ARM_J,
    ARM_L,
    COMPLETED,
    CONFIRMED,
    IN_ACK,
    IN_INVITE,
    IN_REQUEST,
    PROCEEDING,
    RESEND,
    SEND,
    TELL,
    TERMINATED,
    TIMER_G,
    TIMER_H,
    TIMER_I,
    TIMER_J,
    TIMER_L,
    TRANSPORT_ERROR,
    TRYING,
    TU_1XX,
    TU_2XX,
    TU_3XX_6XX,
    Table,
    Timing,
    Transaction,
    flatten,
)

if TYPE_CHECKING:
    from sip.signals import Flow

INVITE_SERVER: Table = {
    PROCEEDING: {
        IN_INVITE: (PROCEEDING, RESEND),
        TU_1XX: (PROCEEDING, SEND),
        TU_2XX: (ACCEPTED, SEND | ARM_L),
        TU_3XX_6XX: (COMPLETED, SEND | ARM_G | ARM_H),
        TRANSPORT_ERROR: (PROCEEDING, TELL),
    },
    ACCEPTED: {
        IN_INVITE: (ACCEPTED, 0),
        IN_ACK: (ACCEPTED, TELL),
        TU_2XX: (ACCEPTED, SEND),
        TRANSPORT_ERROR: (ACCEPTED, TELL),
        TIMER_L: (TERMINATED, 0),
    },
    COMPLETED: {
        IN_INVITE: (COMPLETED, RESEND),
        IN_ACK: (CONFIRMED, ARM_I),
        TIMER_G: (COMPLETED, RESEND | ARM_G),
        TIMER_H: (TERMINATED, TELL),
        TRANSPORT_ERROR: (COMPLETED, TELL),
    },
    CONFIRMED: {IN_ACK: (CONFIRMED, 0), TIMER_I: (TERMINATED, 0)},
    TERMINATED: {},
}

# A final response in Completed is discarded, by the letter of §17.2.2.
NON_INVITE_SERVER: Table = {
    TRYING: {
        IN_REQUEST: (TRYING, 0),
        TU_1XX: (PROCEEDING, SEND),
        TU_2XX: (COMPLETED, SEND | ARM_J),
        TU_3XX_6XX: (COMPLETED, SEND | ARM_J),
    },
    PROCEEDING: {
        IN_REQUEST: (PROCEEDING, RESEND),
        TU_1XX: (PROCEEDING, SEND),
        TU_2XX: (COMPLETED, SEND | ARM_J),
        TU_3XX_6XX: (COMPLETED, SEND | ARM_J),
        TRANSPORT_ERROR: (TERMINATED, TELL),
    },
    COMPLETED: {
        IN_REQUEST: (COMPLETED, RESEND),
        TU_2XX: (COMPLETED, 0),
        TU_3XX_6XX: (COMPLETED, 0),
        TRANSPORT_ERROR: (TERMINATED, TELL),
        TIMER_J: (TERMINATED, 0),
    },
    TERMINATED: {},
}

INVITE_CELLS = flatten(INVITE_SERVER)
NON_INVITE_CELLS = flatten(NON_INVITE_SERVER)


class ServerTransaction(Transaction):
    """A request that came in.

    key: what matches its retransmissions (RFC 3261 §17.2.3). merge_key: what matches the same
    request over another path (§8.2.2.2), 0 where that is not asked. response: last one sent,
    b"" in Accepted. flow: where responses go (§18.2.2).
    """

    __slots__ = ("key", "merge_key", "response")

    def __init__(
        self, invite: bool, method: int, key: bytes, flow: "Flow", reliable: bool
    ) -> None:
        super().__init__(INVITE_CELLS if invite else NON_INVITE_CELLS, method, flow, reliable)
        self.state = PROCEEDING if invite else TRYING
        self.key = key
        self.merge_key = 0
        self.response = b""

    def answer(self, status: int, lanes: Lanes, timing: Timing, now_ns: int) -> int:
        """Take a response of `status` (100–699) from our transaction user.

        Returns the actions left. Raises LocalProtocolError where the machine has no such cell.
        """
        if status < 200:
            return self.advance(TU_1XX, lanes, timing, now_ns)
        if status < 300:
            return self.advance(TU_2XX, lanes, timing, now_ns)
        return self.advance(TU_3XX_6XX, lanes, timing, now_ns)
