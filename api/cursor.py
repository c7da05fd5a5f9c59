"""Cursors of paged lists: where the next page starts, sealed so that nobody makes one up.

A cursor is base64url(HMAC-SHA-256(key, purpose ‖ filters ‖ position)[:16] ‖ position): it is only
good for the list and the filters that it came from.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from api.problem import Problem
from vocabulary import limits

MAC_BYTES = 16


def make_cursor(key: bytes, scope: bytes, position: bytes) -> str:
    """Text of a cursor. scope: what the list is, with its filters."""
    return urlsafe_b64encode(_mac(key, scope, position) + position).decode().rstrip("=")


def read_cursor(key: bytes, scope: bytes, text: str) -> bytes:
    """The position in a cursor. Raises Problem 400 if it is not ours or from another list."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _foreign() from None
    mac, position = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if len(text) > limits.cursor_characters_max or not hmac.compare_digest(
        mac, _mac(key, scope, position)
    ):
        raise _foreign()
    return position


def _mac(key: bytes, scope: bytes, position: bytes) -> bytes:
    return hmac.digest(key, len(scope).to_bytes(4, "big") + scope + position, "sha256")[:MAC_BYTES]


def _foreign() -> Problem:
    return Problem(
        400, "cursor_invalid", "the cursor is not of this list; start again without a cursor"
    )
