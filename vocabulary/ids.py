"""Identifiers. Plan ids are slugs chosen by people; record ids are UUIDv7 (RFC 9562 §5.7)."""

from hashlib import blake2b, sha256
from typing import Annotated

from msgspec import Meta

from vocabulary import limits

Slug = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", min_length=1, max_length=limits.id_bytes_max)
]
Uuid = Annotated[bytes, Meta(min_length=16, max_length=16)]
SubjectId = Annotated[bytes, Meta(min_length=16, max_length=16)]

NS_PER_MS = 1_000_000
BLOCK_BYTES = 64  # of SHA-256


class IdSource:
    """Makes UUIDv7 values: wall milliseconds, then a counter hashed under a secret.

    Unique while (secret, counter) is: the secret is fresh for every process start.
    """

    __slots__ = ("_counter", "_state")

    def __init__(self, secret: bytes) -> None:
        assert len(secret) >= 16
        self._state = blake2b(key=secret[:64], digest_size=20)
        self._counter = 0

    def uuid7(self, wall_ns: int) -> bytes:
        """The next id, 16 bytes. wall_ns: Unix time in ns."""
        return self.uuid7_pair(wall_ns)[0]

    def uuid7_pair(self, wall_ns: int) -> tuple[bytes, bytes]:
        """The next two ids for the price of one hash: a call and its auction."""
        self._counter += 1
        state = self._state.copy()
        state.update(self._counter.to_bytes(8, "big"))
        tail = state.digest()
        return _uuid7(wall_ns, tail), _uuid7(wall_ns, tail[10:])


def _uuid7(wall_ns: int, tail: bytes) -> bytes:
    """An id of wall milliseconds and the first ten bytes of tail."""
    head = (wall_ns // NS_PER_MS) & 0xFFFF_FFFF_FFFF
    return b"%b%c%c%c%b" % (
        head.to_bytes(6, "big"),
        0x70 | (tail[0] & 0x0F),
        tail[1],
        0x80 | (tail[2] & 0x3F),
        tail[3:10],
    )


class SubjectIds:
    """Names people: HMAC-SHA-256 (RFC 2104) of a number under a secret, cut to 128 bits.

    Both padded key blocks are hashed once; an id costs the two short ends.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, pepper: bytes) -> None:
        key = (sha256(pepper).digest() if len(pepper) > BLOCK_BYTES else pepper)
        block = key.ljust(BLOCK_BYTES, b"\x00")
        self._inner = sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = sha256(bytes(octet ^ 0x5C for octet in block))

    def subject_id(self, about: bytes) -> bytes:
        """16 bytes that depend on secret and number only."""
        inner = self._inner.copy()
        inner.update(about)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()[:16]


def uuid_text(value: bytes) -> str:
    """Canonical text of 16 bytes: 8-4-4-4-12 hexadecimal digits."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def parse_uuid(text: str) -> bytes:
    """16 bytes of a canonical or bare hexadecimal id. Raises ValueError."""
    value = bytes.fromhex(text.replace("-", ""))
    if len(value) != 16:
        raise ValueError(f"expected an id of 32 hexadecimal digits, got {text!r}")
    return value


def keyed_hash(key: bytes, *parts: bytes) -> int:
    """A 63-bit integer that depends on key and parts only: the exchange's chance (rule 30)."""
    digest = blake2b(b"\x00".join(parts), key=key[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
