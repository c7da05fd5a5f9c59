"""Facts on the wire of the journal: round trips, old arrays, sealing, garbage."""

from typing import Any, get_args

import msgspec
import pytest

from vocabulary import facts
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.facts import (
    AnswerSent,
    AnyFact,
    Attempt,
    AttemptFailed,
    BidPut,
    BidRemoved,
    CallAnswered,
    CallClosed,
    CallRouted,
    CapUse,
    ClockSet,
    Disposition,
    Fact,
    Heartbeat,
    LadderEntry,
    LedgerAccount,
    Party,
    Personal,
    PlanApplied,
    Posting,
    Started,
    TalkEnded,
    TopUpPosted,
)

ID = bytes(range(16))
PERSONAL = Personal(("+12125550199", "Ada", "+12125550100", "call@host", "192.0.2.1"))
ENTRY = LadderEntry("bid-1", "buyer-1", "target-1", 9 * 10**12, 9_000_000, 8_000_000)
ATTEMPT = Attempt(1, 0, "target-1", "gw", 486, "response", 5, -1, -1, 900)
CAP = CapUse("target:target-1", "day", 1_795_478_400)
LINES = (Posting(LedgerAccount.BUYER, "buyer-1", 8), Posting(LedgerAccount.REVENUE, "", -8))

EXAMPLES: list[Fact] = [
    Started(1, 0, 7, 2, "0.1.0"),
    ClockSet(2, -5),
    Heartbeat(3, 44, 5),
    PlanApplied(4, 9, b"digest", 6),
    BidPut(5, "bid-1", b"terms"),
    BidRemoved(6, "bid-1"),
    CallRouted(7, ID, ID, 8, "trunk", "pub", "auto", "+12125550100", ID, PERSONAL, 0,
               (("tag", "value"),), "NY", 3, 12, "second", 1_000_000, "USD", 2, b"\x01", (ENTRY,),
               (ENTRY,), (1, 2, 3, 4, 5)),
    AttemptFailed(8, ID, ATTEMPT),
    CallAnswered(9, ID, ATTEMPT, 8_000_000, (CAP,)),
    AnswerSent(10, ID),
    TalkEnded(10, ID, 5),
    CallClosed(11, ID, 12, "trunk", "pub", "auto", "+12125550100", ID, PERSONAL,
               Disposition.COMPLETED, 0, 200, Party.BUYER, 1, 2, 3, 4, 5, True, "buyer-1",
               "target-1", "bid-1", "USD", 8, 7, (ATTEMPT,), LINES, (CAP,), True),
    TopUpPosted(12, ID, "buyer-1", 8, "USD", "key", 9, LINES),
]

# Fields of each fact as they first stood in a journal. A field is only ever appended.
FIRST_FIELDS = {
    "started": 5, "clock_set": 2, "heartbeat": 3, "plan_applied": 4, "bid_put": 3,
    "bid_removed": 2, "call_routed": 21, "attempt_failed": 3, "call_answered": 5,
    "answer_sent": 2, "talk_ended": 3, "call_closed": 28, "top_up_posted": 8,
}


def encoder() -> msgspec.msgpack.Encoder:
    """Seals by a mark, so that a test sees what was sealed."""
    return fact_encoder(lambda personal: b"sealed:" + repr(personal.plain).encode())


def tag_of(fact: Fact) -> str:
    """The tag of a fact."""
    tag = type(fact).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def test_every_kind_has_an_example() -> None:
    assert {type(fact) for fact in EXAMPLES} == set(get_args(AnyFact))
    assert set(FIRST_FIELDS) == {tag_of(fact) for fact in EXAMPLES}


@pytest.mark.parametrize("fact", EXAMPLES, ids=tag_of)
def test_round_trip(fact: Fact) -> None:
    data = encoder().encode(fact)
    found = fact_decoder().decode(data)
    assert type(found) is type(fact)
    assert encoder().encode(found) == data  # sealed bytes are repeated as they are
    for name in fact.__struct_fields__:
        if name != "personal":
            assert getattr(found, name) == getattr(fact, name), name


@pytest.mark.parametrize("fact", EXAMPLES, ids=tag_of)
def test_an_old_shorter_array_still_decodes(fact: Fact) -> None:
    values = msgspec.msgpack.decode(encoder().encode(fact))
    first = FIRST_FIELDS[tag_of(fact)]
    short = values[: 1 + first]  # the tag stands first
    found = fact_decoder().decode(msgspec.msgpack.encode(short))
    fields = type(fact).__struct_fields__
    for name in fields[first:]:
        default = type(fact).__struct_defaults__[fields.index(name) - len(fields)]
        assert getattr(found, name) == default, name
    with pytest.raises(msgspec.ValidationError):
        fact_decoder().decode(msgspec.msgpack.encode(values[:first]))


@pytest.mark.parametrize("fact", EXAMPLES, ids=tag_of)
def test_a_longer_array_of_a_later_release_is_read(fact: Fact) -> None:
    values = msgspec.msgpack.decode(encoder().encode(fact))
    found = fact_decoder().decode(msgspec.msgpack.encode([*values, "something new"]))
    assert type(found) is type(fact)


@pytest.mark.parametrize("fact", EXAMPLES, ids=tag_of)
def test_garbage_is_refused_and_never_anything_else(fact: Fact) -> None:
    data = encoder().encode(fact)
    decode = fact_decoder().decode
    for cut in range(len(data)):
        with pytest.raises(msgspec.MsgspecError):
            decode(data[:cut])
    for at in range(min(len(data), 60)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            try:
                found = decode(bytes(flipped))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            assert isinstance(found, Fact)


@pytest.mark.parametrize(
    "values",
    [["unknown", 1], [], [1, 2], ["clock_set", "x", 1], ["clock_set", 1, 2.5],
     ["answer_sent", 1, b"short"], {"clock_set": 1}, None, ["clock_set", None, 1]],
)
def test_what_is_no_fact(values: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        fact_decoder().decode(msgspec.msgpack.encode(values))


def test_personal_fields_travel_sealed_only() -> None:
    routed = next(fact for fact in EXAMPLES if isinstance(fact, CallRouted))
    calls: list[Personal] = []

    def seal(personal: Personal) -> bytes:
        calls.append(personal)
        personal.sealed = b"sealed"
        return b"sealed"

    fresh = msgspec.structs.replace(routed, personal=Personal(PERSONAL.plain))
    data = fact_encoder(seal).encode(fresh)
    assert fact_encoder(seal).encode(fresh) == data
    assert len(calls) == 1  # the second time the sealed bytes are repeated
    assert b"5550199" not in data
    found = fact_decoder().decode(data)
    assert isinstance(found, CallRouted)
    assert found.personal == Personal(None, b"sealed")


def test_a_personal_never_shows_itself() -> None:
    assert "+1212" not in repr(PERSONAL)
    assert "sealed" in repr(Personal(None, b"x"))
    assert Personal(None, b"x") == Personal(None, b"x") != Personal(None, b"y")
    assert Personal(None, b"x") != b"x"
    assert len({Personal(None, b"x"), Personal(None, b"x")}) == 1


def test_a_fact_cannot_hold_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="a fact cannot hold object"):
        encoder().encode(BidPut(1, "bid", object()))  # type: ignore[arg-type]


def test_numbers_of_enums_are_fixed() -> None:
    assert [(item.name, int(item)) for item in Disposition] == [
        ("COMPLETED", 1), ("NO_ANSWER", 2), ("BUSY", 3), ("CANCELED", 4), ("BLOCKED", 5),
        ("UNSOLD", 6), ("FAILED", 7), ("NO_ACK", 8)]
    assert [(item.name, int(item)) for item in Party] == [
        ("NONE", 0), ("CALLER", 1), ("BUYER", 2), ("EXCHANGE", 3)]
    assert [(item.name, int(item)) for item in LedgerAccount] == [
        ("BUYER", 1), ("PUBLISHER_PENDING", 2), ("PUBLISHER_PAYABLE", 3), ("REVENUE", 4),
        ("PAYOUT_COST", 5), ("CARRIER_COST", 6), ("CARRIER_PAYABLE", 7), ("BANK", 8),
        ("ADJUSTMENT", 9)]
    assert facts.Personal is Personal
