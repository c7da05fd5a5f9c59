"""Real kill -9 of a real signal worker with real calls and top-ups; the journal is the witness.

```
phones ──SIP──► dce worker signal ──► journal ◄── read after each kill and after each start
operator ─link─►      │ SIGKILL at any instant, under load
```
What was acknowledged, a 200 at the caller or an answer to a top-up, must be in the journal; the
next start must close every call once, hold nothing, and agree with the sum of the facts. Where
the kernel lets us, each start finds another monotonic clock (time_namespaces(7)).
"""

import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dce.config import Config, load
from dce.demo_phones import BuyerPhone, Call, CallerPhone, Manner, PlacedCall
from dce.demo_trace import Trace
from dce.folders import prepare_folders
from dce.link import LinkClient, LinkDown
from sip.signals import Flow
from storage.reader import JournalReader
from storage.sealing import read_keys
from storage.verify import verify
from tests.dce.signal_core import write_plan
from tests.interop.ports import free_port
from tests.routing.plans import written_plan
from vocabulary.codec import fact_decoder
from vocabulary.commands import (
    ApplyPlan,
    Balances,
    Health,
    ListBalances,
    PlanSwapped,
    ReadHealth,
    ReadStatistics,
    Statistics,
    TopUp,
    TopUpDone,
)
from vocabulary.facts import CallAnswered, CallClosed, CallRouted, Fact, TopUpPosted

ROOT = Path(__file__).parents[2]
START_S = 60
CALL_GAP_S = 0.01
NUMBER = "+12125550100"
MICROS = 1_000_000


class Killed:
    """A signal worker over a folder of its own, killed again and again. met: for the table."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"kill -9 {seed}")
        self.folder = Path(tempfile.mkdtemp(prefix="dce-kills-"))
        self.environment = {
            **os.environ, "DCE_DATA_DIR": str(self.folder / "data"), "DCE_ENVIRONMENT": "test",
            "DCE_SIP__LISTEN": f"udp:127.0.0.1:{free_port()}", "DCE_JOURNAL__SEGMENT_MB": "1",
            "DCE_JOURNAL__RESERVE_MB": "1", "DCE_LOG_LEVEL": "error", "PYTHONPATH": str(ROOT),
        }
        self.config: Config = load(os.devnull, environ=self.environment, flags={})
        prepare_folders(self.config)
        self.link = LinkClient(self.config.signal_socket)
        self.process: asyncio.subprocess.Process
        self.placed: dict[str, PlacedCall] = {}  # by caller
        self.top_ups: dict[str, int] = {}  # acknowledged: micros by key
        self.met: Counter[str] = Counter()
        self.calls = self.keys = 0

    async def start(self) -> None:
        """Start, wait until it answers, and see that it is clean."""
        self.process = await asyncio.create_subprocess_exec(
            *await self._another_clock(), sys.executable, "-m", "dce", "worker", "signal",
            cwd=ROOT, env=self.environment,
        )
        async with asyncio.timeout(START_S):
            while True:
                try:
                    health = await self.link.ask(ReadHealth())
                except LinkDown:
                    await asyncio.sleep(0.02)
                    continue
                assert isinstance(health, Health), health
                if "starting" not in health.reasons:
                    return
                await asyncio.sleep(0.02)

    async def _another_clock(self) -> list[str]:
        """A monotonic clock that stands elsewhere, as after a reboot, where we may make one."""
        offset_s = self.chance.choice((-1, 1)) * self.chance.randrange(3_600)
        moved = ["unshare", "--time", "--monotonic", str(offset_s)]
        try:
            probe = await asyncio.create_subprocess_exec(
                *moved, "true", stderr=asyncio.subprocess.DEVNULL
            )
        except FileNotFoundError:
            return []
        if await probe.wait():
            return []
        self.met["starts on another monotonic clock"] += 1
        return moved

    async def kill(self) -> None:
        """SIGKILL, now."""
        self.process.kill()
        assert await self.process.wait() == -9
        await self.link.close()

    async def end(self) -> None:
        """SIGTERM; whatever happened, no process and no file stays."""
        await self.link.close()
        if self.process.returncode is None:
            self.process.terminate()
            async with asyncio.timeout(START_S):
                assert await self.process.wait() == 0
        shutil.rmtree(self.folder)

    async def apply_plan(self, buyer: tuple[str, int]) -> None:
        """One buyer, paid at once, who answers at that address."""
        plan = written_plan(
            1, uri=lambda _, __: "sip:agents@{}:{}".format(*buyer),
            campaign={"terms": {"qualify_s": 0}},
        )
        paths = write_plan(self.config, 1, plan)
        done = await self.link.ask(ApplyPlan(1, *map(str, paths)))
        assert isinstance(done, PlanSwapped), done

    async def load(self, caller: CallerPhone, flow: Flow) -> None:
        """Calls and top-ups one after the other until cancelled."""
        tasks = set()
        try:
            while True:
                self.calls += 1
                name = f"+1310{self.calls:07d}"
                talk_s = self.chance.choice((0.05, 0.2, 0.7, 30))
                self.placed[name] = caller.place(Call(name, NUMBER, talk_s=talk_s), flow)
                task = asyncio.create_task(self._top_up())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                await asyncio.sleep(CALL_GAP_S)
        finally:
            await asyncio.gather(*tasks)

    async def _top_up(self) -> None:
        self.keys += 1
        key, micros = f"key-{self.keys}", self.chance.randrange(1, 100) * MICROS
        try:
            done = await self.link.ask(TopUp("buyer-000", micros, "USD", key), timeout_s=2)
        except LinkDown:
            return
        assert isinstance(done, TopUpDone), done
        self.top_ups[key] = micros

    def facts(self) -> Iterator[Fact]:
        """Everything the journal says; it is whole."""
        for segment in verify(self.config.journal_dir, live=False):
            assert segment.damage is None, segment.damage
        reader = JournalReader(self.config.journal_dir, whole=True)
        decode = fact_decoder().decode
        try:
            for entry in reader:
                yield decode(entry.payload)
        finally:
            reader.close()

    def check_journal(self, *, closed: bool) -> int:
        """Nothing acknowledged is missing, nothing is there twice; the balance it comes to.

        closed: a start has been: every call has its end.
        """
        keys = read_keys(self.config.keys_dir)
        assert keys is not None
        callers: dict[bytes, str] = {}
        answered: set[str] = set()
        ends: Counter[bytes] = Counter()
        top_ups: dict[str, int] = {}
        balance = recovered = 0
        for fact in self.facts():
            if isinstance(fact, CallRouted):
                plain = keys.open(fact.personal.sealed)
                assert plain is not None
                callers[fact.call_id] = plain[0]
            elif isinstance(fact, CallAnswered):
                answered.add(callers[fact.call_id])
            elif isinstance(fact, CallClosed):
                ends[fact.call_id] += 1
                assert sum(line.amount_micros for line in fact.postings) == 0
                assert fact.connected_ns >= 0
                balance -= fact.revenue_micros
                recovered += fact.recovered
            elif isinstance(fact, TopUpPosted):
                assert fact.idempotency_key not in top_ups, "a top-up was posted twice"
                top_ups[fact.idempotency_key] = fact.amount_micros
                balance += fact.amount_micros
        assert not [call_id for call_id, times in ends.items() if times > 1], "settled twice"
        heard = {name for name, call in self.placed.items() if call.answered.is_set()}
        assert heard <= answered, f"answered and lost: {sorted(heard - answered)}"
        assert self.top_ups.items() <= top_ups.items(), "a top-up was acknowledged and is lost"
        if closed:
            assert set(callers) <= set(ends), "a call of a dead process is still open"
            self.met["calls closed by a start"] = recovered
        return balance

    async def check_server(self, balance: int) -> None:
        """What the new process holds is what the journal says, and no call holds anything."""
        found = await self.link.ask(ListBalances())
        assert isinstance(found, Balances), found
        buyer = next(row for row in found.rows if row.account == "buyer-000")
        assert (buyer.balance_micros, buyer.held_micros) == (balance, 0)
        gauges = await self.link.ask(ReadStatistics())
        assert isinstance(gauges, Statistics), gauges
        values = {metric.name: metric.value for metric in gauges.metrics}
        for name in ("dce_calls_live", "dce_holds_live", "dce_units_live"):
            assert values[name] == 0, (name, values[name])


async def kill_again_and_again(times: int, seed: int) -> Counter[str]:
    """So many kills of one server under load, each checked. Raises AssertionError."""
    killed = Killed(seed)
    trace = Trace()
    buyer = await BuyerPhone("buyer", trace, Everyone()).open("127.0.0.1", 0, "buyer")
    caller = await CallerPhone("caller", trace).open("127.0.0.1", 0, "caller")
    await killed.start()
    try:
        host, port = killed.config.sip.listen[0].removeprefix("udp:").rsplit(":", 1)
        flow = caller.flow_to("UDP", host, int(port))
        await killed.apply_plan(buyer.address())
        for _ in range(times):
            load = asyncio.create_task(killed.load(caller, flow))
            await asyncio.sleep(killed.chance.uniform(0.1, 1.0))
            await killed.kill()
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
            killed.check_journal(closed=False)
            await killed.start()
            await killed.check_server(killed.check_journal(closed=True))
            killed.met["kills"] += 1
    finally:
        await caller.close()
        await buyer.close()
        await killed.end()
    killed.met["calls placed"] = killed.calls
    killed.met["calls answered"] = sum(
        call.answered.is_set() for call in killed.placed.values()
    )
    killed.met["top-ups acknowledged"] = len(killed.top_ups)
    return killed.met


class Everyone(dict[str, Manner]):
    """Every caller is answered at once."""

    def get(self, key: str, default: object = None) -> Manner:  # type: ignore[override]
        """See dict."""
        return Manner(ring_s=0)
