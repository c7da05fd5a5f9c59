"""The folders of an installation, their modes, and the one lock that `dce run` holds on them."""

import fcntl
import os
import stat
from pathlib import Path
from typing import IO

from dce.config import Config
from storage.disk import naming
from vocabulary.errors import ConfigError

LOCK_NAME = "run.lock"


def prepare_folders(config: Config) -> None:
    """Make what is missing below data_dir, and runtime_dir. Raises ConfigError naming the key.

    As root the data folder may be passed through but not listed, because the embedded database
    runs as another user below it; keys, journal and the rest are ours alone.
    """
    passed = 0o711 if os.geteuid() == 0 else 0o700
    _make("data_dir", config, config.data, passed)
    _make("runtime_dir", config, config.runtime, passed)
    for private in (config.keys_dir, config.journal_dir, config.checkpoint_dir, config.plans_dir):
        _make("data_dir", config, private, 0o700)


def _make(key: str, config: Config, folder: Path, mode: int) -> None:
    try:
        for parent in [*reversed(folder.parents), folder]:
            if not parent.exists():
                parent.mkdir(mode=mode)
                parent.chmod(mode)  # whatever the umask is
        found = folder.stat()
    except OSError as error:
        raise ConfigError(
            f"{config.origin(key)}: {folder} cannot be made: {error.strerror}"
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{config.origin(key)}: {folder} is no folder")
    if found.st_uid != os.geteuid():  # somebody else made it first under /tmp
        raise ConfigError(f"{config.origin(key)}: {folder} belongs to another user")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{config.origin(key)}: {folder} is not writable")


def lock_data(config: Config) -> IO[str]:
    """The lock of a running exchange on its data; held while the file stays open.

    Raises ConfigError naming the process that holds it.
    """
    file = (config.data / LOCK_NAME).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read(20).strip() or "unknown"
        file.close()
        raise ConfigError(
            f"{config.origin('data_dir')}: {config.data} is in use by dce run (pid {owner})"
        ) from None
    with naming(config.data / LOCK_NAME):
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
    return file


def is_running(config: Config) -> bool:
    """Whether an exchange holds the lock on this data now."""
    try:
        with (config.data / LOCK_NAME).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def secret_file(path: Path, size_bytes: int) -> bytes:
    """Random bytes kept in a file, mode 0600; made durably at the first call."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        write_durably(path, os.urandom(size_bytes))
        return path.read_bytes()


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file whole: written beside it, synced, renamed, the folder synced. Mode 0600."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with naming(beside), os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
