"""Standing bids: the terms a buyer set, their checks at intake, and what one criterion refuses."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from auction.score import score_of
from vocabulary import limits
from vocabulary.errors import CommandRefused
from vocabulary.ids import Slug
from vocabulary.reasons import Reason

CALLER_ZONE = "caller"
HOURS_PER_WEEK = 168
ALL_HOURS = (1 << HOURS_PER_WEEK) - 1
ATTESTATION_BITS = {"A": 1, "B": 2, "C": 4}
AREA_CODES = range(200, 1_000)
_MASK_BYTES = HOURS_PER_WEEK // 8


class BidTerms(Struct, frozen=True, gc=False, array_like=True):
    """What a buyer bids, for which calls, up to which budget. Empty criteria accept every call.

    hours: (mask, zone): bit h of mask is hour h of the week (Monday 00:00 is 0), 0 = any hour;
    zone: "caller" or an IANA name. attestation: mask of A=1, B=2, C=4; 0 = any, unknown included.
    budget_micros −1: none. expires_s: Unix seconds, 0 = never. states and area_codes must both
    hold where both are given. quality_ppm: the score is amount_micros × quality_ppm.
    """

    bid_id: Slug
    buyer: Slug
    target: Slug
    amount_micros: int
    per: str = "call"
    currency: str = "USD"
    states: tuple[str, ...] = ()
    area_codes: tuple[int, ...] = ()
    hours: tuple[int, str] = (0, CALLER_ZONE)
    verticals: tuple[str, ...] = ()
    attestation: int = 0
    budget_micros: int = -1
    expires_s: int = 0
    quality_ppm: int = 1_000_000
    active: bool = True


class Query(Struct, frozen=True):
    """What the index is asked: the facts of one call that a bid's criteria may name.

    state "" and area_code 0: unknown; hour_of_week −1: the caller's hour is unknown.
    attestation: 1 A, 2 B, 4 C, 0 unknown. zone_hours: hour of the week in each other zone.
    """

    vertical: str
    state: str
    area_code: int
    hour_of_week: int
    attestation: int
    zone_hours: Mapping[str, int] = {}


_Word = Annotated[str, Meta(min_length=1, max_length=limits.id_bytes_max)]
_Words = Annotated[tuple[_Word, ...], Meta(max_length=limits.criteria_values_max)]


class _Kept(Struct, array_like=True, gc=False):
    """BidTerms as their bytes hold them: the hour mask is 21 bytes, or none for any hour.

    The bounds are those of check_terms, which the decoder sees to faster.
    """

    bid_id: Slug
    buyer: Slug
    target: Slug
    amount_micros: Annotated[int, Meta(ge=1, le=limits.price_micros_max)]
    per: _Word
    currency: _Word
    states: _Words
    area_codes: Annotated[
        tuple[Annotated[int, Meta(ge=AREA_CODES.start, lt=AREA_CODES.stop)], ...],
        Meta(max_length=limits.criteria_values_max),
    ]
    hours: tuple[Annotated[bytes, Meta(max_length=_MASK_BYTES)], _Word]
    verticals: _Words
    attestation: Annotated[int, Meta(ge=0, le=7)]
    budget_micros: Annotated[int, Meta(ge=-1, le=limits.money_micros_max)]
    expires_s: Annotated[int, Meta(ge=0, le=2**40)]
    quality_ppm: Annotated[int, Meta(ge=1, le=limits.quality_ppm_max)]
    active: bool


assert _Kept.__struct_fields__ == BidTerms.__struct_fields__

_HOURS_FIELD = BidTerms.__struct_fields__.index("hours")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Kept)


def encode_terms(terms: BidTerms) -> bytes:
    """MessagePack of the terms, for the BidPut fact. The hour mask travels as 21 bytes."""
    values = list(msgspec.structs.astuple(terms))
    mask, zone = terms.hours
    values[_HOURS_FIELD] = (mask.to_bytes(_MASK_BYTES, "little") if mask else b"", zone)
    return _encoder.encode(values)


def digest_of(encoded: bytes) -> int:
    """64 bits that differ where the terms do, of encode_terms: whether a plan changes a bid."""
    return int.from_bytes(blake2b(encoded, digest_size=8).digest(), "big")


def decode_terms(data: bytes) -> BidTerms:
    """Terms of encode_terms. Raises CommandRefused("bid_invalid") for anything else."""
    try:
        kept = _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise CommandRefused("bid_invalid", f"not the terms of a bid: {error}") from error
    mask, zone = kept.hours
    return BidTerms(
        kept.bid_id, kept.buyer, kept.target, kept.amount_micros, kept.per, kept.currency,
        kept.states, kept.area_codes, (int.from_bytes(mask, "little"), zone), kept.verticals,
        kept.attestation, kept.budget_micros, kept.expires_s, kept.quality_ppm, kept.active,
    )


def fingerprint(encoded: Mapping[str, bytes]) -> bytes:
    """16 bytes that stand for a set of bids, given by id as encode_terms gives each."""
    return blake2b(b"".join([encoded[bid_id] for bid_id in sorted(encoded)]),
                   digest_size=16).digest()


def check_terms(terms: BidTerms) -> None:
    """Raise CommandRefused("bid_invalid") naming the first field that is out of its range."""
    _within("amount_micros", terms.amount_micros, 1, limits.price_micros_max)
    _within("quality_ppm", terms.quality_ppm, 1, limits.quality_ppm_max)
    _within("budget_micros", terms.budget_micros, -1, limits.money_micros_max)
    _within("expires_s", terms.expires_s, 0, 2**40)
    _within("attestation", terms.attestation, 0, 7)
    _within("hours[0]", terms.hours[0], 0, ALL_HOURS)
    _within("score", score_of(terms.amount_micros, terms.quality_ppm), 1, limits.score_max)
    for name, text in (("currency", terms.currency), ("per", terms.per), ("zone", terms.hours[1])):
        _within(f"length of {name}", len(text), 1, limits.id_bytes_max)
    for name, values in (("states", terms.states), ("verticals", terms.verticals)):
        _within(f"number of {name}", len(values), 0, limits.criteria_values_max)
        for value in values:
            _within(f"length of {name}", len(value), 1, limits.id_bytes_max)
    _within("number of area_codes", len(terms.area_codes), 0, limits.criteria_values_max)
    for code in terms.area_codes:
        _within("area_codes", code, AREA_CODES.start, AREA_CODES.stop - 1)


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise CommandRefused("bid_invalid", f"{name} is {value}, expected {low} to {high}")


def criteria_accepts(terms: BidTerms, query: Query) -> Reason | None:
    """The first criterion that refuses the call, None if all accept: the index in plain words.

    Order: paused 531, vertical 534, place 509, hours 529, attestation 510.
    """
    if not terms.active:
        return Reason.PAUSED_BY_HAND
    if terms.verticals and query.vertical not in terms.verticals:
        return Reason.VERTICAL
    if not _place_accepts(terms, query):
        return Reason.PLACE
    if not _hours_accept(terms, query):
        return Reason.CALLER_SCHEDULE
    if terms.attestation and not terms.attestation & query.attestation:
        return Reason.ATTESTATION
    return None


def _place_accepts(terms: BidTerms, query: Query) -> bool:
    if terms.states and query.state not in terms.states:
        return False
    return not terms.area_codes or query.area_code in terms.area_codes


def _hours_accept(terms: BidTerms, query: Query) -> bool:
    mask, zone = terms.hours
    if not mask:
        return True
    hour = query.hour_of_week if zone == CALLER_ZONE else query.zone_hours.get(zone, -1)
    return hour >= 0 and bool(mask >> hour & 1)
