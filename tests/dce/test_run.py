"""`dce run` as a stranger starts it: real processes, embedded PostgreSQL, one HTTP client."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.postgres_fixture import open_folder, require_postgres
from tests.routing.plans import written_plan

START_S = 60
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Exchange:
    """One `dce run` over a data folder of its own."""

    def __init__(self, **environment: str) -> None:
        require_postgres()
        self.given = environment
        self.folder = open_folder()
        self.sip, self.http = free_ports(2)
        self.base = f"http://127.0.0.1:{self.http}"
        self.process: asyncio.subprocess.Process
        self.errors: list[str] = []

    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "DCE_DATA_DIR": str(self.folder), "DCE_HTTP__LISTEN":
            f"127.0.0.1:{self.http}", "DCE_SIP__LISTEN": f"udp:127.0.0.1:{self.sip}",
            "DCE_SIGNAL__DRAIN_S": "5", "DCE_ENVIRONMENT": "test", **self.given,
        }

    async def start(self) -> None:
        """Until the line that says ready."""
        self.process = await self.spawn("run")
        assert self.process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await self.process.stdout.readline()
        assert line.startswith(b"dce: ready."), (line, await self.stderr())

    async def spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "dce", *arguments, cwd=ROOT, env=self.environment(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Run one command to its end: (exit code, stdout, stderr)."""
        process = await self.spawn(*arguments)
        async with asyncio.timeout(START_S):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def end(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(START_S):
            return await self.process.wait()

    async def restarted(self, client: aiohttp.ClientSession, kind: str) -> None:
        """Until the supervisor counts a restart of this child and the child serves again."""
        row = f'dce_child_restarts_total{{child="{kind}"}} 1.0'
        up = f'dce_up{{part="{kind}"}} 1.0' if kind != "api" else row
        async with asyncio.timeout(START_S):
            while True:
                try:
                    async with client.get("/metrics") as reply:
                        lines = (await reply.text()).splitlines()
                except aiohttp.ClientConnectionError:  # the api itself is away
                    continue
                if row in lines and up in lines:
                    return

    async def stderr(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    def postgres_pid(self) -> int:
        """Of the embedded server, 0 while it has none."""
        try:
            text = (self.folder / "postgres" / "postmaster.pid").read_text()
        except FileNotFoundError:
            return 0
        return int(text.split()[0]) if text.strip() else 0

    def pid_of(self, kind: str) -> int:
        """Process id of one of our own children, by its parent and command line."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and self._is_child(folder, kind):
                return int(folder.name)
        raise AssertionError(f"no {kind} process")

    def _is_child(self, folder: Path, kind: str) -> bool:
        try:
            parent = int((folder / "stat").read_text().rsplit(") ", 1)[1].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return parent == self.process.pid and words[3:5] == [b"worker", kind.encode()]


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    await made.start()
    yield made
    await made.end()
    print(await made.stderr())  # shown where a test failed
    shutil.rmtree(made.folder)


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[aiohttp.ClientSession]:
    code, token, said = await exchange.command("admin", "create", "tester")
    assert (code, "shown this once" in said) == (0, True)
    headers = {"Authorization": f"Bearer {token.strip()}"}
    async with aiohttp.ClientSession(exchange.base, headers=headers) as session:
        yield session


async def send(
    client: aiohttp.ClientSession, method: str, path: str, body: object = None, key: str = "k"
) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key}
    async with client.request(method, path, json=body, headers=headers) as reply:
        return reply.status, await reply.json(content_type=None)


async def until(client: aiohttp.ClientSession, degraded: list[str]) -> None:
    """Ask /readyz until it says so."""
    async with asyncio.timeout(30):
        while True:
            _, answer = await send(client, "GET", "/readyz")
            assert "degraded" in answer, answer
            if answer["degraded"] == degraded:
                return


MONEY = {"amount": "5.00", "currency": "USD"}
TOP_UPS = "/api/v1/accounts/buyer-000/top-ups"


async def test_a_stranger_can_use_it(exchange: Exchange, client: aiohttp.ClientSession) -> None:
    status, ready = await send(client, "GET", "/readyz")
    assert (status, ready["reasons"]) == (503, ["no_plan"])
    status, done = await send(client, "PUT", "/api/v1/plan", written_plan(2))
    assert (status, done["version"], done["bids_put"]) == (200, 1, 2)
    assert (await send(client, "GET", "/readyz"))[0] == 200
    status, top_up = await send(client, "POST", TOP_UPS, MONEY)
    assert (status, top_up["balance"]) == (201, "5.00")
    async with client.get("/metrics") as reply:
        metrics = await reply.text()
    for name in ("dce_calls_live", "dce_record_lag_records", 'dce_up{part="database"}'):
        assert f"\n{name} " in metrics

    bad = exchange.folder / "bad.yaml"
    bad.write_text(json.dumps({**written_plan(2), "currency": "EUR"}).replace("10.00", "-1"))
    code, _, said = await exchange.command("plan", "apply", str(bad))
    assert (code, "bids[0].amount: " in said) == (1, True)
    good = exchange.folder / "good.yaml"
    good.write_text(json.dumps(written_plan(3)))
    code, shown, _ = await exchange.command("plan", "apply", str(good))
    assert (code, shown) == (0, "plan 2 routes calls: 1 bids put, 0 removed\n")

    code, shown, _ = await exchange.command("check")
    assert (code, "fail" in shown, "held by the exchange that runs" in shown) == (0, False, True)
    code, _, said = await exchange.command("run")
    assert (code, "is in use by dce run" in said) == (2, True)

    assert await exchange.end() == 0
    await exchange.start()  # everything acknowledged is there again
    status, answer = await send(client, "GET", "/api/v1/accounts")
    assert [row["balance"] for row in answer["accounts"]] == ["5.00", "0.00", "0.00"]
    status, again = await send(client, "POST", TOP_UPS, MONEY)
    assert (status, again["repeated"], again["id"]) == (200, True, top_up["id"])


async def test_postgresql_may_die_and_comes_back(
    exchange: Exchange, client: aiohttp.ClientSession
) -> None:
    assert (await send(client, "PUT", "/api/v1/plan", written_plan(2)))[0] == 200
    await until(client, [])
    pid = exchange.postgres_pid()
    os.kill(pid, signal.SIGKILL)
    assert (await send(client, "POST", TOP_UPS, MONEY))[0] == 201
    assert (await send(client, "GET", "/api/v1/accounts"))[0] == 200
    async with asyncio.timeout(30):
        while exchange.postgres_pid() in (0, pid):  # sessions may outlive their postmaster
            await send(client, "GET", "/healthz")
    await until(client, [])
    status, answer = await send(client, "GET", "/api/v1/calls")
    assert (status, answer["calls"]) == (200, [])
    assert (await send(client, "PUT", "/api/v1/plan", written_plan(3)))[0] == 200


async def test_dead_children_are_started_again_and_readiness_tells_the_truth(
    exchange: Exchange, client: aiohttp.ClientSession
) -> None:
    assert (await send(client, "PUT", "/api/v1/plan", written_plan(2)))[0] == 200
    assert (await send(client, "POST", TOP_UPS, MONEY))[0] == 201
    pid = exchange.pid_of("signal")
    os.kill(pid, signal.SIGSTOP)  # shorter than a watchdog is patient
    status, ready = await send(client, "GET", "/readyz")
    assert (status, ready["reasons"]) == (503, ["signal_away"])
    os.kill(pid, signal.SIGCONT)
    assert (await send(client, "GET", "/readyz"))[0] == 200
    killed = {}
    for kind in ("signal", "record", "api"):
        killed[kind] = exchange.pid_of(kind)
        os.kill(killed[kind], signal.SIGKILL)
        await exchange.restarted(client, kind)
        assert exchange.pid_of(kind) != killed[kind]
        await until(client, [])
        status, again = await send(client, "POST", TOP_UPS, MONEY)
        assert (status, again["repeated"], again["balance"]) == (200, True, "5.00")
    assert (await send(client, "POST", TOP_UPS, MONEY, key="next"))[0] == 201
    assert await exchange.end() == 0
    said = await exchange.stderr()
    for kind, pid in killed.items():
        assert f"{kind} (pid {pid}) ended by SIGKILL; it is started again in 0.1 s" in said


async def test_without_any_postgresql_calls_are_taken_and_settings_read(tmp_path: Path) -> None:
    exchange = Exchange(DCE_DATABASE_URL=f"postgresql://dce@/dce?host={tmp_path}")
    await exchange.start()
    async with aiohttp.ClientSession(exchange.base) as session:
        status, ready = await send(session, "GET", "/readyz")
    assert (status, ready["degraded"]) == (503, ["database_away"])
    assert ready["reasons"] == ["no_plan"]
    assert await exchange.command("health") == (0, '{"status":"ok"}\n', "")
    code, shown, _ = await exchange.command("health", "--ready")
    assert (code, json.loads(shown)["reasons"]) == (1, ["no_plan"])
    exchange.process.send_signal(signal.SIGHUP)
    assert await exchange.end() == 0
    assert (await exchange.stderr()).count("settings read again, log_level is info") == 4
    code, _, said = await exchange.command("health")
    assert (code, "dce: no answer on 127.0.0.1 port" in said) == (1, True)
    shutil.rmtree(exchange.folder)
