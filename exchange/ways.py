"""Ways to a target: what to dial, through which address, with the caller in which form."""

from msgspec import Struct

from routing.plan_objects import Target
from sip.uri import parse_uri

GatewayKey = tuple[str, str, int]  # (transport "UDP" | "TCP", host as the plan names it, port)
DEFAULT_PORT = 5060


class Way(Struct, frozen=True, gc=False):
    """One way. uri: Request-URI. name: of the gateway, or host:port. form, prefix: how numbers
    are written there."""

    uri: bytes
    key: GatewayKey
    name: str
    form: str = "e164"
    prefix: str = ""


def ways_of(target: Target) -> tuple[Way, ...]:
    """The ways of a target in dialling order: its gateways, or the host of its own URI."""
    if not target.gateways:
        return (_direct(target.uris[0]),)
    return tuple(
        Way(
            uri,
            (gateway.transport.upper(), gateway.host, gateway.port),
            gateway.id,
            gateway.number_format,
            gateway.prefix,
        )
        for uri, gateway in zip(target.uris, target.gateways, strict=True)
    )


def _direct(uri: bytes) -> Way:
    parts = parse_uri(uri)
    transport = (parts.params.get(b"transport") or b"udp").decode().upper()
    host = parts.host.decode().strip("[]")
    port = parts.port or DEFAULT_PORT
    return Way(uri, (transport, host, port), f"{host}:{port}")
