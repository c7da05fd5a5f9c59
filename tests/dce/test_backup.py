"""The drill: a backup of a server that runs, brought to a machine without data, takes calls."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dce.demo_phones import BuyerPhone, Call, CallerPhone, Manner
from dce.demo_trace import Trace
from storage.journal_copy import copy_journal
from storage.reader import JournalReader
from tests.dce.test_run import START_S, Exchange, client, exchange, send
from tests.postgres_fixture import open_folder
from tests.routing.plans import written_plan
from tests.storage.opened import Opened, payload
from vocabulary.errors import JournalDamaged

__all__ = ["client", "exchange"]  # fixtures
CALLS = 12
NUMBER = "+12125550100"


def caller_of(call: int) -> str:
    return f"+1310555{call:04d}"


class Phones:
    """A buyer that answers at once and a caller."""

    async def open(self) -> "Phones":
        trace = Trace()
        manners = {caller_of(call): Manner(ring_s=0) for call in range(100)}
        self.buyer = await BuyerPhone("buyer", trace, manners).open("127.0.0.1", 0, "buyer")
        self.caller = await CallerPhone("caller", trace).open("127.0.0.1", 0, "caller")
        return self

    async def call(self, exchange: Exchange, first: int, count: int) -> None:
        """Calls one after the other, each to its end."""
        flow = self.caller.flow_to("UDP", "127.0.0.1", exchange.sip)
        async with asyncio.timeout(START_S):
            for number in range(first, first + count):
                placed = self.caller.place(Call(caller_of(number), NUMBER, talk_s=0.01), flow)
                await placed.ended.wait()
                assert placed.status == 200

    async def close(self) -> None:
        await self.caller.close()
        await self.buyer.close()


@pytest.fixture
async def phones() -> AsyncIterator[Phones]:
    made = await Phones().open()
    yield made
    await made.close()


@pytest.fixture
async def fresh() -> AsyncIterator[Exchange]:
    """Another machine, as far as data goes; not started."""
    made = Exchange()
    yield made
    if hasattr(made, "process"):
        await made.end()
        print(await made.stderr())
    shutil.rmtree(made.folder)


async def figures(client: aiohttp.ClientSession, calls: int) -> tuple[Any, Any]:
    """Accounts to the micro-unit, and the finished calls, once there are so many."""
    async with asyncio.timeout(START_S):
        while True:
            _, page = await send(client, "GET", "/api/v1/calls?limit=500")
            if len(page["calls"]) >= calls:
                break
    _, accounts = await send(client, "GET", "/api/v1/accounts")
    return accounts["accounts"], page["calls"]


@pytest.mark.slow
async def test_a_backup_comes_back_on_a_machine_without_data(
    exchange: Exchange, client: aiohttp.ClientSession, phones: Phones, fresh: Exchange
) -> None:
    host, port = phones.buyer.address()
    plan = written_plan(
        1, uri=lambda buyer, target: f"sip:agents@{host}:{port}",
        campaign={"terms": {"qualify_s": 0}}, amount=lambda buyer, bid: "12.345678",
    )
    assert (await send(client, "PUT", "/api/v1/plan", plan))[0] == 200
    await phones.call(exchange, 0, CALLS)
    accounts, calls = await figures(client, CALLS)
    folder = open_folder()
    try:
        backup, keys = folder / "backup", folder / "keys"
        code, said, errors = await exchange.command("backup", str(backup), "--keys", str(keys))
        assert (code, errors) == (0, ""), errors
        assert "records 1 to " in said
        await phones.call(exchange, CALLS, 3)  # after the backup: lost with the machine
        await exchange.end()

        code, said, errors = await fresh.command("restore", str(backup), "--keys", str(keys))
        assert (code, errors) == (0, ""), errors
        code, said, errors = await fresh.command("restore", str(backup), "--keys", str(keys))
        assert (code, "is not empty" in errors) == (2, True)
        await fresh.start()
        token = client.headers["Authorization"]
        async with aiohttp.ClientSession(fresh.base, headers={"Authorization": token}) as again:
            assert await figures(again, CALLS) == (accounts, calls)
            await phones.call(fresh, 50, 1)
            _, after = await figures(again, CALLS + 1)
            assert len(after) == CALLS + 1
            assert (await send(again, "GET", "/readyz"))[0] == 200
        await tampered(fresh, backup, keys)
    finally:
        shutil.rmtree(folder)


async def tampered(fresh: Exchange, backup: Path, keys: Path) -> None:
    """A backup that was changed goes nowhere."""
    await fresh.end()
    segment = sorted((backup / "journal").iterdir())[0]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    code, _, errors = await fresh.command("restore", str(backup), "--keys", str(keys))
    assert (code, "not as it was written: journal/" in errors) == (1, True), errors


async def test_a_copy_of_a_growing_journal_ends_at_its_mark(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "journal", segment_bytes=1_024)
    for _ in range(60):
        await opened.durable(opened.put(payload(opened.journal.next_seq)))
    copy_journal(tmp_path / "journal", tmp_path / "copy", running=True)
    durable = opened.journal.durable_seq
    for _ in range(20):
        await opened.durable(opened.put(payload(opened.journal.next_seq)))
    opened.journal.close()
    reader = JournalReader(tmp_path / "copy", whole=True)
    assert [entry.payload for entry in reader] == [payload(seq) for seq in range(1, durable + 1)]
    reader.close()
    again = Opened(tmp_path / "copy", segment_bytes=1_024)
    assert again.journal.next_seq == durable + 1
    again.journal.close()
    copy_journal(tmp_path / "journal", tmp_path / "after", running=False)
    reader = JournalReader(tmp_path / "after", whole=True)
    assert len(list(reader)) == 80
    reader.close()


def test_there_is_no_copy_of_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalDamaged, match="there is no journal"):
        copy_journal(tmp_path / "none", tmp_path / "copy", running=False)
