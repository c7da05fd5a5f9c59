"""Who holds a port: a busy address is named with, where visible, the process that has it.

/proc/net/{udp,tcp}[6] gives the socket's inode, /proc/PID/fd its process, /proc/PID/cmdline
its name (proc(5)). Only processes of the same user are visible unless we are root.
"""

import errno
import os
from ipaddress import ip_address
from pathlib import Path

from sip.edge.address import WILDCARDS, bracketed
from vocabulary.errors import ConfigError
from vocabulary.limits import command_shown_characters_max

TCP_LISTEN = "0A"  # include/net/tcp_states.h, as /proc/net/tcp prints it


def bind_error(key: str, transport: str, host: str, port: int, error: OSError) -> ConfigError:
    """A ConfigError naming the setting, the address, the reason and, where visible, the owner."""
    return ConfigError(f"{key}: {why_not_bound(transport, host, port, error)}")


def why_not_bound(transport: str, host: str, port: int, error: OSError) -> str:
    """ "udp:127.0.0.1:5060 is in use by kamailio -f … (pid 12)" and the like.

    transport: "udp" | "tcp", in any case; host: a literal without brackets.
    """
    text = f"{transport.lower()}:{bracketed(host)}:{port}"
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(transport, host, port)
        return f"{text} is in use by {owner or 'a process of another user'}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{text} is no address of this machine"
    if error.errno == errno.EACCES:
        return f"{text} needs a privilege: ports below 1024 are root's"
    return f"{text} cannot be bound: {error.strerror or error}"


def owner_of(transport: str, host: str, port: int) -> str:
    """ "kamailio -f … (pid 12)" of the process that holds an address, "" if not visible."""
    inodes = {
        inode
        for suffix in ("", "6")
        for inode in _inodes(transport.lower(), suffix, host, port)
    }
    if not inodes:
        return ""
    links = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _holds(folder / "fd", links):
            return f"{_command_of(folder)} (pid {folder.name})"
    return ""


def _inodes(transport: str, suffix: str, host: str, port: int) -> list[str]:
    """Inodes of the sockets of one /proc/net table that clash with the address.

    Column 1 is address:port in hexadecimal, 3 the state, 9 the inode.
    """
    try:
        lines = Path(f"/proc/net/{transport}{suffix}").read_text().splitlines()[1:]
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        digits, bound_port = fields[1].split(":")
        listens = transport == "udp" or fields[3] == TCP_LISTEN
        if int(bound_port, 16) == port and listens and _clash(_host(digits), host):
            found.append(fields[9])
    return found


def _host(digits: str) -> str:
    """Address of /proc/net's hexadecimal: 32-bit words, each in the machine's byte order."""
    raw = bytes.fromhex(digits)
    swapped = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ip_address(swapped)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _clash(bound: str, wanted: str) -> bool:
    return bound == wanted or bound in WILDCARDS or wanted in WILDCARDS


def _holds(folder: Path, links: set[str]) -> bool:
    try:
        descriptors = os.listdir(folder)
    except OSError:  # another user's, or it ended meanwhile
        return False
    return any(_target(folder / descriptor) in links for descriptor in descriptors)


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:  # closed meanwhile
        return ""


def _command_of(folder: Path) -> str:
    try:
        raw = (folder / "cmdline").read_bytes()
    except OSError:
        return "a process"
    text = raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown[:command_shown_characters_max] or "a process"
