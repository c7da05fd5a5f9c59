"""MessagePack of facts and link frames. Encoding never validates; decoding always does."""

from collections.abc import Callable
from typing import Any

import msgspec

from vocabulary.facts import AnyFact, Personal

Seal = Callable[[Personal], bytes]


def fact_encoder(seal: Seal) -> msgspec.msgpack.Encoder:
    """Encoder of facts. seal: gives the sealed bytes of a Personal (and keeps them in it)."""

    def hook(value: Any) -> bytes:
        if isinstance(value, Personal):
            return value.sealed or seal(value)
        raise TypeError(f"a fact cannot hold {type(value).__name__}")

    return msgspec.msgpack.Encoder(enc_hook=hook)


def fact_decoder() -> "msgspec.msgpack.Decoder[AnyFact]":
    """Decoder of facts; Personal comes out sealed. Raises msgspec.ValidationError."""
    return msgspec.msgpack.Decoder(AnyFact, dec_hook=_open_hook)


def _open_hook(kind: type, value: Any) -> Any:
    if kind is Personal and isinstance(value, bytes):
        return Personal(None, value)
    raise TypeError(f"no decoding for {kind.__name__}")
