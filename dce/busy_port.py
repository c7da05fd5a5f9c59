"""Who holds a port: a busy address names its configuration key and, where visible, its owner.

/proc/net/{udp,tcp}[6] gives the socket's inode, /proc/PID/fd its process, /proc/PID/cmdline
its name (proc(5)). Only processes of the same user are visible unless we are root.
"""

import errno
import os
import socket
from ipaddress import ip_address
from pathlib import Path

from dce.addresses import WILDCARDS, Listen
from dce.config import Config
from vocabulary.errors import ConfigError

TCP_LISTEN = "0A"
COMMAND_CHARACTERS_MAX = 120


def check_ports(config: Config) -> None:
    """Bind and release every address of the configuration.

    Raises ConfigError with one line for each that cannot be bound.
    """
    wanted = [(f"sip.listen[{i}]", a) for i, a in enumerate(config.sip.addresses())]
    wanted.append(("http.listen", Listen("tcp", *config.http.address())))
    errors = []
    for key, address in wanted:
        try:
            try_bind(address)
        except OSError as error:
            errors.append(explain(config, key, address, error))
    if errors:
        raise ConfigError("\n".join(errors))


def try_bind(address: Listen) -> None:
    """Bind and close one socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if address.transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:  # as a server binds: TIME_WAIT is no owner
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address.host, address.port))
        if kind == socket.SOCK_STREAM:
            probe.listen(1)


def explain(config: Config, key: str, address: Listen, error: OSError) -> str:
    """One line for an address that could not be bound. key: "sip.listen[0]", "http.listen"."""
    base, _, _ = key.partition("[")
    where = config.origins.get(base, "default")
    text = f"{key} ({where}): {address.text()}"
    if error.errno == errno.EADDRINUSE:
        owner = find_owner(address)
        return f"{text} is in use by {owner or 'a process of another user'}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{text} is no address of this machine"
    if error.errno == errno.EACCES:
        return f"{text} needs a privilege: ports below 1024 are root's"
    return f"{text} cannot be bound: {error.strerror or error}"


def find_owner(address: Listen) -> str:
    """ "kamailio -f … (pid 12)" of the process that holds an address, "" if not visible."""
    inodes = {
        inode
        for suffix in ("", "6")
        for inode in _inodes(f"/proc/net/{address.transport}{suffix}", address)
    }
    if not inodes:
        return ""
    links = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _holds(folder / "fd", links):
            return f"{_command_of(folder)} (pid {folder.name})"
    return ""


def _inodes(table: str, address: Listen) -> list[str]:
    """Inodes of the sockets of one /proc/net table that clash with the address."""
    try:
        lines = Path(table).read_text().splitlines()[1:]
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        host, port = fields[1].split(":")
        listens = address.transport == "udp" or fields[3] == TCP_LISTEN
        if int(port, 16) == address.port and listens and _clash(_host(host), address.host):
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
    shown = "".join(c if c.isprintable() else "?" for c in text)[:COMMAND_CHARACTERS_MAX]
    return shown or "a process"
