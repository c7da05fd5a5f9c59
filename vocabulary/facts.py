"""Facts: what the journal keeps for ever. One Struct a kind, append-only.

```
CallRouted ──► AttemptFailed* ──► CallAnswered ──► AnswerSent ──► CallClosed
   (auction)      (next buyer)     (durable before   (200 left)     (times, money, postings:
                                    the 200)                         complete in itself)
```
Encoded as MessagePack arrays, the tag first. A field is only ever appended, with a default, so
that an old journal stays readable. Instants: at_ns is engine time; wall_ns is Unix time. Whoever
can be a person is named by a subject id only; numbers, names and headers travel in `Personal`,
which the journal seals (AES-256-GCM) when it encodes the fact.
"""

from enum import IntEnum

from msgspec import Struct

from vocabulary.ids import SubjectId, Uuid


class Personal:
    """Numbers, names and headers of one call, readable until they are sealed.

    plain: (caller E.164 or raw, display name, dialled number, SIP Call-ID, source address);
    None once sealed or when no key opens it. sealed: nonce and ciphertext, b"" while plain.
    The journal fills `sealed` at the first encoding and every later fact repeats those bytes.
    """

    __slots__ = ("plain", "sealed")

    def __init__(
        self, plain: tuple[str, str, str, str, str] | None = None, sealed: bytes = b""
    ) -> None:
        self.plain = plain
        self.sealed = sealed

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Personal)
            and (self.plain, self.sealed) == (other.plain, other.sealed)
        )

    def __hash__(self) -> int:
        return hash(self.sealed)

    def __repr__(self) -> str:
        return "Personal(sealed)" if self.plain is None else "Personal(plain)"


class Disposition(IntEnum):
    """Outcome of a call, in the words of the field's reports."""

    COMPLETED = 1
    NO_ANSWER = 2  # every target failed or rang out
    BUSY = 3  # the best answer of the ladder was busy
    CANCELED = 4  # the caller gave up before the answer
    BLOCKED = 5  # refused by screen (source, number, schedule, cap)
    UNSOLD = 6  # no candidate stood
    FAILED = 7  # an error of ours or of the transport
    NO_ACK = 8  # our 200 was never acknowledged: never charged (rule 28)


class Party(IntEnum):
    """Who ended a call."""

    NONE = 0
    CALLER = 1
    BUYER = 2
    EXCHANGE = 3


class LedgerAccount(IntEnum):
    """The chart of accounts (exchange rule 29); an owner id goes with the first three."""

    BUYER = 1
    PUBLISHER_PENDING = 2
    PUBLISHER_PAYABLE = 3
    REVENUE = 4
    PAYOUT_COST = 5
    CARRIER_COST = 6
    CARRIER_PAYABLE = 7
    BANK = 8
    ADJUSTMENT = 9


class Posting(Struct, frozen=True, gc=False, array_like=True):
    """One line of a double entry; the lines of one fact sum to zero.

    Debit is positive, credit negative, in micro-units. owner: plan id, "" for our own accounts.
    """

    account: LedgerAccount
    owner: str
    amount_micros: int


class LadderEntry(Struct, frozen=True, gc=False, array_like=True):
    """A ranked candidate at clear: what it bid, how it scored, what it would pay."""

    bid_id: str
    buyer: str
    target: str
    score: int
    bid_micros: int
    price_micros: int


class Attempt(Struct, frozen=True, gc=False, array_like=True):
    """One dialled leg. Offsets in µs from the call's arrival, −1 where it did not happen."""

    number: int  # 1, 2, …
    entry: int  # index on the ladder
    target: str
    gateway: str
    status: int  # final SIP status, 408 time-out, 503 transport
    cause: str  # response | timeout | transport | ring_timeout | canceled | answered | …
    invited_us: int
    ringing_us: int = -1
    answered_us: int = -1
    ended_us: int = -1


class CapUse(Struct, frozen=True, gc=False, array_like=True):
    """One unit of a cap, committed in the window of its reservation.

    window_end_s: when that window ends, 0 in records older than the field. It stands here
    because a plan may give the owner another zone while the window runs.
    """

    owner: str  # "campaign:auto" | "target:t1" | "buyer:b1"
    kind: str  # "hour" | "day"
    window_start_s: int
    window_end_s: int = 0


class Fact(Struct, frozen=True, gc=False, array_like=True):
    """Base of all facts. at_ns: engine time at which it became true."""

    at_ns: int


class Started(Fact, frozen=True, gc=False, array_like=True, tag="started"):
    """A signal worker began an epoch."""

    worker: int
    epoch: int
    wall_ns: int
    version: str


class ClockSet(Fact, frozen=True, gc=False, array_like=True, tag="clock_set"):
    """Wall time is now_ns + offset_ns from here on."""

    offset_ns: int


class Turn(Struct, frozen=True, gc=False, array_like=True):
    """Where a target of a round-robin campaign stands; credit: routing.strategies.round_robin."""

    campaign: str
    target: str
    credit: int


class Heartbeat(Fact, frozen=True, gc=False, array_like=True, tag="heartbeat"):
    """The process lived; stands for all calls whose answer record is at or below durable_seq.

    turns: the round-robin turns that moved since the last heartbeat that told of them.
    """

    durable_seq: int
    wall_ns: int
    turns: tuple[Turn, ...] = ()


class PlanApplied(Fact, frozen=True, gc=False, array_like=True, tag="plan_applied"):
    """A compiled plan was swapped in."""

    version: int
    digest: bytes
    wall_ns: int


class BidPut(Fact, frozen=True, gc=False, array_like=True, tag="bid_put"):
    """A standing bid was placed or changed; terms: its fields as auction.bid encodes them."""

    bid_id: str
    terms: bytes


class BidRemoved(Fact, frozen=True, gc=False, array_like=True, tag="bid_removed"):
    """A standing bid was withdrawn. Its id is never used again for another buyer."""

    bid_id: str


class CallRouted(Fact, frozen=True, gc=False, array_like=True, tag="call_routed"):
    """A call was offered, screened and auctioned: everything the decision saw and said.

    reasons: one ordinal per candidate in index order, run-length coded (auction.reasons).
    ladder: ranked entries; runner_up: the next candidate that stood, if any. book_seq: journal
    sequence of the last change of the book before the decision.
    """

    call_id: Uuid
    auction_id: Uuid
    wall_ns: int
    trunk: str
    publisher: str
    campaign: str
    number: str
    subject: SubjectId
    personal: Personal
    attestation: int
    tags: tuple[tuple[str, str], ...]
    area: str  # state or province of the caller, "" if unknown
    plan_version: int
    book_seq: int
    price_kind: str  # "first" | "second"
    floor_micros: int
    currency: str
    candidates: int
    reasons: bytes
    ladder: tuple[LadderEntry, ...]
    runner_up: tuple[LadderEntry, ...] = ()
    terms: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)  # accounts.terms.Terms, frozen here


class AttemptFailed(Fact, frozen=True, gc=False, array_like=True, tag="attempt_failed"):
    """A dialled leg ended without an answer; the ladder goes on."""

    call_id: Uuid
    attempt: Attempt


class CallAnswered(Fact, frozen=True, gc=False, array_like=True, tag="call_answered"):
    """The start record: a buyer answered. Durable before our 200 leaves."""

    call_id: Uuid
    attempt: Attempt
    hold_micros: int
    caps: tuple[CapUse, ...]


class AnswerSent(Fact, frozen=True, gc=False, array_like=True, tag="answer_sent"):
    """Our 200 left for the caller: from here on the call may be charged."""

    call_id: Uuid


class TalkEnded(Fact, frozen=True, gc=False, array_like=True, tag="talk_ended"):
    """The buyer hung up before the caller's ACK: the call is settled once that is in, for
    connected_ns at most, whatever happens meanwhile."""

    call_id: Uuid
    connected_ns: int


class CallClosed(Fact, frozen=True, gc=False, array_like=True, tag="call_closed"):
    """The end of a call, complete in itself: one call row, its attempts, its ledger postings.

    Offsets in µs from wall_ns (arrival), −1 where the call never came there. connected_ns:
    first BYE − start record. revenue_micros is what the buyer pays, payout_micros what the
    publisher earns. The settlement keys are (call_id, "revenue") and (call_id, "payout").
    """

    call_id: Uuid
    wall_ns: int
    trunk: str
    publisher: str
    campaign: str
    number: str
    subject: SubjectId
    personal: Personal
    disposition: Disposition
    refused: int  # vocabulary.reasons.Refused
    sip_status: int  # final status sent to the caller
    hangup: Party
    decided_us: int
    ringing_us: int
    answered_us: int
    ended_us: int
    connected_ns: int
    qualified: bool
    buyer: str
    target: str
    bid_id: str
    currency: str
    revenue_micros: int
    payout_micros: int
    attempts: tuple[Attempt, ...]
    postings: tuple[Posting, ...]
    caps: tuple[CapUse, ...]
    recovered: bool = False  # closed by recovery after a crash


class TopUpPosted(Fact, frozen=True, gc=False, array_like=True, tag="top_up_posted"):
    """Money came in for a buyer: bank is debited, the buyer credited."""

    top_up_id: Uuid
    account: str
    amount_micros: int
    currency: str
    idempotency_key: str
    wall_ns: int
    postings: tuple[Posting, ...]


AnyFact = (
    Started
    | ClockSet
    | Heartbeat
    | PlanApplied
    | BidPut
    | BidRemoved
    | CallRouted
    | AttemptFailed
    | CallAnswered
    | AnswerSent
    | TalkEnded
    | CallClosed
    | TopUpPosted
)
