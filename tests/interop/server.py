"""The real server in a folder of its own: started, given a plan, waited for, ended by id.

Only the documented surface is used: `dce run -c`, `dce plan apply`, `dce admin create`,
the HTTP pages. The embedded PostgreSQL lives in the same folder.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.interop.metrics import Metrics, parse
from tests.interop.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
_POLL_S = 0.05
_START_S, _APPLY_S, _DRAIN_S = 60, 300, 60


@contextmanager
def passable_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that other accounts may pass through, removed on leaving.

    As root the embedded PostgreSQL runs under another account, and pytest's own folders are
    closed to it.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


class ServerFailed(AssertionError):
    """The server ended, refused a command or was not ready in time; text = its last lines."""


@dataclass(frozen=True)
class Settings:
    """What a test may set. t1_ms: SIP's T1, 500 by the RFC; wrap: words before the command."""

    t1_ms: int = 500
    more: Mapping[str, Mapping[str, object]] | None = None  # section → keys over the defaults
    wrap: Callable[[list[str]], list[str]] | None = None


class Exchange:
    """One running server. Leave the context to drain and end it."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        """Start it; nothing is waited for yet. folder: made, must not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.sip_port, self.http_port = free_port(HOST), free_port(HOST)
        self.config = folder / "config.yaml"
        self.process = self.start(settings or Settings())

    def start(self, settings: Settings) -> subprocess.Popen[bytes]:
        """Start it on its folder and ports, also once more after its end."""
        self.config.write_text(yaml.safe_dump(self._values(settings)))
        words = [sys.executable, "-m", "dce", "run", "-c", str(self.config)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                settings.wrap(words) if settings.wrap else words, cwd=ROOT,
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        return self.process

    @property
    def sip(self) -> str:
        """host:port of its SIP listeners."""
        return f"{HOST}:{self.sip_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM and its drain; SIGKILL if that stalls: its children end with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_DRAIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def ended(self, timeout_s: float) -> bool:
        """Whether the server has ended, at the latest after `timeout_s`."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_page(self, path: str, timeout_s: float = _START_S) -> None:
        """Wait until GET `path` answers 200."""
        for _ in range(int(timeout_s / _POLL_S)):
            try:
                if self.page(path)[0] == 200:
                    return
            except OSError:
                pass  # not listening yet
            if self.ended(_POLL_S):
                break
        raise ServerFailed(f"{path} is not 200: {self.last_lines()}")

    def page(self, path: str, token: str = "") -> tuple[int, bytes]:
        """Status and body of GET `path`."""
        link = http.client.HTTPConnection(HOST, self.http_port, timeout=10)
        try:
            link.request("GET", path,
                         headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def json(self, path: str) -> Any:
        """Decoded body of GET `path` with an administrator's token; must be 200."""
        status, body = self.page(path, self.token())
        if status != 200:
            raise ServerFailed(f"GET {path} is {status}: {body[:500]!r}")
        return json.loads(body)

    def metrics(self) -> Metrics:
        """One scrape of /metrics."""
        status, body = self.page("/metrics")
        if status != 200:
            raise ServerFailed(f"/metrics is {status}")
        return parse(body.decode())

    def token(self) -> str:
        """A bearer token, made once: the last word that `dce admin create` prints."""
        kept = self.folder / "token"
        if not kept.exists():
            kept.write_text(self.command("admin", "create", "interop").split()[-1])
        return kept.read_text()

    def apply(self, plan: Mapping[str, object]) -> None:
        """Apply a plan and wait until the server is ready. ServerFailed with its errors."""
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan))
        self.wait_page("/healthz")
        self.command("plan", "apply", str(path))
        self.wait_page("/readyz")

    def command(self, *words: str) -> str:
        """Output of `dce WORDS -c CONFIG`; ServerFailed when it ends non-zero."""
        done = subprocess.run(
            [sys.executable, "-m", "dce", *words, "-c", str(self.config)], cwd=ROOT,
            env=self._environment(), capture_output=True, text=True, timeout=_APPLY_S)
        if done.returncode:
            raise ServerFailed(f"dce {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def last_lines(self, lines_max: int = 40) -> str:
        """The end of its log."""
        text = (self.folder / "server.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines_max:])

    def _values(self, settings: Settings) -> dict[str, Any]:
        values: dict[str, Any] = {
            "data_dir": str(self.folder / "data"),
            "sip": {"listen": [f"udp:{self.sip}", f"tcp:{self.sip}"], "t1_ms": settings.t1_ms},
            "http": {"listen": f"{HOST}:{self.http_port}"},
            # Scenarios that end without BYE leave calls behind: they need not be waited for.
            "signal": {"drain_s": 1},
        }
        for section, keys in (settings.more or {}).items():
            values.setdefault(section, {}).update(keys)
        return values

    def _environment(self) -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if not key.startswith("DCE_")}


def missing() -> str:
    """Why the server cannot be started here; '' when it can."""
    return "" if (ROOT / "dce" / "__main__.py").exists() else "the server (dce) is not built yet"
