"""The demo's stage: phones, plan, money; it plays the planned calls and checks each of them."""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from dce.config import Config
from dce.database import Database, database_dsn
from dce.demo_calls import CALLS, CLOSED, DemoCall, differences, manners_of
from dce.demo_exchange import Api, Entry
from dce.demo_phones import BuyerPhone, CallerPhone, PlacedCall
from dce.demo_plan import (
    PRIVATE_NETWORKS,
    Plan,
    desk_addresses,
    fit_plan,
    open_home,
    read_demo_plan,
)
from dce.demo_text import Books
from dce.demo_trace import Trace
from dce.token_store import create_token
from vocabulary import limits
from vocabulary.errors import ConfigError

CALLER_NAME, STRANGER_NAME = "caller", "stranger"
STRANGER_HOST = "127.0.0.99"  # loopback as well, and no network of the plan's trunk
TOP_UP = "250.00"
CALL_S = 25.0  # no planned call takes half of it
RECORD_S = 15.0
SETTLE_S = 0.2  # the far leg of a call ends a moment after the near one
POLL_S = 0.15
SUBJECT_BYTES = 16
SELECT_BOOKS = (
    "SELECT account::text, owner, count(*)::bigint AS lines, sum(amount_micros)::bigint AS micros"
    " FROM ledger_entries GROUP BY account, owner"
)


class Played(Struct, frozen=True):
    """One call that was played. record: as the API gives it; differences: from the plan."""

    planned: DemoCall
    status: int
    record: Mapping[str, Any] | None
    differences: list[str]


class Stage:
    """Phones around one exchange. `open` before the exchange starts, `close` after it ended."""

    def __init__(self, config: Config, entry: Entry, api: Api, *, lan: bool) -> None:
        self.trace = Trace()
        self.plan: Plan = {}
        self.caller = CallerPhone(CALLER_NAME, self.trace)
        self.buyers: dict[str, BuyerPhone] = {}
        self._stranger = CallerPhone(STRANGER_NAME, self.trace)
        self._config = config
        self._entry = entry
        self._api = api
        self._lan = lan
        self._placed: dict[str, asyncio.Future[PlacedCall]] = {}
        self._opened = asyncio.Event()
        self._records = Records(api)

    async def open(self) -> None:
        """Open every phone; a desk whose port is taken gets another one. Fits the plan to it."""
        written = read_demo_plan()
        await self.caller.open(self._entry.host, 0, "demo caller")
        if self.has_stranger():
            await self._stranger.open(STRANGER_HOST, 0, "demo stranger")
        for target, (host, port) in desk_addresses(written).items():
            phone = BuyerPhone(target, self.trace, manners_of(target))
            try:
                await phone.open(host, port, target)
            except ConfigError:
                await phone.open(host, 0, target)
            self.buyers[target] = phone
        networks = [f"{self._entry.host}/32", *(PRIVATE_NETWORKS if self._lan else ())]
        phones = {target: phone.address for target, phone in self.buyers.items()}
        self.plan = fit_plan(written, networks, phones)

    async def close(self) -> None:
        """Close every phone."""
        for phone in (self.caller, self._stranger, *self.buyers.values()):
            await phone.close()

    def has_stranger(self) -> bool:
        """Whether a second loopback address can reach the exchange."""
        return self._entry.host.startswith("127.")

    def calls(self) -> list[DemoCall]:
        """The calls that can be played here."""
        return [each for each in CALLS if self.has_stranger() or not each.stranger]

    async def make_token(self) -> None:
        """An administrator's token, as `dce admin create` makes one."""
        database = Database(database_dsn(self._config))
        try:
            token = await create_token(database, self._config.tokens_file, "demo")
        finally:
            await database.close()
        self._api.use_token(token)

    async def apply_plan(self) -> Mapping[str, Any]:
        """PUT the plan; the API's answer."""
        answer: Mapping[str, Any] = await self._api.put("plan", self.plan)
        return answer

    async def top_up(self) -> bool:
        """TOP_UP for each buyer, sent twice with one key; whether it was posted once each."""
        once = True
        for buyer in self.plan["buyers"]:
            path = f"accounts/{buyer['id']}/top-ups"
            body = {"amount": TOP_UP, "currency": self.plan["currency"]}
            key = f"demo-{buyer['id']}"
            answers = [await self._api.post(path, body, key) for _ in range(2)]
            repeated = [answer["repeated"] for answer in answers]
            once = once and repeated == [False, True] and answers[1]["balance"] == TOP_UP
        return once

    async def play(self, tell: Callable[[Played], None]) -> list[Played]:
        """Play all calls, most of them at once; tell is called as each one is checked."""
        loop = asyncio.get_running_loop()
        calls = self.calls()
        self._placed = {each.title: loop.create_future() for each in calls}

        async def one(planned: DemoCall) -> Played:
            played = await self._play(planned)
            tell(played)
            return played

        async with asyncio.TaskGroup() as group:
            group.create_task(self._open_home())
            tasks = [group.create_task(one(each)) for each in calls]
        return [task.result() for task in tasks]

    async def books(self) -> Books:
        """Sums of every posting in PostgreSQL."""
        database = Database(database_dsn(self._config))
        try:
            async with database.connection() as connection:
                rows = await connection.fetch(SELECT_BOOKS)
        finally:
            await database.close()
        return Books((row["account"], row["owner"], row["lines"], row["micros"]) for row in rows)

    async def _open_home(self) -> None:
        """Swap in the second plan once the closed campaign has refused its call."""
        await self._reached(CLOSED, "ended")
        self.plan = open_home(self.plan)
        await self.apply_plan()
        self._opened.set()

    async def _play(self, planned: DemoCall) -> Played:
        if planned.opened:
            await self._opened.wait()
        if planned.after is not None:
            await self._reached(*planned.after)
            await asyncio.sleep(SETTLE_S)
        placed = self._place(planned)
        found = []
        try:
            async with asyncio.timeout(CALL_S):
                await placed.ended.wait()
        except TimeoutError:
            found.append(f"it did not end in {CALL_S:.0f} s")
        record = None
        if planned.outcome.recorded:
            record = await self._records.find(self._subject_of(planned.call.caller))
        found += differences(planned, placed.status, placed.ended_by, record)
        return Played(planned, placed.status, record, found)

    def _place(self, planned: DemoCall) -> PlacedCall:
        entry = self._entry
        transport, port = "UDP", entry.udp_port
        if planned.transport == "TCP" and entry.tcp_port:
            transport, port = "TCP", entry.tcp_port
        phone = self._stranger if planned.stranger else self.caller
        placed = phone.place(planned.call, phone.flow_to(transport, entry.host, port))
        self._placed[planned.title].set_result(placed)
        return placed

    async def _reached(self, title: str, what: str) -> None:
        """Wait until another call is answered or has ended, at most CALL_S."""
        placed = await asyncio.shield(self._placed[title])
        event = placed.answered if what == "answered" else placed.ended
        try:
            async with asyncio.timeout(CALL_S):
                await event.wait()
        except TimeoutError:
            return  # that call tells of it itself

    def _subject_of(self, caller: str) -> str:
        """What a record shows of a caller: HMAC of the number under this installation's key."""
        key = (self._config.keys_dir / "subject.key").read_bytes()
        return hmac.digest(key, caller.encode(), "sha256")[:SUBJECT_BYTES].hex()


class Records:
    """Records by subject, polled from the API until they are there."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ids: dict[str, str] = {}
        self._asking = asyncio.Lock()

    async def find(self, subject: str) -> Mapping[str, Any] | None:
        """The whole record of the one call of a subject; None if none comes in RECORD_S."""
        try:
            async with asyncio.timeout(RECORD_S):
                while subject not in self._ids:
                    await self._refresh(subject)
        except TimeoutError:
            return None
        record: Mapping[str, Any] = await self._api.get(f"calls/{self._ids[subject]}")
        return record

    async def _refresh(self, subject: str) -> None:
        async with self._asking:
            if subject in self._ids:
                return
            await asyncio.sleep(POLL_S)
            listed = await self._api.get(f"calls?limit={limits.demo_calls_listed_max}")
            self._ids.update((row["subject"], row["id"]) for row in listed["calls"])
