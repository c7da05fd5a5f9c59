"""Addresses as an edge sees them: literals, families, and what Via and Contact say of us.

A wildcard address is never told to a peer. What stands in its place is `sip.advertise`, or
the source address the kernel's routes choose towards that peer.
"""

import socket
from collections.abc import Callable

from vocabulary.errors import ConfigError
from vocabulary.limits import routes_cached_max

WILDCARDS = frozenset({"0.0.0.0", "::"})

AdvertisedTo = Callable[[str], tuple[str, int] | None]  # literal host → (bare host, port)


def literal(host: str) -> tuple[socket.AddressFamily, str]:
    """Family and canonical text of a literal IPv4 or IPv6 address, with or without brackets.

    An IPv6 zone (`%2`) is kept. Raises ValueError for anything else, names included.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    digits, percent, zone = bare.partition("%")
    family = socket.AF_INET6 if ":" in digits else socket.AF_INET
    try:
        text = socket.inet_ntop(family, socket.inet_pton(family, digits))
    except (OSError, UnicodeError):
        raise ValueError(f"{host!r} is not a literal IP address") from None
    return family, text + percent + zone


def is_literal(host: str) -> bool:
    """Whether `host` needs no name service."""
    try:
        literal(host)
    except ValueError:
        return False
    return True


def bracketed(host: str) -> str:
    """A host as it stands in a URI or a Via: IPv6 in brackets (RFC 3261 §25.1, RFC 5118)."""
    return f"[{host}]" if ":" in host else host


def split_host_port(text: str) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]` or `[v6]:port` as (host without brackets, port or 0).

    Raises ValueError when the port is no number of 1..65535 or a bracket is missing.
    """
    host, port = text, ""
    if text.startswith("["):
        host, found, port = text[1:].partition("]")
        if not found or (port and not port.startswith(":")):
            raise ValueError(f"{text!r}: expected [address] or [address]:port")
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not port:
        return host, 0
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r}: the port is not a number of 1 to 65535")
    return host, int(port)


def route_source(host: str) -> str:
    """The local address the kernel would send from to reach a literal address.

    Connecting a UDP socket asks the routing table and sends nothing. Without a route nothing
    can be sent either: the loopback address then stands in, so that no wildcard leaks.
    """
    family, text = literal(host)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((text, 9))
            source = str(probe.getsockname()[0])
        except OSError:
            source = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    return source


class LocalAddress:
    """What Via and Contact say on the flows of one listener: a callable host → (host, port).

    bound_host, bound_port: what the listening socket is bound to. advertise: the setting
    `sip.advertise` as host or host:port, or "". A literal of the other family is not used,
    since a peer of this family could not reach it. What a trunk of the plan advertises goes
    before it: see advertise_by.
    """

    __slots__ = ("_advertised_to", "_fixed", "_port", "_routes", "bound_host")

    def __init__(self, bound_host: str, bound_port: int, advertise: str = "") -> None:
        self.bound_host = bound_host
        self._port = bound_port
        self._routes: dict[str, str] = {}
        self._advertised_to: AdvertisedTo | None = None
        self._fixed = "" if bound_host in WILDCARDS else bracketed(bound_host)
        if advertise:
            self._advertise(advertise)

    def advertise_by(self, advertised_to: AdvertisedTo) -> None:
        """Ask from now on what to tell a peer; None of it: as without it."""
        self._advertised_to = advertised_to

    def _advertise(self, advertise: str) -> None:
        try:
            host, port = split_host_port(advertise)
            if is_literal(host):
                family, host = literal(host)
                if host in WILDCARDS:
                    raise ValueError(f"{host} is a wildcard address")
                if family != literal(self.bound_host)[0]:
                    return
        except ValueError as error:
            raise ConfigError(f"sip.advertise: {error}") from None
        self._fixed = bracketed(host)
        self._port = port or self._port

    def __call__(self, host: str) -> tuple[str, int]:
        """Address and port to tell the peer at the literal address `host`; IPv6 bracketed."""
        told = self._advertised_to(host) if self._advertised_to is not None else None
        if told is not None:
            return bracketed(told[0]), told[1]
        if self._fixed:
            return self._fixed, self._port
        source = self._routes.get(host)
        if source is None:
            source = bracketed(route_source(host))
            if len(self._routes) >= routes_cached_max:
                del self._routes[next(iter(self._routes))]
            self._routes[host] = source
        return source, self._port
