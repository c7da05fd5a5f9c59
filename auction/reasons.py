"""Run-length code of the reason vector: one ordinal per candidate, in index order.

```
 byte 0: form    0 raw: the ordinals follow, one byte each
                 1 runs: (ordinal, length − 1 as a base-128 number, low seven bits first) …
```
The shorter form is written, so that a vector costs at most one byte more than its candidates.
"""

from array import array

from vocabulary import limits
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason

_RAW = 0
_RUNS = 1


def encode(reasons: "array[int]") -> bytes:
    """Bytes of a vector ('B') of at most limits.candidates_max ordinals."""
    length = len(reasons)
    assert length <= limits.candidates_max
    coded = bytearray(b"\x01")
    start = 0
    while start < length:
        ordinal = reasons[start]
        end = start + 1
        while end < length and reasons[end] == ordinal:
            end += 1
        coded.append(ordinal)
        rest = end - start - 1
        while rest > 127:
            coded.append(rest & 127 | 128)
            rest >>= 7
        coded.append(rest)
        if len(coded) > length:
            return b"\x00" + bytes(reasons)
        start = end
    return bytes(coded)


def decode(data: bytes) -> "array[int]":
    """Vector of encode's bytes. Raises ValueError for bytes that encode does not write."""
    if not data or data[0] not in (_RAW, _RUNS):
        raise ValueError("not a reason vector")
    if data[0] == _RAW:
        return _bounded(array("B", data[1:]))
    reasons = array("B")
    at = 1
    while at < len(data):
        ordinal = data[at]
        length, at = _run(data, at + 1)
        if len(reasons) + length > limits.candidates_max:
            raise ValueError(f"more than {limits.candidates_max} reasons")
        reasons.frombytes(bytes((ordinal,)) * length)
    return reasons


def tally(data: bytes) -> dict[int, int]:
    """{ordinal: how many candidates} of encode's bytes, without zeros, ascending.

    Raises ValueError for bytes that encode does not write.
    """
    size = len(data)
    if size == 0 or data[0] > _RUNS:
        raise ValueError("not a reason vector")
    counts = array("q", bytes(8 * 256))
    total = counts
    at = 1
    if data[0] == _RAW:
        while at < size:
            total[data[at]] += 1
            at += 1
    while at < size:
        ordinal = data[at]
        at += 1
        length = shift = 0
        while at < size and shift <= 14:
            octet = data[at]
            at += 1
            length |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                break
        else:
            raise ValueError("a run without its length")
        total[ordinal] += length + 1
    found = {}
    size = 0
    for ordinal in range(256):
        if total[ordinal]:
            found[ordinal] = total[ordinal]
            size += total[ordinal]
    if size > limits.candidates_max:
        raise ValueError(f"more than {limits.candidates_max} reasons")
    return found


def reason_of(ordinal: int) -> Reason | None:
    """The reason of an ordinal, None where the candidate stands. Raises ValueError if unknown."""
    return None if ordinal == ELIGIBLE else Reason(ordinal + REASON_BASE)


def _run(data: bytes, at: int) -> tuple[int, int]:
    length = shift = 0
    while at < len(data) and shift <= 14:
        length |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return length + 1, at
    raise ValueError("a run without its length")


def _bounded(reasons: "array[int]") -> "array[int]":
    if len(reasons) > limits.candidates_max:
        raise ValueError(f"more than {limits.candidates_max} reasons")
    return reasons
