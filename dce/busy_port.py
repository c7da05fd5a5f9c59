"""The ports of a configuration, tried before anything starts: every busy one is named at once."""

import socket

from dce.addresses import Listen
from dce.config import Config
from sip.edge.port_owner import why_not_bound
from vocabulary.errors import ConfigError


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
    return f"{key} ({where}): {why_not_bound(*address, error)}"
