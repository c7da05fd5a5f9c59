"""The compiled plan as one flat file: everything expanded, nothing left to look up or to parse.

```
DCEPLAN1 │ checksum (16 bytes, BLAKE2b of the rest) │ MessagePack of PlanFile
```
Sections are chunks of at most CHUNK entries, each chunk its own MessagePack, so that a worker
decodes a large plan in short steps between calls. Entries name each other by index in the file;
−1 is none. The plan holds no bids; they stand in a file of their own:
```
DCEBIDS1 │ checksum of the rest │ length (4 bytes) chunk │ length chunk │ …
```
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from vocabulary.errors import PlanRefused
from vocabulary.instants import ZoneTable
from vocabulary.number import DialRule

PLAN_MAGIC = b"DCEPLAN1"
BIDS_MAGIC = b"DCEBIDS1"
CHECKSUM_BYTES = 16
CHUNK = 128
CHECKED_BYTES = 1_048_576  # about a millisecond of BLAKE2b
HEAD_BYTES = len(PLAN_MAGIC) + CHECKSUM_BYTES
HOUR_MASK_BYTES = 21
assert len(PLAN_MAGIC) == len(BIDS_MAGIC)
NONE = -1

Entry = TypeVar("Entry")
Section = tuple[bytes, ...]


class ZoneEntry(Struct, frozen=True, gc=False, array_like=True):
    """A zone: its clock changes and the first second of each local day, both as Unix seconds."""

    table: ZoneTable
    day_starts_s: tuple[int, ...]


class AreaEntry(Struct, frozen=True, gc=False, array_like=True):
    """An area code. zone: index of the zone whose clock a caller is taken to live by."""

    code: int
    state: str
    country: str
    zone: int


class TrunkEntry(Struct, frozen=True, gc=False, array_like=True):
    """networks: (IP version, network address as an integer's bytes, prefix length)."""

    id: str
    networks: tuple[tuple[int, bytes, int], ...]
    rule: DialRule
    number_from: str
    trusted: bool
    may_dial: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]
    advertise: tuple[str, int] | None


class PublisherEntry(Struct, frozen=True, gc=False, array_like=True):
    """A publisher; active: may send calls."""

    id: str
    name: str
    active: bool


class BuyerEntry(Struct, frozen=True, gc=False, array_like=True):
    """A buyer; active: may get calls."""

    id: str
    name: str
    active: bool
    credit_limit_micros: int


class GatewayEntry(Struct, frozen=True, gc=False, array_like=True):
    """A gateway, fields as in the plan."""

    id: str
    host: str
    port: int
    transport: str
    number_format: str
    prefix: str


class ScheduleEntry(Struct, frozen=True, gc=False, array_like=True):
    """Open intervals [starts_s[i], ends_s[i]), Unix seconds, in order, never touching."""

    id: str
    starts_s: tuple[int, ...]
    ends_s: tuple[int, ...]


class TargetEntry(Struct, frozen=True, gc=False, array_like=True):
    """A target. uris: Request-URIs to dial in order: one, or one for each gateway.

    Caps and concurrency −1: none. ring_ns 0: the campaign's. hosts: where the URIs lead.
    """

    id: str
    buyer: int
    uris: tuple[bytes, ...]
    number: str
    gateways: tuple[int, ...]
    host: str
    schedule: int
    concurrency: int
    hour_cap: int
    day_cap: int
    cap_zone: int
    ring_ns: int
    priority: int
    weight: int
    active: bool


class CampaignEntry(Struct, frozen=True, gc=False, array_like=True):
    """A campaign with its terms, money in micro-units. targets None: all of the plan."""

    id: str
    name: str
    vertical: str
    strategy: str
    second_price: bool
    increment_micros: int
    floor_micros: int
    targets: tuple[int, ...] | None
    schedule: int
    concurrency: int
    hour_cap: int
    day_cap: int
    cap_zone: int
    active: bool
    ladder: int
    ring_ns: int
    no_response_ns: int
    ladder_ns: int
    setup_ns: int
    qualify_s: int
    payout_kind: str
    payout_micros: int
    payout_basis_points: int
    payout_qualify_s: int


class NumberEntryFile(Struct, frozen=True, gc=False, array_like=True):
    """A tracking number → index of its campaign and publisher."""

    number: str
    campaign: int
    publisher: int


class PlanFile(Struct, frozen=True, gc=False, array_like=True):
    """A compiled plan. Sections are read with `entries(section, EntryType)`.

    compiled_s: the instant around which zones and schedules are expanded.
    """

    version: int
    currency: str
    compiled_s: int
    zones: tuple[ZoneEntry, ...]
    areas: tuple[AreaEntry, ...]
    trunks: Section
    publishers: Section
    buyers: Section
    gateways: Section
    schedules: Section
    targets: Section
    campaigns: Section
    numbers: Section


class StandingBid(Struct, frozen=True, gc=False, array_like=True):
    """A bid out of a plan: the fields of auction.bid.BidTerms, in its order and its meanings.

    hours: (mask of hours of the week, zone), mask 0 for any; a bid in the buyer's zone carries
    that zone's name. attestation: A=1, B=2, C=4, 0 any. budget −1: none; expires_s 0: never.
    """

    bid_id: str
    buyer: str
    target: str
    amount_micros: int
    per: str
    currency: str
    states: tuple[str, ...]
    area_codes: tuple[int, ...]
    hours: tuple[int, str]
    verticals: tuple[str, ...]
    attestation: int
    budget_micros: int
    expires_s: int
    quality_ppm: int
    active: bool


_HOURS = StandingBid.__struct_fields__.index("hours")


def section(entries_in_order: Sequence[Any]) -> Section:
    """Entries packed into chunks."""
    encode = msgspec.msgpack.encode
    return tuple(
        encode(entries_in_order[start : start + CHUNK])
        for start in range(0, len(entries_in_order), CHUNK)
    )


def entries(packed: Section, kind: type[Entry]) -> Iterator[list[Entry]]:
    """The chunks of a section, decoded one by one. Raises PlanRefused for a damaged one."""
    decoder = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]
    for chunk in packed:
        try:
            yield decoder.decode(chunk)
        except msgspec.MsgspecError as wrong:
            raise PlanRefused([("file", f"damaged section: {wrong}")]) from wrong


def encode_plan(file: PlanFile) -> bytes:
    """The bytes of a plan file: magic, checksum, content."""
    return _framed(PLAN_MAGIC, msgspec.msgpack.encode(file))


def decode_plan(data: bytes) -> PlanFile:
    """The plan of a file. Raises PlanRefused if it is another file, cut short or damaged."""
    try:
        return msgspec.msgpack.decode(_content(PLAN_MAGIC, data), type=PlanFile)
    except msgspec.MsgspecError as wrong:
        raise PlanRefused([("file", f"not a plan of this version: {wrong}")]) from wrong


def digest(data: bytes) -> bytes:
    """The checksum that a plan or bids file carries: the name of its content."""
    return data[HEAD_BYTES - CHECKSUM_BYTES : HEAD_BYTES]


def encode_bids(bids: Sequence[StandingBid]) -> bytes:
    """The bytes of a bids file; hour masks travel as 21 bytes, since they exceed 64 bits."""
    chunks = section([_bid_row(bid) for bid in bids])
    return _framed(
        BIDS_MAGIC, b"".join(len(chunk).to_bytes(4, "little") + chunk for chunk in chunks)
    )


def decode_bids(data: bytes) -> Iterator[list[StandingBid]]:
    """The bids of a file in steps of well under 2 ms; the first steps only check the sum and
    yield nothing. Raises PlanRefused for a damaged file, before any bid comes out."""
    content = memoryview(data)[HEAD_BYTES:]
    checksum = blake2b(digest_size=CHECKSUM_BYTES)
    for start in range(0, len(content), CHECKED_BYTES):
        checksum.update(content[start : start + CHECKED_BYTES])
        yield []
    _check_head(BIDS_MAGIC, data, checksum.digest())
    at = 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "little")
        try:
            yield [_row_bid(row) for row in msgspec.msgpack.decode(content[at + 4 : end])]
        except (msgspec.MsgspecError, TypeError, LookupError) as wrong:
            raise PlanRefused([("file", f"not bids of this version: {wrong}")]) from wrong
        at = end


def _bid_row(bid: StandingBid) -> list[Any]:
    row: list[Any] = list(msgspec.structs.astuple(bid))
    mask, zone = bid.hours
    row[_HOURS] = (mask.to_bytes(HOUR_MASK_BYTES, "little"), zone)
    return row


def _row_bid(row: list[Any]) -> StandingBid:
    mask, zone = row[_HOURS]
    row[_HOURS] = (int.from_bytes(mask, "little"), zone)
    return msgspec.convert(row, StandingBid)


def _framed(magic: bytes, content: bytes) -> bytes:
    return magic + blake2b(content, digest_size=CHECKSUM_BYTES).digest() + content


def _content(magic: bytes, data: bytes) -> memoryview:
    content = memoryview(data)[HEAD_BYTES:]
    _check_head(magic, data, blake2b(content, digest_size=CHECKSUM_BYTES).digest())
    return content


def _check_head(magic: bytes, data: bytes, checksum: bytes) -> None:
    if data[: len(magic)] != magic:
        raise PlanRefused([("file", f"expected a file that begins with {magic.decode()}")])
    if digest(data) != checksum:
        raise PlanRefused([("file", "the checksum differs: cut short or damaged")])
