"""Rows of binary COPY, read back: what PostgreSQL would make of the loader's bytes."""

import struct
from collections.abc import Callable
from typing import Any

from storage.copy_format import UNIX_TO_POSTGRES_US
from storage.loader import COLUMNS, DAILY, Rows

INTEGER = {1: ">b", 2: ">h", 4: ">i", 8: ">q"}
RAW = {
    "call_id", "auction_id", "source_id", "top_up_id", "about", "subject", "personal", "reasons",
}
FLAGS = {"qualified", "recovered", "runner_up"}
INSTANTS = {"received_at", "posted_at"}
ARRAYS = {"reason_ids", "reason_counts"}
TEXTS = {
    "disposition", "hangup", "currency", "trunk", "publisher", "campaign", "buyer", "target",
    "bid_id", "cause", "gateway", "price_kind", "area", "kind", "account", "owner",
    "idempotency_key",
}


def rows_of(rows: Rows, table: str) -> list[dict[str, Any]]:
    """Rows of a table, all days, by column."""
    if table in DAILY:
        found = [row for day in rows.days.values() for row in getattr(day, table)]
    else:
        found = getattr(rows, table)
    return [_row(table, data) for data in found]


def counted(rows: Rows) -> int:
    """Rows that are there."""
    return sum(len(rows_of(rows, table)) for table in COLUMNS)


def _row(table: str, data: bytes) -> dict[str, Any]:
    columns = COLUMNS[table]
    assert struct.unpack_from(">h", data) == (len(columns),)
    row: dict[str, Any] = {}
    at = 2
    for column in columns:
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        value = data[at : at + max(length, 0)]
        at += len(value)
        assert len(value) == max(length, 0)
        row[column] = None if length < 0 else _reader(table, column)(value)
    assert at == len(data)
    return row


def _reader(table: str, column: str) -> Callable[[bytes], Any]:
    if column in RAW:
        return bytes
    if column in FLAGS:
        return lambda value: value == b"\x01"
    if column in INSTANTS:
        return lambda value: (_integer(value) + UNIX_TO_POSTGRES_US) * 1_000
    if column in ARRAYS:
        return _array
    if column == "tags":
        return lambda value: value.removeprefix(b"\x01").decode()
    if column in TEXTS or (table, column) == ("calls", "number"):
        return bytes.decode
    return _integer


def _integer(value: bytes) -> int:
    number: int = struct.unpack(INTEGER[len(value)], value)[0]
    return number


def _array(value: bytes) -> list[int]:
    dimensions, nulls, _oid = struct.unpack_from(">iiI", value)
    assert nulls == 0
    if dimensions == 0:
        return []
    count, lower = struct.unpack_from(">ii", value, 12)
    assert (dimensions, lower) == (1, 1)
    found, at = [], 20
    for _ in range(count):
        (length,) = struct.unpack_from(">i", value, at)
        found.append(_integer(value[at + 4 : at + 4 + length]))
        at += 4 + length
    assert at == len(value)
    return found
