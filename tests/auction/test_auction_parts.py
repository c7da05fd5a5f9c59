"""Prices, tie hashes and the reason vector's code."""

from array import array
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auction.directory import Directory
from auction.price import clearing_price
from auction.reasons import decode, encode, reason_of, tally
from auction.score import auction_key, bid_hash, score_of, tie_hash
from vocabulary import limits
from vocabulary.reasons import ELIGIBLE, Reason

micros = st.integers(1, limits.price_micros_max)
quality = st.integers(1, limits.quality_ppm_max)


@given(micros, quality, st.data(), st.integers(0, 10**9))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_price_lies_between_floor_and_bid(
    bid: int, ppm: int, data: st.DataObject, increment: int
) -> None:
    floor = data.draw(st.integers(1, bid))
    rival = data.draw(st.integers(1, score_of(bid, ppm)))
    price = clearing_price(bid, ppm, rival, floor, increment)
    assert floor <= price <= bid
    tie = -(-rival // ppm)
    assert price == min(bid, max(floor, tie + increment))
    assert (tie - 1) * ppm < rival <= tie * ppm  # the least bid that would have tied
    assert clearing_price(bid, ppm, -1, floor, increment) == floor


def test_largest_score_fits() -> None:
    bid, ppm = limits.price_micros_max, limits.quality_ppm_max
    assert score_of(bid, ppm) == bid * ppm <= limits.score_max
    assert clearing_price(bid, ppm, bid * ppm, 1, limits.price_micros_max) == bid


def test_tie_hash_is_a_fixed_and_fair_function() -> None:
    assert tie_hash(0, 0) == 0
    assert tie_hash(auction_key(b"a"), bid_hash("b")) == tie_hash(auction_key(b"a"), bid_hash("b"))
    assert tie_hash(0x9E37_79B9_7F4A_7C15, 0) == 0xE220_A839_7B1D_CDAF  # SplitMix64, seed 0
    one, other = bid_hash("b1"), bid_hash("b2")
    keys = [auction_key(number.to_bytes(16, "big")) for number in range(4_000)]
    wins = sum(tie_hash(key, one) < tie_hash(key, other) for key in keys)
    assert 1_850 < wins < 2_150


@pytest.mark.parametrize("seed", range(60))
def test_reason_vectors_survive_their_code(seed: int) -> None:
    random = Random(seed)
    reasons = array("B")
    for _ in range(random.randrange(30)):
        run = random.choice((1, 1, 2, 127, 128, 129, 1_000))
        reasons.extend([random.choice((0, 9, 46, ELIGIBLE))] * run)
    coded = encode(reasons)
    assert len(coded) <= len(reasons) + 1
    assert decode(coded) == reasons
    assert tally(encode(reasons)) == {o: list(reasons).count(o) for o in sorted(set(reasons))}


@pytest.mark.parametrize("length", [0, 1, 128, 129, 16_384, 16_385, limits.candidates_max])
def test_one_long_run_is_short(length: int) -> None:
    reasons = array("B", bytes([46]) * length)
    coded = encode(reasons)
    assert len(coded) <= 5
    assert decode(coded) == reasons


def test_alternating_reasons_stay_raw() -> None:
    reasons = array("B", [1, 2] * 500)
    assert encode(reasons) == b"\x00" + bytes(reasons)
    assert decode(encode(reasons)) == reasons


@pytest.mark.parametrize("data", [
    b"", b"\x02", b"\x01\x05", b"\x01\x05\x80", b"\x01\x05\xff\xff\xff\x01",
    b"\x01\x05\xff\xff\x03\x05\x00", b"\x00" + bytes(limits.candidates_max + 1),
])
def test_damaged_vectors_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"run|reason"):
        decode(data)


def test_ordinals_are_reasons() -> None:
    assert reason_of(ELIGIBLE) is None
    assert reason_of(46) is Reason.OUTBID
    with pytest.raises(ValueError, match="is not a valid"):
        reason_of(200)


@pytest.mark.parametrize("seed", range(5))
def test_directory_equals_a_dict(seed: int) -> None:
    random = Random(f"directory-{seed}")
    directory, held = Directory(), dict[str, int]()
    directory.reserve(400)
    free = list(range(400))
    for _ in range(6_000):
        bid_id = f"b{random.randrange(600)}"
        assert directory.find(bid_id) == held.get(bid_id, -1)
        if bid_id in held:
            directory.drop(held[bid_id])
            free.append(held.pop(bid_id))
        elif free:
            held[bid_id] = free.pop(random.randrange(len(free)))
            directory.add(bid_id, held[bid_id])
    assert directory.count == len(held)
    other = Directory()
    other.load(list(directory.ids))
    assert all(other.find(f"b{n}") == held.get(f"b{n}", -1) for n in range(600))
