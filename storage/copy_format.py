"""PostgreSQL's binary COPY format, written in bulk: frames of values, cached where they repeat.

```
"PGCOPY\\n\\377\\r\\n\\0" flags 4 header 4   row: columns 2 (value: length 4 ‖ bytes)*   end: −1
```
A row costs one `struct` call for its columns of fixed width, which stand first, and one look-up
for each text: a plan's words come again in every call. Source: PostgreSQL's manual, COPY, "Binary
Format"; the values are what each type's receive function takes.
"""

import struct
from collections.abc import Mapping
from struct import Struct

from vocabulary import limits

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
UNIX_TO_POSTGRES_US = 946_684_800_000_000  # 1970-01-01 to 2000-01-01
INT2_OID, INT4_OID = 21, 23
JSONB_VERSION = b"\x01"

LENGTH = Struct(">i")
INT2 = Struct(">ih")
INT4 = Struct(">ii")
INT8 = Struct(">iq")
FOUR_INT8 = Struct(">iqiqiqiq")
ARRAY = Struct(">iiiIii")  # length, dimensions, whether nulls, type, elements, lower bound
EMPTY_ARRAY = Struct(">iiiI")

# What packing raises for a value that its column cannot hold.
UNFIT = (struct.error, ValueError, TypeError, LookupError, OverflowError)


class Texts(dict[str, bytes]):
    """Text → its frame, made at the first use and kept; all of them go when there are too many.

    nullable: an empty text is NULL. PostgreSQL takes no NUL, a caller may send one: it is dropped.
    """

    def __init__(self, *, nullable: bool) -> None:
        super().__init__()
        self._nullable = nullable

    def __missing__(self, text: str) -> bytes:
        if len(self) >= limits.copied_texts_max:
            self.clear()
        data = text.replace("\0", "").encode()
        found = NULL if self._nullable and not data else framed(data)
        self[text] = found
        return found


def framed(data: bytes) -> bytes:
    """A value of known bytes with its length."""
    return LENGTH.pack(len(data)) + data


def words(labels: Mapping[int, str]) -> tuple[bytes, ...]:
    """Frames of an enum's labels by number; an index costs less than a hash. Holes are empty."""
    return tuple(framed(labels.get(number, "").encode()) for number in range(max(labels) + 1))


def offsets(first: int, second: int, third: int, fourth: int) -> bytes:
    """Four bigint columns, each NULL where it is below zero."""
    if first >= 0 and second >= 0 and third >= 0 and fourth >= 0:
        return FOUR_INT8.pack(8, first, 8, second, 8, third, 8, fourth)
    return b"".join(
        [NULL if value < 0 else INT8.pack(8, value) for value in (first, second, third, fourth)]
    )


def array_of(frames: list[bytes], oid: int) -> bytes:
    """An array column of elements of one type, given as frames."""
    if not frames:
        return EMPTY_ARRAY.pack(12, 0, 0, oid)
    body = b"".join(frames)
    return ARRAY.pack(20 + len(body), 1, 0, oid, len(frames), 1) + body
