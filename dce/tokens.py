"""Bearer tokens: made once, kept as SHA-256, cached in a file so that they work while PostgreSQL
is away.

```
dce admin create NAME ──► PostgreSQL api_tokens (hash, name)   the truth
                     └──► data_dir/tokens.json {hash: name}    what a running api reads
```
The api looks at the file's stamp at every request and reads it again when that changed: a new or
a revoked token counts at once.
"""

import secrets
from hashlib import sha256
from pathlib import Path

import msgspec

from dce.folders import write_durably
from vocabulary import limits

TOKEN_BYTES = 32
PREFIX = "dce_"

_DECODER = msgspec.json.Decoder(dict[str, str])


def make_token() -> tuple[str, bytes]:
    """A new token and its SHA-256."""
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    return token, sha256(token.encode()).digest()


def write_cache(path: Path, names: dict[bytes, str]) -> None:
    """Replace the cache. names: hash → name of every token that is valid."""
    known = {digest.hex(): name for digest, name in list(names.items())[:limits.api_tokens_max]}
    write_durably(path, msgspec.json.encode(known))


class TokenCache:
    """Names by hash, as the file says now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._names: dict[str, str] = {}

    def find(self, digest: bytes) -> str | None:
        """Name of the token with this SHA-256, None if no such token is valid."""
        self._refresh()
        return self._names.get(digest.hex())

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._names = None, {}
            return
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp != self._stamp:
            try:
                self._names = _DECODER.decode(self._path.read_bytes())
            except (OSError, msgspec.MsgspecError):
                self._names = {}  # a damaged cache lets nobody in
            self._stamp = stamp
