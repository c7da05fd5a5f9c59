"""Who holds a port: the process behind a failed bind, from /proc, where it may be seen."""

import os
import re
from pathlib import Path

from sip.edge.address import bracketed
from vocabulary.errors import ConfigError

TCP_LISTEN = "0A"  # include/net/tcp_states.h, as /proc/net/tcp prints it


def bind_error(key: str, transport: str, host: str, port: int, error: OSError) -> ConfigError:
    """A ConfigError naming the setting, the address, the reason and, where visible, the owner."""
    owner = owner_of(transport, port)
    held = f", held by {owner}" if owner else ""
    address = f"{transport.lower()}:{bracketed(host)}:{port}"
    return ConfigError(f"{key}: cannot listen on {address}: {error.strerror}{held}")


def owner_of(transport: str, port: int, proc: Path = Path("/proc")) -> str:
    """`process 123 (name)` of whoever has `port` bound, or "" where it cannot be seen."""
    inodes = _inodes(transport, port, proc)
    if not inodes:
        return ""
    targets = {f"socket:[{inode}]" for inode in inodes}
    for entry in proc.iterdir():
        if entry.name.isdecimal() and _holds(entry, targets):
            return f"process {entry.name} ({_name(entry)})"
    return ""


def _inodes(transport: str, port: int, proc: Path) -> set[str]:
    """Socket inodes bound to the port: column 1 is address:port in hex, 3 state, 9 inode."""
    found: set[str] = set()
    for table in (transport.lower(), transport.lower() + "6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            held = transport == "UDP" or fields[3] == TCP_LISTEN
            if held and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found - {"0"}


def _holds(entry: Path, targets: set[str]) -> bool:
    try:
        return any(os.readlink(fd) in targets for fd in (entry / "fd").iterdir())
    except OSError:  # another user's process, or gone meanwhile
        return False


def _name(entry: Path) -> str:
    try:
        text = (entry / "comm").read_text()
    except OSError:
        text = "?"
    return re.sub(r"[^\w.:/-]", "?", text.strip())
