"""`dce check`: what the data lies on, whether it has room, and how long it takes to be durable."""

import asyncio
import os
import time
from pathlib import Path

from msgspec import Struct

from dce.config import Config
from dce.finding import Finding, fail, ok, warn
from dce.folders import prepare_folders
from storage.reserve import RESERVE_NAME
from vocabulary import limits
from vocabulary.limits import NS_PER_MS

PROBES = 16
PROBE_BYTES = 4_096
MB = 1_048_576
FLEETING = {
    "tmpfs": "is kept in memory", "ramfs": "is kept in memory",
    "overlay": "is a container's own layer, which goes with the container",
}


async def storage(config: Config) -> Finding:
    """The data lies on something that outlives a restart, with room for the journal."""
    prepare_folders(config)
    kind = filesystem_of(config.journal_dir)
    found = os.statvfs(config.journal_dir)
    free = found.f_bavail * found.f_frsize
    needed = config.journal.segment_mb * MB
    if not (config.journal_dir / RESERVE_NAME).exists():
        needed += config.journal.reserve_mb * MB
    text = f"{free // MB:,} MB free on {kind}"
    if free < needed:
        return fail(
            f"{text}; without {needed // MB} MB for segment and reserve new calls get 503",
            "make room, or set data_dir; see deploy/runbooks/disk-full.md",
        )
    if kind in FLEETING:
        return warn(
            f"{config.data} {FLEETING[kind]}: a power cut takes what was acknowledged",
            "set data_dir to a disk, or mount a volume there",
        )
    if free < limits.disk_low_bytes:
        return warn(text, f"keep {limits.disk_low_bytes // MB:,} MB free: the journal grows")
    return ok(text)


async def journal(config: Config) -> Finding:
    """Writes to the journal's folder are durable, and within which time."""
    prepare_folders(config)
    try:
        times = await asyncio.to_thread(measure, config.journal_dir)
    except OSError as error:
        return fail(f"{config.journal_dir}: {error.strerror}", "the journal cannot be written")
    text = (
        f"a durable write takes {times.median_ns / NS_PER_MS:.2f} ms, the slowest of {PROBES} took"
        f" {times.slowest_ns / NS_PER_MS:.2f} ms"
    )
    if times.median_ns > limits.sync_slow_ns:
        return warn(
            f"{text}; every answered call waits for one",
            f"use a disk of its own that syncs in under {limits.sync_slow_ns // NS_PER_MS} ms",
        )
    return ok(text)


class SyncTimes(Struct, frozen=True):
    """Of a few durable writes."""

    median_ns: int
    slowest_ns: int


def measure(folder: Path, probes: int = PROBES) -> SyncTimes:
    """Write as the journal does: into a file that has its size, each write synced. Blocks.

    Raises OSError. The probe file is removed.
    """
    path = folder / f".check-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, probes * PROBE_BYTES)
        os.fsync(descriptor)
        taken = []
        for number in range(probes):
            began_ns = time.monotonic_ns()
            os.pwrite(descriptor, bytes(PROBE_BYTES), number * PROBE_BYTES)
            os.fdatasync(descriptor)
            taken.append(time.monotonic_ns() - began_ns)
    finally:
        os.close(descriptor)
        path.unlink()
    taken.sort()
    return SyncTimes(taken[probes // 2], taken[-1])


def filesystem_of(path: Path) -> str:
    """Kind of the file system that holds a path, "unknown" where the kernel does not say.

    /proc/self/mountinfo (proc(5)): field 5 is the mount point, the kind stands behind " - ".
    """
    best, kind = "", "unknown"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return kind
    real = os.path.realpath(path)
    for line in lines:
        head, _, tail = line.partition(" - ")
        point = head.split()[4].encode().decode("unicode_escape")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, tail.split()[0]
    return kind
