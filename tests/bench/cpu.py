"""CPU and memory of processes from /proc (Linux).

CPU of a process = sum over /proc/PID/task/*/schedstat, in ns: exact run time, where the
ticks of /proc/PID/stat are 10 ms coarse. Of a tree = that sum over all living members plus
what they have reaped (cutime, cstime), so a backend that starts and ends within a run counts.
A thread that ends within the run is lost; none of the measured programs does that.

Pinning: `pinned(command, cpus)` puts taskset before a command. On two cores it is used only
where the system under test must not share its core with the load (overload runs). A figure
of CPU per call is taken unpinned: the scheduler's run time does not count waiting.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

NS_PER_S = 1_000_000_000
_NS_PER_TICK = NS_PER_S // os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Resident memory of one process in bytes (smaps_rollup)."""

    rss_bytes: int
    anon_bytes: int


def cpu_ns(pid: int) -> int:
    """Run time of all living threads of one process, in ns. 0 when it is gone."""
    total = 0
    for task in _listed(_PROC / str(pid) / "task"):
        text = _text(_PROC / str(pid) / "task" / task / "schedstat")
        total += int(text.split(maxsplit=1)[0]) if text else 0
    return total


def reaped_ns(pid: int) -> int:
    """CPU of the children that the process has waited for, in ns (10 ms coarse)."""
    fields = _stat_fields(pid)
    return (int(fields[13]) + int(fields[14])) * _NS_PER_TICK if fields else 0


def tree_cpu_ns(pids: Iterable[int]) -> int:
    """CPU of all these processes and of what they have reaped, in ns."""
    return sum(cpu_ns(pid) + reaped_ns(pid) for pid in pids)


def memory(pid: int) -> Memory:
    """Resident and anonymous bytes of one process. Raises ProcessLookupError when gone."""
    text = _text(_PROC / str(pid) / "smaps_rollup")
    if not text:
        raise ProcessLookupError(pid)
    sizes = {}
    for line in text.splitlines():
        key, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            sizes[key] = int(rest.split()[0]) * 1024
    return Memory(sizes["Rss"], sizes["Anonymous"])


def parent(pid: int) -> int:
    """Parent's pid, 0 when the process is gone."""
    fields = _stat_fields(pid)
    return int(fields[1]) if fields else 0


def command_line(pid: int) -> str:
    """Arguments joined by blanks (or the title a process gave itself); '' when gone."""
    return _text(_PROC / str(pid) / "cmdline").replace("\0", " ").strip()


def tree(root: int) -> list[int]:
    """root and all its living descendants, parents before children."""
    children: dict[int, list[int]] = {}
    for name in _listed(_PROC):
        if name.isdigit():
            children.setdefault(parent(int(name)), []).append(int(name))
    found = [root]
    for pid in found:  # grows while it is walked: breadth first
        found.extend(children.get(pid, ()))
    return found


def named(root: int, part: str) -> int:
    """The one process below root whose command line holds `part`. LookupError if not one."""
    hits = [pid for pid in tree(root) if part in command_line(pid)]
    if len(hits) != 1:
        lines = "; ".join(f"{pid} {command_line(pid)[:80]}" for pid in tree(root))
        raise LookupError(f"{len(hits)} processes with {part!r} among: {lines}")
    return hits[0]


def pinned(command: Sequence[str], cpus: str) -> list[str]:
    """`command` bound to a CPU list such as "0" or "0-1"; unchanged without taskset."""
    taskset = shutil.which("taskset")
    return [taskset, "-c", cpus, *command] if taskset else list(command)


def _stat_fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from `state` on (index 0); the name may hold blanks."""
    text = _text(_PROC / str(pid) / "stat")
    return text.rpartition(")")[2].split() if text else []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # a process may end between two reads


def _listed(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, ProcessLookupError):
        return []
