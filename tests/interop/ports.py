"""Free ports of 127.0.0.0/8 for peers, and whether somebody holds one."""

import socket
import struct
from pathlib import Path

_TCP_LISTEN = "0A"


def free_port(host: str = "127.0.0.1") -> int:
    """A port number free for UDP and TCP on `host` at this moment.

    The next taker may be faster: whoever binds it must fail loudly, as all peers here do.
    """
    for _ in range(64):
        with (socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
              socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp):
            tcp.bind((host, 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port of {host} is free for both UDP and TCP")


def media_port(host: str) -> int:
    """A port number for SIPp's media: it binds that one and, for video, the second behind it."""
    for _ in range(64):
        port = free_port(host)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as video:
            try:
                video.bind((host, port + 2))
            except OSError:
                continue
            return port
    raise OSError(f"no pair of media ports of {host} is free")


def bound(host: str, port: int, *, tcp: bool = False) -> bool:
    """True if a socket of this machine holds host:port (TCP: listens on it).

    Read from /proc/net, never by binding: a probe's bind could win against the peer's.
    """
    packed = struct.unpack("<I", socket.inet_aton(host))[0]
    wanted = {f"{packed:08X}:{port:04X}", f"00000000:{port:04X}"}
    for line in Path("/proc/net/tcp" if tcp else "/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] in wanted and (not tcp or fields[3] == _TCP_LISTEN):
            return True
    return False
