"""Tags, branches and Call-IDs: unpredictable to others, readable to us (RFC 3261 §19.3).

A keyed hash of a counter, cut up; with one secret no two are ever equal. The worker that owns a
dialog or transaction is read from what it issued:

    tag      07 3f9a…(16)                 worker (2 hex digits), then 64 bits
    branch   z9hG4bK 07 3f9a…(16) . 5     the magic cookie, the leg's tag, a count
"""

from binascii import hexlify
from hashlib import blake2b

MAGIC = b"z9hG4bK"  # RFC 3261 §8.1.1.7
WORKERS_MAX = 256
TAG_BYTES = 8
CALL_ID_BYTES = 16


class Tokens:
    """Source of identifiers. secret: 16..64 bytes, worker: 0..255.

    Raises ValueError on others: a short secret would make tags guessable.
    """

    __slots__ = ("count", "prefix", "state")

    def __init__(self, secret: bytes, worker: int) -> None:
        if not 16 <= len(secret) <= 64 or not 0 <= worker < WORKERS_MAX:
            raise ValueError("secret must be 16 to 64 bytes, worker 0 to 255")
        self.prefix = b"%02x" % worker
        self.state = blake2b(key=secret, digest_size=TAG_BYTES + CALL_ID_BYTES)
        self.count = 0

    def tag_and_call_id(self) -> tuple[bytes, bytes]:
        """A fresh tag (18 octets) and Call-ID (32 octets); no address of ours is in them."""
        self.count = self.count + 1
        return self.cut(self.count.to_bytes(8, "big"))

    def derived_tag(self, about: bytes) -> bytes:
        """The same tag for the same request, for answers without state (RFC 3261 §8.2.7)."""
        return self.cut(b"stateless" + about)[0]

    def cut(self, about: bytes) -> tuple[bytes, bytes]:
        """Hash `about` once and cut the digest into a tag and a Call-ID."""
        state = self.state.copy()
        state.update(about)
        text = hexlify(state.digest())
        return self.prefix + text[: 2 * TAG_BYTES], text[2 * TAG_BYTES :]


def worker_of(token: bytes) -> int:
    """The worker (0..255) that issued a tag or branch, −1 if it is not one of ours."""
    if token.startswith(MAGIC):
        token = token[len(MAGIC) :]
    try:
        return int(token[:2], 16) if len(token) >= 2 + 2 * TAG_BYTES else -1
    except ValueError:
        return -1
