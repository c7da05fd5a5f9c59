"""Sealing: round trip, tampering, keys apart, nonces that never repeat."""

import stat
from pathlib import Path

import pytest

from storage.sealing import Sealer, open_keys, read_keys
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.errors import StorageFailed
from vocabulary.facts import CallRouted, Personal

PLAIN = ("+15550100", "Ann Ö", "+18005550199", "abc@host", "127.0.0.1")


def test_round_trip_and_repetition(tmp_path: Path) -> None:
    sealer = open_keys(tmp_path, process_epoch=1, worker=0)
    personal = Personal(PLAIN)
    sealed = sealer.seal(personal)
    assert personal.sealed == sealed
    assert sealer.seal(personal) == sealed
    assert personal.plain == PLAIN
    assert b"5550100" not in sealed
    assert sealer.open(sealed) == PLAIN
    reading = read_keys(tmp_path)
    assert reading is not None
    assert reading.open(sealed) == PLAIN
    with pytest.raises(StorageFailed):
        reading.seal(Personal(PLAIN))


def test_plain_is_forgotten_only_when_told(tmp_path: Path) -> None:
    personal = Personal(PLAIN)
    open_keys(tmp_path, process_epoch=1, worker=0, forget=True).seal(personal)
    assert personal.plain is None
    assert len(personal.sealed) > 30


def test_nothing_is_sealed_as_nothing(tmp_path: Path) -> None:
    sealer = open_keys(tmp_path, process_epoch=1, worker=0)
    assert sealer.seal(Personal()) == b""
    assert sealer.open(b"") is None


def test_changed_bytes_and_unknown_keys_open_nothing(tmp_path: Path) -> None:
    sealer = open_keys(tmp_path / "a", process_epoch=1, worker=0)
    sealed = sealer.seal(Personal(PLAIN))
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        assert sealer.open(bytes(changed)) is None
        assert sealer.open(sealed[:index]) is None
    assert open_keys(tmp_path / "b", process_epoch=1, worker=0).open(sealed) is None
    assert read_keys(tmp_path / "c") is None


def test_keys_are_for_the_owner_and_stay(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    sealed = open_keys(directory, process_epoch=1, worker=0).seal(Personal(PLAIN))
    key = directory / "personal-0001.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    later = open_keys(directory, process_epoch=2, worker=0)
    assert later.open(sealed) == PLAIN
    assert len(list(directory.glob("*.key"))) == 1
    key.write_bytes(b"short")
    with pytest.raises(StorageFailed, match=r"personal-0001\.key.*32 bytes"):
        open_keys(directory, process_epoch=3, worker=0)


def test_a_journal_that_starts_again_gets_a_new_key(tmp_path: Path) -> None:
    """Epoch 1 again, counter 1 again: under the old key the nonce would repeat."""
    first = open_keys(tmp_path, process_epoch=1, worker=0).seal(Personal(PLAIN))
    other_worker = open_keys(tmp_path, process_epoch=1, worker=1).seal(Personal(PLAIN))
    again = open_keys(tmp_path, process_epoch=1, worker=0).seal(Personal(PLAIN))
    assert len({sealed[:14] for sealed in (first, other_worker, again)}) == 3
    assert first[:2] != again[:2]


@pytest.mark.parametrize("damage", [None, b"", b"\0\0"], ids=["absent", "empty", "short"])
def test_a_key_whose_use_is_unknown_is_used_no_more(
    tmp_path: Path, damage: bytes | None
) -> None:
    first = open_keys(tmp_path, process_epoch=5, worker=0).seal(Personal(PLAIN))
    used = tmp_path / "personal-0001.used-0"
    used.unlink()
    if damage is not None:
        used.write_bytes(damage)
    later = open_keys(tmp_path, process_epoch=6, worker=0)
    assert later.seal(Personal(PLAIN))[:2] == b"\0\2"
    assert later.open(first) == PLAIN
    again = open_keys(tmp_path, process_epoch=7, worker=0)  # one is enough
    assert again.seal(Personal(PLAIN))[:2] == b"\0\2"


def test_each_worker_stays_with_its_key(tmp_path: Path) -> None:
    epochs = [
        open_keys(tmp_path, process_epoch=process, worker=worker).seal(Personal(PLAIN))[:2]
        for process in (1, 2, 3) for worker in (0, 1)
    ]
    assert epochs == [b"\0\1", b"\0\2"] * 3


def test_nonces_differ(tmp_path: Path) -> None:
    sealer = open_keys(tmp_path, process_epoch=7, worker=3)
    assert len({sealer.seal(Personal(PLAIN))[:14] for _ in range(1_000)}) == 1_000


def test_a_fact_carries_its_seal(tmp_path: Path) -> None:
    sealer: Sealer = open_keys(tmp_path, process_epoch=1, worker=0)
    fact = CallRouted(
        1, bytes(16), bytes(16), 2, "t", "p", "c", "+1", bytes(16), Personal(PLAIN), 0, (), "", 1,
        0, "first", 0, "USD", 0, b"", (),
    )
    back = fact_decoder().decode(fact_encoder(sealer.seal).encode(fact))
    assert isinstance(back, CallRouted)
    assert back.personal.plain is None
    assert sealer.open(back.personal.sealed) == PLAIN
