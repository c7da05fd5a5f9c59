"""The exchange of the demo: `dce run` as a child in a folder of its own, and its HTTP API.

```
demo ── starts, SIGTERM ──► dce run ── signal, record, api, PostgreSQL
  └──── HTTP 127.0.0.1:8080 ───────────────────────────────┘
```
The child ends with the demo, whatever ends that. Its lines go to data_dir/demo/exchange.log.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from msgspec import Struct

from dce.busy_port import check_ports
from dce.child import PR_SET_PDEATHSIG
from dce.config import Config
from dce.folders import lock_data, prepare_folders
from sip.edge.address import WILDCARDS, bracketed
from vocabulary.errors import ConfigError, ExchangeError

LOG_NAME = "exchange.log"
START_S = 60.0
POLL_S = 0.1
REQUEST_S = 30.0
LOG_LINES = 12
OF_A_RUN = ("journal", "checkpoints", "keys", "plans", "postgres", "tokens.json", LOG_NAME)


class DemoFailed(ExchangeError):
    """The exchange did not start, ended by itself, or refused what the demo asked of it."""


def clear_data(config: Config) -> None:
    """Drop what an earlier demo left below config.data; the ports must be free.

    Raises ConfigError naming the process that holds the folder or a port.
    """
    prepare_folders(config)
    with lock_data(config):
        check_ports(config)
        for name in OF_A_RUN:
            path = config.data / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


class RunningExchange:
    """`dce run`, started by entering the context and drained by leaving it."""

    def __init__(self, config: Config, arguments: Sequence[str]) -> None:
        """arguments: flags that give the child this configuration."""
        self.log = config.data / LOG_NAME
        self._command = [sys.executable, "-m", "dce", "run", *arguments]
        self._process: asyncio.subprocess.Process | None = None
        self._told = False

    async def __aenter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=child_environment(os.environ), stdout=log, stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                process_group=0,  # Ctrl-C reaches the demo alone, which drains
                preexec_fn=_end_with_parent(),
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._told:
            self.tell()
        await self.wait()

    def tell(self) -> None:
        """SIGTERM: the first one drains, a second one ends the drain."""
        if self._process is not None and self._process.returncode is None:
            self._told = True
            self._process.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        """Its exit status once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    def last_lines(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])

    async def until_died(self) -> None:
        """Waits for the child; raises DemoFailed with its last lines when it ends by itself."""
        status = await self.wait()
        raise DemoFailed(f"the exchange ended with status {status}:\n{self.last_lines()}")


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any other database: the demo writes into its own one only."""
    kept = {
        name: value for name, value in environ.items() if not name.startswith("DCE_DATABASE_")
    }
    return {**kept, "DCE_DATABASE__URL": ""}


def _end_with_parent() -> Callable[[], None]:
    """What the child does between fork and exec: ask the kernel for SIGTERM when we end."""
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return arm


class Api:
    """The HTTP API as a stranger's client uses it. Raises DemoFailed for what it refuses."""

    def __init__(self, config: Config) -> None:
        host, port = config.http.address()
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}[host] if host in WILDCARDS else host
        self.url = f"http://{bracketed(shown)}:{port}"
        self._token = ""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S))

    def use_token(self, token: str) -> None:
        """The bearer token of all further requests."""
        self._token = token

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def until_up(self) -> None:
        """Wait for /healthz: the api is the last process to start."""
        try:
            async with asyncio.timeout(START_S):
                while not await self._is_up():
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise DemoFailed(f"{self.url}/healthz did not answer in {START_S:.0f} s") from None

    async def _is_up(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/healthz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def get(self, path: str) -> Any:
        """JSON of GET /api/v1/<path>."""
        return await self._ask("GET", path, None, {})

    async def put(self, path: str, body: object) -> Any:
        """JSON of PUT."""
        return await self._ask("PUT", path, body, {})

    async def post(self, path: str, body: object, key: str) -> Any:
        """JSON of POST. key: Idempotency-Key."""
        return await self._ask("POST", path, body, {"Idempotency-Key": key})

    async def _ask(self, method: str, path: str, body: object, headers: dict[str, str]) -> Any:
        headers = {**headers, "Authorization": f"Bearer {self._token}"}
        url = f"{self.url}/api/v1/{path}"
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                if answer.status >= 300:
                    text = (await answer.text())[:500]
                    raise DemoFailed(f"{method} {url}: {answer.status} {text}")
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise DemoFailed(f"{method} {url}: {why}") from None


class Entry(Struct, frozen=True, gc=False):
    """Where calls enter the exchange, seen from this machine. tcp_port 0: no TCP listener."""

    host: str
    udp_port: int
    tcp_port: int
    wide: bool


def entry_of(config: Config) -> Entry:
    """The first UDP listener and the TCP listener beside it.

    Raises ConfigError where the demo's phones, which speak IPv4, cannot reach it.
    """
    listen = [each for each in config.sip.addresses() if ":" not in each.host]
    udp = next((each for each in listen if each.transport == "udp"), None)
    if udp is None:
        raise ConfigError(
            f"{config.origin('sip.listen')}: the demo needs an address such as udp:127.0.0.1:5060"
        )
    tcp = next(
        (each for each in listen if each.transport == "tcp" and each.host == udp.host), None
    )
    wide = udp.host in WILDCARDS
    return Entry("127.0.0.1" if wide else udp.host, udp.port, tcp.port if tcp else 0, wide)
