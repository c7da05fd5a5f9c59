"""What a trunk advertises, over real UDP through the whole worker: Via and Contact on both legs.

The caller 127.0.0.2 and the buyer 127.0.0.4 are peers of the trunk whose address is NATed; the
buyer 127.0.0.5 is not.
"""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dce.wiring import SignalCore
from tests.dce.signal_core import config_at, running, write_plan
from tests.routing.plans import written_plan

BOUND_S = 10
SDP = b"v=0\r\n"


@pytest.fixture
def peers() -> Iterator[dict[str, socket.socket]]:
    """Sockets by their host."""
    made = {}
    for host in ("127.0.0.2", "127.0.0.4", "127.0.0.5"):
        made[host] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made[host].bind((host, 0))
        made[host].setblocking(False)
    yield made
    for each in made.values():
        each.close()


async def heard(peer: socket.socket, begins: bytes, known: set[bytes]) -> bytes:
    """The next message that begins so, of a dialog that is not known yet: earlier ones are sent
    again, since nobody acknowledges them here."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(BOUND_S):
        while True:
            data = await loop.sock_recv(peer, 65_535)
            dialog = next(line for line in data.split(b"\r\n") if line.startswith(b"Call-ID:"))
            if data.startswith(begins) and dialog not in known:
                known.add(dialog)
                return data


def told(message: bytes, name: bytes) -> bytes:
    """host:port in the first Via or Contact of a message."""
    found = re.search(rb"^%b:[^\r]*?(?:[@ ]|sip:)([\w.]+:\d+)" % name, message, re.M)
    assert found is not None, message
    return found[1]


def invite(call: int, caller: socket.socket, port: int) -> bytes:
    host, near = caller.getsockname()
    return (
        b"INVITE sip:+12125550100@127.0.0.1:%d SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP %b:%d;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
        b"From: <sip:+12125550199@%b>;tag=a%d\r\nTo: <sip:+12125550100@127.0.0.1>\r\n"
        b"Call-ID: call-%d\r\nCSeq: 1 INVITE\r\nContact: <sip:c@%b:%d>\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b"
    ) % (port, host.encode(), near, call, host.encode(), call, call, host.encode(), near,
         len(SDP), SDP)


def answer(request: bytes, contact: socket.socket) -> bytes:
    """200 to an INVITE, with everything that must be repeated."""
    kept = [line for line in request.split(b"\r\n")
            if line.split(b":")[0] in (b"Via", b"From", b"Call-ID", b"CSeq")]
    to = next(line for line in request.split(b"\r\n") if line.startswith(b"To:"))
    host, port = contact.getsockname()
    return b"\r\n".join([
        b"SIP/2.0 200 OK", *kept, to + b";tag=b", b"Contact: <sip:b@%b:%d>" % (
            host.encode(), port),
        b"Content-Type: application/sdp", b"Content-Length: %d" % len(SDP), b"", SDP,
    ])


def plan(buyer: socket.socket, advertise: str | None) -> dict[str, Any]:
    """One buyer; the trunk holds 127.0.0.2 to 127.0.0.4."""
    host, port = buyer.getsockname()
    written = written_plan(
        1, uri=lambda _, __: f"sip:b@{host}:{port}", networks=("127.0.0.2/31", "127.0.0.4/32")
    )
    if advertise is not None:
        written["trunks"][0]["advertise"] = advertise
    return written


async def call(core: SignalCore, number: int, caller: socket.socket,
               buyer: socket.socket, known: set[bytes]) -> tuple[bytes, ...]:
    """What the buyer's INVITE and the caller's 200 name: Via, Contact, Contact."""
    port = core.bound()[0][2]
    caller.sendto(invite(number, caller, port), ("127.0.0.1", port))
    request = await heard(buyer, b"INVITE", known)
    buyer.sendto(answer(request, buyer), ("127.0.0.1", port))
    final = await heard(caller, b"SIP/2.0 200", known)
    return told(request, b"Via"), told(request, b"Contact"), told(final, b"Contact")


async def test_peers_of_a_trunk_are_told_its_address_and_a_new_plan_another(
    tmp_path: Path, peers: dict[str, socket.socket]
) -> None:
    config = config_at(tmp_path)
    caller, inside, outside = peers["127.0.0.2"], peers["127.0.0.4"], peers["127.0.0.5"]
    known: set[bytes] = set()
    async with running(config) as core:
        own = b"127.0.0.1:%d" % core.bound()[0][2]
        nat, other = b"203.0.113.5:5070", b"203.0.113.9:5060"
        steps: list[tuple[socket.socket, str | None, tuple[bytes, ...]]] = [
            (inside, None, (own, own, own)),
            (inside, "203.0.113.5:5070", (nat, nat, nat)),
            (inside, "203.0.113.9", (other, other, other)),
            (outside, "203.0.113.9", (own, own, other)),
            (outside, None, (own, own, own)),
        ]
        for version, (buyer, advertise, expected) in enumerate(steps, 1):
            await core.apply_plan(*write_plan(config, version, plan(buyer, advertise)))
            assert await call(core, version, caller, buyer, known) == expected, version
