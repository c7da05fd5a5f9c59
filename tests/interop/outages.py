"""The real server over a PostgreSQL of the tests' own, which can be stopped and stunned.

```
SIPp caller ──► dce run (signal, record, api) ──► SIPp buyer
                        │ database.url
                        ▼
                 PostgreSQL of this folder: stop(), start(), SIGSTOP, SIGCONT
```
"""

import asyncio
import http.client
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.postgres import EmbeddedPostgres
from storage.session import open_session
from tests.interop.plans import CALLER_HOST, FIRST_HOST, Slot, plan
from tests.interop.ports import free_port
from tests.interop.server import HOST, Exchange, Settings
from tests.interop.sipp import Order, Sipp, scenario
from tests.postgres_fixture import tell

ANSWER_S = 30  # no page may take longer, whatever is away
_POLL_S = 0.05
_UNTIL_S = 40
_T1_MS = 100

COUNTS = """
SELECT (SELECT count(*) FROM calls) AS calls,
       (SELECT count(*) FROM calls WHERE recovered) AS recovered,
       (SELECT count(*) FROM ledger_entries) AS entries,
       (SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_entries) AS balance,
       (SELECT count(*) FROM top_ups) AS top_ups,
       (SELECT count(*) FROM rejected_facts) AS rejected
"""


@dataclass(frozen=True)
class Counts:
    """Rows in PostgreSQL. balance: Σ postings in micro-units."""

    calls: int
    recovered: int
    entries: int
    balance: int
    top_ups: int
    rejected: int


class Outage:
    """Server, database and slot of one test module. `up` before every test."""

    def __init__(self, folder: Path, slot: Slot) -> None:
        self.folder, self.slot = folder, slot
        self.postgres = EmbeddedPostgres(folder / "pg", folder / "run")
        self.postgres.start()
        self.exchange = Exchange(folder / "exchange", self.settings())
        self.exchange.apply(self.plan())
        self._runs = 0

    def settings(self, drain_s: int = 20) -> Settings:
        """Of the server."""
        return Settings(t1_ms=_T1_MS, more={
            "database": {"url": self.postgres.dsn}, "signal": {"drain_s": drain_s}})

    def plan(self, amount: str = "20.00") -> dict[str, Any]:
        """Buyer `first` pays after a second, the publisher gets a share."""
        written = plan((self.slot,))
        for campaign in written["campaigns"]:
            campaign |= {"terms": {"qualify_s": 1},
                         "payout": {"kind": "share", "basis_points": 7000, "qualify_s": 1}}
        written["bids"][0]["amount"] = amount
        return written

    def up(self, drain_s: int = 20) -> None:
        """Database and server run, and nothing lives from before."""
        if self.postgres.pid is None:
            self.postgres.start()
        if self.exchange.process.poll() is not None:
            self.exchange.start(self.settings(drain_s))
        self.exchange.wait_page("/readyz")
        self.until(lambda: self.metric("dce_calls_live") == 0)
        self.caught_up()

    def close(self) -> None:
        """End both."""
        self.exchange.stop()
        self.postgres.stop()

    # Waiting

    def until(self, happened: Callable[[], bool]) -> None:
        """Ask again and again until it has happened; AssertionError after a while."""
        for _ in range(int(_UNTIL_S / _POLL_S)):
            if happened():
                return
            self.exchange.ended(_POLL_S)
        raise AssertionError(f"it never happened: {self.exchange.last_lines()}")

    def caught_up(self) -> None:
        """Until PostgreSQL has everything that is durable."""
        self.until(lambda: self.metric("dce_record_connected") == 1
                   and self.metric("dce_record_lag_records") <= 2)  # heartbeats go on
        seq = self.metric("dce_journal_durable_seq")
        self.until(lambda: self.metric("dce_record_cursor") >= seq)

    def metric(self, name: str) -> float:
        """One number of /metrics."""
        return self.exchange.metrics().total(name)

    # Asking

    def send(self, method: str, path: str, body: object = None,
             key: str = "key") -> tuple[int, Any]:
        """Status and decoded body of one request with a token."""
        link = http.client.HTTPConnection(HOST, self.exchange.http_port, timeout=ANSWER_S)
        try:
            link.request(method, path, json.dumps(body) if body is not None else None, {
                "Authorization": f"Bearer {self.exchange.token()}", "Idempotency-Key": key,
                "Content-Type": "application/json"})
            answer = link.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            link.close()

    def held(self) -> set[str]:
        """Amounts held, of all buyers."""
        return {row["held"] for row in self.exchange.json("/api/v1/accounts")["accounts"]
                if row["kind"] == "buyer"}

    def counts(self) -> Counts:
        """Rows now, once everything durable is copied."""
        self.caught_up()
        return Counts(**asyncio.run(_counts(self.postgres.dsn)))

    # Calls and blows

    @contextmanager
    def calls(self, caller: str, *, most: int, rate: float = 80,
              hold_ms: int = 200) -> Iterator[Sipp]:
        """A SIPp caller at work, with its buyer, who ends soon after it."""
        order = Order(scenario("buyer"), FIRST_HOST, self.slot.first_port, calls_max=0,
                      timeout_s=60)
        with Sipp(order, self._run_folder()) as buyer:
            buyer.ready()
            with self.callers(caller, most=most, rate=rate, hold_ms=hold_ms) as calling:
                yield calling
            buyer.finish(3)

    @contextmanager
    def callers(self, caller: str, *, most: int, rate: float = 80,
                hold_ms: int = 200) -> Iterator[Sipp]:
        """A SIPp caller alone; where it expects to be refused, with 503."""
        order = Order(
            scenario(caller), CALLER_HOST, free_port(CALLER_HOST), remote=self.exchange.sip,
            service=self.slot.number("one", "udp"), calls_max=most, rate=rate,
            hold_ms=hold_ms, timeout_s=60, texts={"@status@": "503"})
        with Sipp(order, self._run_folder()) as calling:
            yield calling

    def _run_folder(self) -> Path:
        self._runs += 1
        return self.folder / f"sipp-{self._runs}"

    @contextmanager
    def stunned(self) -> Iterator[None]:
        """SIGSTOP for PostgreSQL and its sessions; SIGCONT on leaving."""
        assert self.postgres.pid is not None
        pids = [self.postgres.pid, *children_of(self.postgres.pid)]
        tell(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            tell(pids, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL for the server and all its processes at once."""
        main = self.exchange.process.pid
        pids = [main, *children_of(main)]
        handles = [os.pidfd_open(pid) for pid in pids]
        for handle in handles:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        self.exchange.process.wait()


def children_of(pid: int) -> list[int]:
    """Process ids of its children, all threads'."""
    return [int(word) for task in Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()]


def child_named(pid: int, kind: str) -> int:
    """Process id of one of the server's workers."""
    for child in children_of(pid):
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if kind.encode() in words[3:5]:
            return child
    raise AssertionError(f"no {kind} process")


async def _counts(dsn: str) -> dict[str, int]:
    session = await open_session(dsn, name="test")
    try:
        return dict(await session.fetchrow(COUNTS))
    finally:
        await session.close()
