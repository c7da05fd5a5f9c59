"""Addresses, what we tell of ourselves, and errors of the listen settings."""

import asyncio

import pytest

from sip.edge.address import LocalAddress, literal, route_source, split_host_port
from sip.edge.driver import ListenSpec, Sockets, buffer_warning, listen_spec
from vocabulary.errors import CommandRefused, ConfigError
from vocabulary.limits import routes_cached_max

from .wires import Heard, Opened, udp_peer


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("0:0::1", "::1"), ("FE80::1%2", "fe80::1%2")],
)
def test_literals(text: str, canonical: str) -> None:
    assert literal(text)[1] == canonical


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "::1::2", "127.0.0.1:5060", "\udc80"])
def test_what_is_no_literal(text: str) -> None:
    with pytest.raises(ValueError, match="not a literal"):
        literal(text)


def test_listen_settings() -> None:
    assert listen_spec("udp:0.0.0.0:5070", "k") == ListenSpec("UDP", "0.0.0.0", 5070, "k")
    assert listen_spec("TCP:[::1]", "k") == ListenSpec("TCP", "::1", 5060, "k")
    for wrong in ("", "udp", "tls:1.1.1.1:5061", "udp:host:5060", "udp:1.1.1.1:0", "tcp:[::1"):
        with pytest.raises(ConfigError, match=r"sip\.listen"):
            listen_spec(wrong, "sip.listen")
    assert split_host_port("[::1]:9") == ("::1", 9)


def test_a_wildcard_is_never_told() -> None:
    local = LocalAddress("0.0.0.0", 5060)
    assert local("127.0.0.1") == ("127.0.0.1", 5060)
    assert local("127.9.9.9") == (route_source("127.9.9.9"), 5060)
    assert LocalAddress("::", 5060)("::1") == ("[::1]", 5060)
    assert LocalAddress("0.0.0.0", 5060)("240.0.0.1")[0] not in ("0.0.0.0", "")


def test_advertise_wins_in_its_family() -> None:
    assert LocalAddress("0.0.0.0", 5060, "198.51.100.7")("127.0.0.1") == ("198.51.100.7", 5060)
    assert LocalAddress("127.0.0.1", 5060, "sip.example:5080")("10.0.0.1") == (
        "sip.example", 5080,
    )
    assert LocalAddress("::1", 5060, "198.51.100.7")("::1") == ("[::1]", 5060)
    assert LocalAddress("::", 5060, "[2001:db8::7]:5070")("::1") == ("[2001:db8::7]", 5070)
    for wrong in ("0.0.0.0", "[::1", "a:b", "host:70000"):
        with pytest.raises(ConfigError, match=r"sip\.advertise"):
            LocalAddress("127.0.0.1", 5060, wrong)


def test_what_a_trunk_advertises_goes_before_all_else() -> None:
    local = LocalAddress("127.0.0.1", 5060, "198.51.100.7")
    local.advertise_by({"127.0.0.2": ("203.0.113.5", 5070), "127.0.0.3": ("2001:db8::7", 1)}.get)
    assert local("127.0.0.2") == ("203.0.113.5", 5070)
    assert local("127.0.0.3") == ("[2001:db8::7]", 1)
    assert local("127.0.0.4") == ("198.51.100.7", 5060)


def test_routes_are_remembered_within_a_bound() -> None:
    local = LocalAddress("0.0.0.0", 5060)
    for number in range(routes_cached_max + 10):
        local(f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    assert len(local._routes) == routes_cached_max


def test_a_small_buffer_is_told() -> None:
    assert buffer_warning("sip.listen", 4, 4) == ""
    assert "212992 of 4194304" in buffer_warning("sip.listen", 212_992)


async def test_a_busy_port_names_its_key_and_its_owner() -> None:
    with udp_peer() as holder:
        port = holder.getsockname()[1]
        spec = ListenSpec("UDP", "127.0.0.1", port, "sip.listen[0]")
        heard, loop = Heard(), asyncio.get_running_loop()
        expected = rf"sip\.listen\[0\].*{port} is in use by .*\(pid \d+\)"
        with pytest.raises(ConfigError, match=expected):
            await Sockets.open([spec], "", heard.on_batch, heard.on_lost, loop)


async def test_dialling_needs_a_literal_and_a_listener(opened: Opened) -> None:
    sockets = await opened(Heard(), "udp:127.0.0.1")
    for transport, host, port, code in (
        ("UDP", "buyer.example", 5060, "address_invalid"),
        ("UDP", "127.0.0.1", 0, "address_invalid"),
        ("TCP", "127.0.0.1", 5060, "listener_missing"),
        ("UDP", "::1", 5060, "listener_missing"),
    ):
        with pytest.raises(CommandRefused, match=code):
            sockets.flow_to(transport, host, port)


async def test_the_dialling_listener_is_the_one_on_the_route(opened: Opened) -> None:
    sockets = await opened(Heard(), "udp:127.0.0.9", "udp:0.0.0.0", "udp:127.0.0.1")
    assert sockets.flow_to("UDP", "127.0.0.1", 5060).listener == 2

    sockets = await opened(Heard(), "udp:127.0.0.9", "udp:0.0.0.0")
    assert sockets.flow_to("UDP", "127.0.0.1", 5060).listener == 1
