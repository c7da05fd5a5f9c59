"""Client transactions (RFC 3261 §17.1, figures 5 and 6, as amended by RFC 6026 §7.2). Sans-IO.

INVITE (figure 5 with the Accepted state of RFC 6026):

            TU INVITE                       non-INVITE (figure 6):
                │ SEND, A, B                        TU request
                ▼                                       │ SEND, E, F
    ┌────── CALLING ──────┐                             ▼
    │ 1xx      │ 2xx      │ 300–699          ┌──── TRYING ────┐
    ▼          ▼          ▼ ACK              │ 1xx            │ 200–699
 PROCEEDING → ACCEPTED  COMPLETED            ▼                ▼
    └──── 300–699, ACK ───▲ D            PROCEEDING ───────► COMPLETED
               │ M        │                 └── F ──► ends ◄── K ──┘
               └► ends ◄──┘
"""

from typing import TYPE_CHECKING

from sip.timers import Lanes
from sip.transaction import (
    ACCEPTED,
    ARM_A,
    ARM_B,
    ARM_D,
    ARM_E,
    ARM_F,
    ARM_K,
    ARM_M,
    CALLING,
    COMPLETED,
    IN_1XX,
    IN_2XX,
    IN_3XX_6XX,
    INITIAL,
    KEEP,
    PROCEEDING,
    RESEND,
    SEND,
    SEND_ACK,
    TELL,
    TERMINATED,
    TIMER_A,
    TIMER_B,
    TIMER_D,
    TIMER_E,
    TIMER_F,
    TIMER_K,
    TIMER_M,
    TRANSPORT_ERROR,
    TRYING,
    TU_REQUEST,
    Table,
    Timing,
    Transaction,
    flatten,
)

if TYPE_CHECKING:
    from sip.leg import Pending
    from sip.signals import Flow

# Not in the figure: a lost connection also ends Proceeding, where we send nothing. The response
# would have come back on it, and a buyer that we cannot hear is a failed attempt.
INVITE_CLIENT: Table = {
    INITIAL: {TU_REQUEST: (CALLING, SEND | ARM_A | ARM_B)},
    CALLING: {
        IN_1XX: (PROCEEDING, TELL),
        IN_2XX: (ACCEPTED, TELL | ARM_M),
        IN_3XX_6XX: (COMPLETED, TELL | SEND_ACK | ARM_D),
        TIMER_A: (CALLING, RESEND | ARM_A),
        TIMER_B: (TERMINATED, TELL),
        TRANSPORT_ERROR: (TERMINATED, TELL),
    },
    PROCEEDING: {
        IN_1XX: (PROCEEDING, TELL),
        IN_2XX: (ACCEPTED, TELL | ARM_M),
        IN_3XX_6XX: (COMPLETED, TELL | SEND_ACK | ARM_D),
        TRANSPORT_ERROR: (TERMINATED, TELL),
    },
    COMPLETED: {
        IN_3XX_6XX: (COMPLETED, SEND_ACK),
        TIMER_D: (TERMINATED, 0),
        TRANSPORT_ERROR: (TERMINATED, 0),
    },
    ACCEPTED: {IN_2XX: (ACCEPTED, TELL), TIMER_M: (TERMINATED, 0)},
    TERMINATED: {},
}

# E and F run on into Proceeding (§17.1.2.2); only the gap of E becomes T2 there.
NON_INVITE_CLIENT: Table = {
    INITIAL: {TU_REQUEST: (TRYING, SEND | ARM_E | ARM_F)},
    TRYING: {
        IN_1XX: (PROCEEDING, TELL | KEEP),
        IN_2XX: (COMPLETED, TELL | ARM_K),
        IN_3XX_6XX: (COMPLETED, TELL | ARM_K),
        TIMER_E: (TRYING, RESEND | ARM_E),
        TIMER_F: (TERMINATED, TELL),
        TRANSPORT_ERROR: (TERMINATED, TELL),
    },
    PROCEEDING: {
        IN_1XX: (PROCEEDING, TELL),
        IN_2XX: (COMPLETED, TELL | ARM_K),
        IN_3XX_6XX: (COMPLETED, TELL | ARM_K),
        TIMER_E: (PROCEEDING, RESEND | ARM_E),
        TIMER_F: (TERMINATED, TELL),
        TRANSPORT_ERROR: (TERMINATED, TELL),
    },
    COMPLETED: {TIMER_K: (TERMINATED, 0)},
    TERMINATED: {},
}

INVITE_CELLS = flatten(INVITE_CLIENT)
NON_INVITE_CELLS = flatten(NON_INVITE_CLIENT)

# What a transaction was started for: who of us reads its responses.
FOR_CALL = 0  # the INVITE that opens a leg
FOR_REFRESH = 1  # a re-INVITE
FOR_RELAY = 2  # INFO or OPTIONS passed on for the joined leg
FOR_BYE = 3
FOR_CANCEL = 4
FOR_NOBODY = 5


class ClientTransaction(Transaction):
    """A request of ours.

    branch: its key. request: bytes to send again, dropped when no longer due. tail: what the
    ACK of a failure and the CANCEL have in common with the INVITE, from the blank before the
    Request-URI through Call-ID; to: its To line; cseq: its number. ack: bytes of the ACK,
    of a 2xx for To tag `tag`; further tags (forks) in `acks`. origin: the request of the joined
    leg that this one passes on. waits: sent, and no final response yet.
    """

    __slots__ = (
        "ack", "acks", "branch", "cseq", "origin", "purpose", "request", "tag", "tail", "to",
        "waits",
    )  # fmt: skip

    def __init__(
        self, invite: bool, method: int, branch: bytes, flow: "Flow", reliable: bool
    ) -> None:
        super().__init__(INVITE_CELLS if invite else NON_INVITE_CELLS, method, flow, reliable)
        self.branch = branch
        self.purpose = FOR_NOBODY
        self.waits = False
        self.request = b""
        self.tail = b""
        self.to = b""
        self.cseq = 0
        self.ack = b""
        self.tag = b""
        self.acks: dict[bytes, bytes] | None = None
        self.origin: Pending | None = None

    def respond(self, status: int, lanes: Lanes, timing: Timing, now_ns: int) -> int:
        """Take a response of `status` (100–699). Returns the actions left, or IGNORED."""
        if status < 200:
            return self.advance(IN_1XX, lanes, timing, now_ns)
        if status < 300:
            return self.advance(IN_2XX, lanes, timing, now_ns)
        return self.advance(IN_3XX_6XX, lanes, timing, now_ns)

    def shrink(self) -> None:
        """Keep what a finished transaction may still send: the ACK, nothing else."""
        self.request = b""
        self.tail = b""
        self.to = b""
        self.leg = None
        self.origin = None
