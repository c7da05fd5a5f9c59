"""Embedded PostgreSQL: a private server on a Unix socket, for a first run without one of your own.

```
start ─► who runs it ─► initdb once ─► postgres ──(ready)──► dsn
         as root: an unprivileged account, data outside root's home
```
Only the account that started us may connect (peer authentication), there is no TCP listener, and
the server ends with us: by `stop`, or by the kernel's parent-death signal if we are killed.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from storage.postgres_binaries import find_binaries, first_closed, program, reachable_binaries
from vocabulary.errors import ConfigError, StorageFailed

ACCOUNTS = ("dce", "postgres", "nobody")
ROLE = "dce"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES_MAX = 107
PROGRAM_TIMEOUT_S = 60.0
START_TIMEOUT_S = 900.0  # one that is ended while it recovers begins the recovery anew
STOP_TIMEOUT_S = 15.0
POLL_S = 0.02
PR_SET_PDEATHSIG = 1
OWN_DATABASE = "set DCE_DATABASE_URL to a PostgreSQL of your own"

SETTINGS = {  # small and quiet; commits wait for the disk but where a session says otherwise
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "shared_buffers": "64MB",
    "max_connections": "40",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "autovacuum": "on",
    "autovacuum_max_workers": "1",
    "max_logical_replication_workers": "0",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "lc_messages": "C",
    "timezone": "UTC",
}
HBA = "local all all peer map=dce\n"


class EmbeddedPostgres:
    """One server over a data folder.

    runtime_dir: short folder for the socket. binaries: install folder, by default the wheel's.
    """

    def __init__(
        self, data_dir: Path, runtime_dir: Path, *, binaries: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.runtime_dir = runtime_dir.absolute()
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._abandoned = threading.Event()
        self._credentials: dict[str, Any] = {}

    @property
    def pid(self) -> int | None:
        """Process id of the server, None while it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def dsn(self) -> str:
        """Where to connect."""
        return f"postgresql://{ROLE}@/{ROLE}?host={quote(str(self.runtime_dir))}&port={PORT}"

    def start(self) -> str:
        """Start the server, making the cluster first if there is none; its DSN.

        Blocks about a second, and after a power cut until it has recovered.

        To be called on a thread that lives as long as the server should: the kernel ends the
        server with the thread that started it. Raises ConfigError where this account cannot
        run one, StorageFailed if the server does not come up.
        """
        assert self._process is None
        account = self._choose_account()
        self._prepare_folders(account)
        install = reachable_binaries(
            self._binaries or find_binaries(), account.pw_uid, account.pw_gid,
            self.data_dir.parent / "postgres-programs",
        )
        if not (self.data_dir / "PG_VERSION").exists():
            self._make_cluster(install)
        self._write_access_rules(account)
        self._remove_stale_pid_file()
        log = (self.data_dir / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self._command(install), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.data_dir, process_group=0, preexec_fn=_die_with_parent(),
                **self._credentials,
            )
        self._wait_until_ready()
        return self.dsn

    def abandon(self) -> None:
        """Let a start that waits on another thread fail now, and every later one."""
        self._abandoned.set()

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything is written. Blocks. Twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # at once; the next start recovers
            process.wait()

    def _choose_account(self) -> pwd.struct_passwd:
        """Ourselves, or as root the first unprivileged account there is."""
        uid = os.geteuid()
        try:
            if uid != 0:
                return pwd.getpwuid(uid)
        except KeyError:
            raise ConfigError(
                f"uid {uid} has no account, which PostgreSQL needs: {OWN_DATABASE}"
            ) from None
        for name in ACCOUNTS:
            try:
                account = pwd.getpwnam(name)
            except KeyError:
                continue
            self._credentials = {
                "user": account.pw_uid, "group": account.pw_gid, "extra_groups": [],
            }
            return account
        raise ConfigError(f"no unprivileged account to run PostgreSQL as: {OWN_DATABASE}")

    def _prepare_folders(self, account: pwd.struct_passwd) -> None:
        """Both folders, owned by the account and open to nobody else (root passes anyway)."""
        if len(os.fsencode(self.runtime_dir / SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX:
            raise ConfigError(f"{self.runtime_dir}: too long for a Unix socket, use a short path")
        for folder in (self.data_dir, self.runtime_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            closed = first_closed(folder.parent, account.pw_uid, account.pw_gid)
            if closed is not None:
                raise ConfigError(
                    f"{folder} must lie where the account {account.pw_name} can reach it, but "
                    f"{closed} is closed to it: choose another data folder, or {OWN_DATABASE}"
                )
            try:
                if self._credentials:
                    os.chown(folder, account.pw_uid, account.pw_gid)
                folder.chmod(0o700)
            except OSError as error:
                raise ConfigError(
                    f"{folder} cannot be given to the account {account.pw_name} ({error}): "
                    f"choose another folder, or {OWN_DATABASE}"
                ) from error

    def _make_cluster(self, install: Path) -> None:
        """initdb and our database, in a folder that gets its name when all of it is there."""
        draft = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._credentials:
            os.chown(draft, self._credentials["user"], self._credentials["group"])
        self._run(
            [program(install, "initdb"), "-D", str(draft), "-U", ROLE, "-E", "UTF8",
             "--locale=C", "--auth=peer", "--no-instructions"], draft, b"",
        )
        self._run(
            [program(install, "postgres"), "--single", "-D", str(draft), "postgres"], draft,
            f"CREATE DATABASE {ROLE};\n".encode(),
        )
        draft.rename(self.data_dir)  # over the empty folder

    def _run(self, command: list[str], folder: Path, text: bytes) -> None:
        """Run one of PostgreSQL's programs as its account. Raises ConfigError if it fails."""
        try:
            done = subprocess.run(
                command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                cwd=folder, timeout=PROGRAM_TIMEOUT_S, check=False,
                env={"PATH": os.defpath, "LC_ALL": "C"}, **self._credentials,
            )
        except OSError as error:
            raise ConfigError(f"{command[0]} cannot be run ({error}): {OWN_DATABASE}") from error
        if done.returncode != 0:
            output = done.stdout.decode(errors="replace").strip()
            raise ConfigError(f"{Path(command[0]).name} failed: {output}; or {OWN_DATABASE}")

    def _write_access_rules(self, account: pwd.struct_passwd) -> None:
        """Whoever runs us is the role dce; nobody else is anybody."""
        ours = pwd.getpwuid(os.geteuid()).pw_name
        self._write_as(account, "pg_hba.conf", HBA)
        self._write_as(account, "pg_ident.conf", f'dce "{ours}" {ROLE}\n')

    def _write_as(self, account: pwd.struct_passwd, name: str, text: str) -> None:
        path = self.data_dir / name
        path.write_text(text)
        path.chmod(0o600)
        if self._credentials:
            os.chown(path, account.pw_uid, account.pw_gid)

    def _remove_stale_pid_file(self) -> None:
        """A pid file may survive a crash, and its number belong to a stranger by now.

        One whose parent was killed is shutting down: it is given time to end.
        """
        path = self.data_dir / "postmaster.pid"
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (pid := _pid_in(path)) is not None and _is_postgres_on(pid, self.data_dir):
            if time.monotonic() > deadline:
                raise StorageFailed(f"process {pid} already serves {self.data_dir}")
            time.sleep(POLL_S)
        path.unlink(missing_ok=True)

    def _command(self, install: Path) -> list[str]:
        command = [program(install, "postgres"), "-D", str(self.data_dir),
                   "-k", str(self.runtime_dir)]
        settings = dict(SETTINGS)
        if int((self.data_dir / "PG_VERSION").read_text()) >= 18:
            settings["io_method"] = "sync"  # no helpers for a server that is written to
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _wait_until_ready(self) -> None:
        """Until the server takes connections; polled, as it has no other way to tell us."""
        process = self._process
        assert process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        status = self.data_dir / "postmaster.pid"
        while time.monotonic() < deadline and not self._abandoned.is_set():
            if process.poll() is not None:
                self._process = None
                raise StorageFailed(f"PostgreSQL ended at its start: {self._log_tail()}")
            if _says_ready(status, process.pid) and _answers(self.runtime_dir / SOCKET_NAME):
                return
            time.sleep(POLL_S)
        self.stop()
        if self._abandoned.is_set():
            raise StorageFailed("PostgreSQL was not waited for")
        raise StorageFailed(f"PostgreSQL was not ready in {START_TIMEOUT_S:.0f} s")

    def _log_tail(self) -> str:
        lines = (self.data_dir / "server.log").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:])


def _die_with_parent() -> Callable[[], None]:
    """What the child runs before PostgreSQL: fast shutdown when the thread that made it ends.

    It stands behind the change of account, which would clear the setting.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGINT))
        if os.getppid() != parent:
            os._exit(1)

    return arm


def _says_ready(path: Path, pid: int) -> bool:
    """Whether the pid file is of this server and its status line (the eighth) says ready."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _pid_in(path: Path) -> int | None:
    """Process id in a pid file, None if it names none."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _is_postgres_on(pid: int, data_dir: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.path.basename(arguments[0]).startswith(b"postgres") and (
        os.fsencode(data_dir) in arguments
    )
