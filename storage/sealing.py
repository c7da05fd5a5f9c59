"""Sealing of personal fields: AES-256-GCM under one installation key per key epoch.

```
sealed     key epoch 2 │ nonce 12 │ ciphertext of a MessagePack array of five strings │ tag 16
nonce      process epoch 4 │ worker 1 │ counter 7                 numbers big-endian
key file   keys/personal-0001.key   32 bytes, mode 0600, apart from the journal
used file  keys/personal-0001.used-0   highest process epoch of worker 0 that sealed under it
```
No nonce comes twice under one key (NIST SP 800-38D §8.2.1, the deterministic construction): the
counter counts within a process, the worker is part of it, and a process epoch is used under a key
only if it is above the one in the used file, which is durable before the first seal. A journal
that was deleted starts again at epoch 1; then the used file forces a new key epoch. A key without
this worker's used file is never used by it: nobody can say what it sealed under it.
"""

import os
from pathlib import Path
from struct import Struct as Layout

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.disk import OWNER_DIRECTORY, OWNER_ONLY, OsDisk
from vocabulary.errors import StorageFailed
from vocabulary.facts import Personal

KEY_BYTES = 32
KEY_EPOCH = Layout(">H")
KEY_EPOCHS_MAX = 0xFFFF
NONCE_HEAD = Layout(">IB")
COUNTER_BYTES = 7
NONCE_BYTES = NONCE_HEAD.size + COUNTER_BYTES
SEALED_MIN_BYTES = KEY_EPOCH.size + NONCE_BYTES + 16
USED = Layout(">I")
EPOCH_UNKNOWN = 2**32

Plain = tuple[str, str, str, str, str]


class Sealer:
    """Seals and opens Personal fields. forget: drop the plain text once it is sealed."""

    def __init__(
        self, keys: dict[int, bytes], key_epoch: int, process_epoch: int, worker: int,
        *, forget: bool = False,
    ) -> None:
        """keys: 32 bytes by key epoch; use `open_keys`. Asserts that the current one is there."""
        assert key_epoch in keys
        self._ciphers = {epoch: AESGCM(key) for epoch, key in keys.items()}
        self._encrypt = self._ciphers[key_epoch].encrypt
        self._key_epoch = KEY_EPOCH.pack(key_epoch)
        self._head = NONCE_HEAD.pack(process_epoch, worker)
        self._counter = 0
        self._forget = forget
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Plain).decode

    def seal(self, personal: Personal) -> bytes:
        """Sealed bytes of a Personal, kept in it so that every later fact repeats them.

        b"" for one that holds nothing.
        """
        if personal.sealed or personal.plain is None:
            return personal.sealed
        self._counter += 1
        nonce = self._head + self._counter.to_bytes(COUNTER_BYTES, "big")
        key_epoch = self._key_epoch
        sealed = b"".join(
            (key_epoch, nonce, self._encrypt(nonce, self._encode(personal.plain), key_epoch))
        )
        personal.sealed = sealed
        if self._forget:
            personal.plain = None
        return sealed

    def open(self, sealed: bytes) -> Plain | None:
        """The five strings; None if no key opens them or the bytes were changed."""
        if len(sealed) < SEALED_MIN_BYTES:
            return None
        cipher = self._ciphers.get(KEY_EPOCH.unpack_from(sealed)[0])
        if cipher is None:
            return None
        start = KEY_EPOCH.size + NONCE_BYTES
        nonce = sealed[KEY_EPOCH.size : start]
        try:
            encoded = cipher.decrypt(nonce, sealed[start:], sealed[: KEY_EPOCH.size])
        except InvalidTag:
            return None
        plain: Plain = self._decode(encoded)
        return plain


def open_keys(
    directory: Path, *, process_epoch: int, worker: int, forget: bool = False
) -> Sealer:
    """Sealer for a writing process; makes the first key, or the next where a nonce could repeat.

    process_epoch: the journal's. Raises StorageFailed for a key file of the wrong size, OSError.
    """
    assert 0 < process_epoch < 2**32
    assert 0 <= worker < 2**8
    disk = OsDisk()
    directory.mkdir(mode=OWNER_DIRECTORY, parents=True, exist_ok=True)
    keys = _load_keys(directory)
    key_epoch = max((k for k in keys if _used_path(directory, k, worker).exists()), default=0)
    if not key_epoch or _used_epoch(_used_path(directory, key_epoch, worker)) >= process_epoch:
        key_epoch = max(keys, default=0) + 1
        keys[key_epoch] = _make_key(directory, key_epoch)
    used_path = _used_path(directory, key_epoch, worker)
    disk.replace(used_path, USED.pack(process_epoch))
    return Sealer(keys, key_epoch, process_epoch, worker, forget=forget)


def read_keys(directory: Path) -> Sealer | None:
    """Sealer that opens only, for processes that show records; None if there is no key."""
    keys = _load_keys(directory)
    return _Opener(keys) if keys else None


class _Opener(Sealer):
    """Opens what others sealed; has no nonces of its own, so it never seals."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        super().__init__(keys, max(keys), 0, 0)

    def seal(self, personal: Personal) -> bytes:
        """Refused: this process owns no nonces."""
        raise StorageFailed("a reading process does not seal")


def _used_path(directory: Path, key_epoch: int, worker: int) -> Path:
    return directory / f"{_stem(key_epoch)}.used-{worker}"


def _used_epoch(path: Path) -> int:
    """Highest process epoch that a used file admits; beyond any where it is damaged."""
    data = path.read_bytes()
    if len(data) != USED.size:
        return EPOCH_UNKNOWN
    epoch: int = USED.unpack(data)[0]
    return epoch


def _stem(key_epoch: int) -> str:
    return f"personal-{key_epoch:04d}"


def _load_keys(directory: Path) -> dict[int, bytes]:
    keys: dict[int, bytes] = {}
    for path in sorted(directory.glob("personal-*.key")):
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise StorageFailed(f"{path}: expected a key of {KEY_BYTES} bytes, found {len(key)}")
        keys[int(path.stem.removeprefix("personal-"))] = key
    return keys


def _make_key(directory: Path, key_epoch: int) -> bytes:
    """A fresh key, durable before anything is sealed under it."""
    if key_epoch > KEY_EPOCHS_MAX:
        raise StorageFailed(f"{directory}: all {KEY_EPOCHS_MAX} key epochs are used")
    key = os.urandom(KEY_BYTES)
    path = directory / f"{_stem(key_epoch)}.key"
    OsDisk().replace(path, key)
    assert path.stat().st_mode & 0o777 == OWNER_ONLY
    return key
