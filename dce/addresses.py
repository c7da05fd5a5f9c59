"""Listen addresses as people write them: "udp:127.0.0.1:5060", "[::1]:8080"."""

from ipaddress import ip_address
from typing import NamedTuple

PORT_MAX = 65_535


class Listen(NamedTuple):
    """Where a socket is bound. transport: "udp" | "tcp"; port 0 asks for any free one."""

    transport: str
    host: str
    port: int

    def text(self) -> str:
        """The address as it is written in a configuration file."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """Address of "udp:HOST:PORT" or "tcp:HOST:PORT". Raises ValueError naming what is expected."""
    transport, colon, rest = text.partition(":")
    if not colon or transport not in ("udp", "tcp"):
        raise ValueError(f"expected udp:ADDRESS:PORT or tcp:ADDRESS:PORT, got {text!r}")
    host, port = parse_host_port(rest)
    return Listen(transport, host, port)


def parse_host_port(text: str) -> tuple[str, int]:
    """(address, port) of "127.0.0.1:8080" or "[::1]:8080"; a literal address, never a name.

    Raises ValueError naming what is expected.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > PORT_MAX:
        raise ValueError(f"expected ADDRESS:PORT such as 127.0.0.1:8080, got {text!r}")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    try:
        version = ip_address(bare).version
    except ValueError:
        raise ValueError(f"expected a literal IP address, got {bare!r}") from None
    if (version == 6) != bracketed:
        raise ValueError(f"expected IPv6 addresses in brackets such as [::1]:8080, got {text!r}")
    return bare, int(port)


def widen(address: Listen) -> Listen:
    """The same transport and port on every address of the machine (`--lan`)."""
    return address._replace(host="::" if ":" in address.host else "0.0.0.0")
