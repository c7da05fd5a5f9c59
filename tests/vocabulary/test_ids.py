"""Identifiers: UUIDv7 layout and order, their text, keyed chance."""

import hmac

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from vocabulary.ids import IdSource, SubjectIds, keyed_hash, parse_uuid, uuid_text

SECRET = b"k" * 32
MS = 1_000_000


@seed(1)
@settings(max_examples=200, deadline=None)
@given(st.integers(min_value=0, max_value=(2**48 - 1) * MS))
def test_layout_of_rfc_9562(wall_ns: int) -> None:
    value = IdSource(SECRET).uuid7(wall_ns)
    assert len(value) == 16
    assert int.from_bytes(value[:6], "big") == wall_ns // MS
    assert value[6] >> 4 == 7  # version
    assert value[8] >> 6 == 0b10  # variant


def test_ids_of_later_milliseconds_sort_later() -> None:
    source = IdSource(SECRET)
    ids = [source.uuid7(at * MS) for at in range(1_000)]
    assert ids == sorted(ids)


def test_ids_of_one_instant_differ() -> None:
    source = IdSource(SECRET)
    assert len({source.uuid7(5) for _ in range(10_000)}) == 10_000


def test_a_source_is_determined_by_its_secret() -> None:
    one, two, other = IdSource(SECRET), IdSource(SECRET), IdSource(b"x" * 32)
    assert [one.uuid7(7) for _ in range(5)] == [two.uuid7(7) for _ in range(5)]
    assert IdSource(SECRET).uuid7(7) != other.uuid7(7)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(AssertionError):
        IdSource(b"short")


@seed(2)
@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_text_round_trip(value: bytes) -> None:
    text = uuid_text(value)
    assert [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]
    assert parse_uuid(text) == parse_uuid(value.hex()) == value


@pytest.mark.parametrize("text", ["", "abc", "g" * 32, "0" * 30, "0" * 34])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match=r"hexadecimal|fromhex"):
        parse_uuid(text)


def test_keyed_hash_depends_on_key_and_parts() -> None:
    base = keyed_hash(b"key", b"a", b"b")
    assert base == keyed_hash(b"key", b"a", b"b")
    assert 0 <= base < 2**63
    for other in (keyed_hash(b"yek", b"a", b"b"), keyed_hash(b"key", b"ab"),
                  keyed_hash(b"key", b"b", b"a")):
        assert other != base


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=40))
def test_subject_ids_are_hmac_sha_256(pepper: bytes, about: bytes) -> None:
    assert SubjectIds(pepper).subject_id(about) == hmac.digest(pepper, about, "sha256")[:16]
