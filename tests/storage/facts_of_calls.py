"""Facts of made-up calls, by number: the same number always gives the same call."""

import random
from array import array

from auction import reasons
from storage.fact_types import FACT_TYPES
from storage.journal import Journal
from vocabulary.codec import fact_encoder
from vocabulary.facts import (
    AnswerSent,
    Attempt,
    CallAnswered,
    CallClosed,
    CallRouted,
    Disposition,
    Fact,
    LadderEntry,
    LedgerAccount,
    Party,
    Personal,
    Posting,
    TopUpPosted,
)

WALL_NS = 1_795_500_000_000_000_000
NS_PER_MS = 1_000_000
SEALED = bytes(range(110))

encode = fact_encoder(lambda personal: personal.sealed).encode


def call_id(number: int) -> bytes:
    """A UUIDv7 whose time is the call's."""
    head = (WALL_NS // NS_PER_MS + number).to_bytes(6, "big")
    return head + b"\x70\x01\x80" + number.to_bytes(7, "big")


def auction_id(number: int) -> bytes:
    """The call's auction."""
    return call_id(number)[:8] + b"\x81" + number.to_bytes(7, "big")


def entry(place: int) -> LadderEntry:
    """A ranked candidate of the bench plan's size."""
    return LadderEntry(
        f"b{place:03d}-{place * 7:03d}", f"buyer-{place:03d}", f"target-{place:03d}",
        10**13 - place, 12_000_000 - place, 11_000_000 - place,
    )


def reason_vector(number: int, candidates: int = 1_000) -> bytes:
    """Reasons as an index gives them: mostly outbid, some refused."""
    rng = random.Random(number)
    ordinals = [46 if rng.random() < 0.9 else rng.choice((0, 1, 6, 9)) for _ in range(candidates)]
    return reasons.encode(array("B", ordinals))


def facts_of_call(number: int, ladder: int = 10, vector: bytes | None = None) -> list[Fact]:
    """The four facts of an answered, qualified call."""
    wall_ns = WALL_NS + number * NS_PER_MS
    personal = Personal(None, SEALED)
    attempt = Attempt(
        1, 0, "target-001", "gateway-1", 200, "answered", 2_000, 40_000, 90_000, 60_000_000
    )
    buyer, campaign = f"buyer-{number % 5:03d}", f"campaign-{number % 3}"
    publisher = f"publisher-{number % 4}"
    subject = number.to_bytes(16, "big")
    return [
        CallRouted(
            number, call_id(number), auction_id(number), wall_ns, "trunk-1", publisher, campaign,
            "+18005550100", subject, personal, 0, (("sub_id", "s1"),), "CA", 1, 1, "second",
            1_000_000, "USD", 1_000,
            vector if vector is not None else reason_vector(number),
            tuple(map(entry, range(1, ladder + 1))), (entry(ladder + 1),),
        ),
        CallAnswered(number, call_id(number), attempt, 12_000_000, ()),
        AnswerSent(number, call_id(number)),
        CallClosed(
            number, call_id(number), wall_ns, "trunk-1", publisher, campaign, "+18005550100",
            subject, personal, Disposition.COMPLETED, 0, 200, Party.CALLER, 300, 40_000, 90_000,
            60_090_000, 60_000_000_000, True, buyer, "target-001", "b001-007", "USD", 11_000_000,
            7_000_000, (attempt,),
            (
                Posting(LedgerAccount.BUYER, buyer, 11_000_000),
                Posting(LedgerAccount.REVENUE, "", -11_000_000),
                Posting(LedgerAccount.PAYOUT_COST, "", 7_000_000),
                Posting(LedgerAccount.PUBLISHER_PENDING, publisher, -7_000_000),
            ),
            (),
        ),
    ]


def top_up(number: int) -> TopUpPosted:
    """Money for a buyer."""
    return TopUpPosted(
        number, call_id(number), "buyer-001", 5_000_000, "USD", f"key-{number}", WALL_NS,
        (
            Posting(LedgerAccount.BANK, "", 5_000_000),
            Posting(LedgerAccount.BUYER, "buyer-001", -5_000_000),
        ),
    )


def append_fact(journal: Journal, fact: Fact) -> int:
    """Append a fact; its sequence."""
    seq = journal.next_seq
    journal.append(seq, FACT_TYPES[type(fact)], encode(fact))
    return seq


def append_call(journal: Journal, number: int) -> int:
    """Append a whole call; the sequence of its last fact."""
    return [append_fact(journal, fact) for fact in facts_of_call(number)][-1]
