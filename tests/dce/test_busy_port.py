"""A busy address names its key, where that was set, and the process that holds it."""

import os
import re
import socket
from pathlib import Path

import pytest

from dce.busy_port import check_ports
from dce.config import load
from sip.edge.port_owner import owner_of
from tests.interop.ports import free_port
from vocabulary.errors import ConfigError

CONFIG_FILE = Path(__file__).parents[2] / "configs" / "config.yaml"


def bound(kind: socket.SocketKind, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, kind)
    held.bind((host, 0))
    if kind == socket.SOCK_STREAM:
        held.listen()
    return held


def refusal(sip: str, http: str = "127.0.0.1:0") -> list[str]:
    config = load(str(CONFIG_FILE), environ={}, flags={"sip.listen": sip, "http.listen": http})
    with pytest.raises(ConfigError) as caught:
        check_ports(config)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("transport", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)]
)
def test_a_busy_sip_port_names_key_and_owner(transport: str, kind: socket.SocketKind) -> None:
    with bound(kind) as held:
        port = held.getsockname()[1]
        line = refusal(f"{transport}:127.0.0.1:{free_port()},{transport}:127.0.0.1:{port}")[0]
    begin = rf"sip\.listen\[1\] \(command line\): {transport}:127\.0\.0\.1:{port} is in use by "
    assert re.match(begin + rf".*pytest.* \(pid {os.getpid()}\)$", line), line


def test_a_busy_http_port_names_its_key() -> None:
    with bound(socket.SOCK_STREAM) as held:
        port = held.getsockname()[1]
        lines = refusal(f"udp:127.0.0.1:{free_port()}", f"127.0.0.1:{port}")
    assert lines[0].startswith(f"http.listen (command line): tcp:127.0.0.1:{port} is in use by ")


def test_a_wildcard_holds_every_address() -> None:
    with bound(socket.SOCK_DGRAM, "0.0.0.0") as held:
        port = held.getsockname()[1]
        assert f"(pid {os.getpid()})" in owner_of("UDP", "127.0.0.1", port)


def test_ipv6_owners_are_found() -> None:
    with bound(socket.SOCK_STREAM, "::1") as held:
        port = held.getsockname()[1]
        assert f"(pid {os.getpid()})" in owner_of("TCP", "::1", port)
        assert owner_of("UDP", "::1", port) == ""


def test_an_address_of_another_machine_is_said_so() -> None:
    assert refusal("udp:192.0.2.1:5060") == [
        "sip.listen[0] (command line): udp:192.0.2.1:5060 is no address of this machine"
    ]


def test_free_ports_pass() -> None:
    port = free_port()
    listen = f"udp:127.0.0.1:{port},tcp:127.0.0.1:{port}"
    config = load(
        str(CONFIG_FILE), environ={}, flags={"sip.listen": listen, "http.listen": "127.0.0.1:0"}
    )
    check_ports(config)
