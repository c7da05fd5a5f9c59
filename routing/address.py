"""Addresses in a plan: SIP URIs of targets, hosts of gateways. Read once, at validation."""

import re
from ipaddress import ip_address

from msgspec import Struct

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)"
_HOST_PORT = re.compile(_HOST + r"(?::([0-9]{1,5}))?", re.ASCII)
# RFC 3261 §25.1: user = unreserved / escaped / user-unreserved; parameters are token[=value]
_PARAMETER = r"[A-Za-z0-9_.!~*'+%`\[\]/:&$-]+"
_SIP_URI = re.compile(
    r"sip:(?:([A-Za-z0-9_.!~*'()&=+$,;?/%-]+)@)?"
    + _HOST
    + r"(?::([0-9]{1,5}))?"
    + rf"((?:;{_PARAMETER}(?:={_PARAMETER})?)*)",
    re.ASCII,
)
SIP_PORT = 5060


class SipAddress(Struct, frozen=True, gc=False):
    """Where a URI leads. host: without brackets; transport: "udp" or "tcp"."""

    host: str
    port: int
    transport: str


def parse_sip_uri(text: str) -> SipAddress:
    """Address of "sip:user@host:port;transport=udp" (RFC 3261 §19.1). Raises ValueError."""
    match = _SIP_URI.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a URI such as sip:agents@192.0.2.7:5060, got {text!r}")
    parameters = dict(part.lower().partition("=")[::2] for part in match[4].split(";") if part)
    transport = parameters.get("transport", "udp")
    if transport not in ("udp", "tcp"):
        raise ValueError(f"transport must be udp or tcp, got {transport!r}")
    return SipAddress(_host(match[2]), _port(match[3]), transport)


def parse_host(text: str) -> str:
    """A host name or IP address, IPv6 with or without brackets. Raises ValueError."""
    if is_literal(text):
        return text
    match = _HOST_PORT.fullmatch(text)
    if match is None or match[2]:
        raise ValueError(f"expected a host such as 192.0.2.7 or sip.example.com, got {text!r}")
    return _host(match[1])


def parse_host_port(text: str) -> tuple[str, int]:
    """(host without brackets, port) of "host:port" or "[IPv6]:port"; 5060 if absent.

    Raises ValueError.
    """
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError(f"expected an address such as 192.0.2.7:5060, got {text!r}")
    return _host(match[1]), _port(match[2])


def is_literal(host: str) -> bool:
    """Whether a host is an IP address and needs no name service."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _host(text: str) -> str:
    bare = text.strip("[]")
    if text.startswith("["):
        ip_address(bare)  # raises ValueError that names the text
    elif re.fullmatch(r"[0-9.]+", bare):
        ip_address(bare)
    return bare


def _port(text: str | None) -> int:
    port = int(text) if text else SIP_PORT
    if not 1 <= port <= 65_535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    return port
