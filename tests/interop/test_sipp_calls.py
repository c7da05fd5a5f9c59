"""SIPp as caller and as buyer through the real server, over UDP and over TCP."""

import socket

import pytest

from tests.interop import peers
from tests.interop.calls import Lab, Scene, play
from tests.interop.plans import FIRST_HOST, Slot

pytestmark = [pytest.mark.interop]

SCENES = (
    Scene("answer", "caller_stays", "buyer", calls=5),
    Scene("no-pause", "caller", "buyer", calls=20),
    Scene("busy-then-next", "caller_stays", "buyer_refuses", "buyer", kind="two"),
    Scene("unavailable-then-next", "caller_stays", "buyer_refuses", "buyer", kind="two",
          status="503"),
    Scene("all-busy", "caller_refused", "buyer_refuses", kind="one", status="486"),
    Scene("no-answer-then-next", "caller_stays", "buyer_rings", "buyer", kind="quick"),
    Scene("cancel", "caller_cancels", "buyer_rings"),
    Scene("caller-hangs-up", "caller_stays", "buyer", hold_ms=500),
    Scene("buyer-hangs-up", "caller_hung_up", "buyer_hangs_up"),
    Scene("hold-and-resume", "caller_holds", "buyer_held"),
    Scene("forked-200", "caller_stays", "buyer_forks", hold_ms=500),
    Scene("unknown-number", "caller_refused", status="404", number="+18005559999"),
)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_scene(lab: Lab, slot: Slot, scene: Scene, transport: str) -> None:
    """Both ends see exactly the messages of their scenarios."""
    peers.require(peers.sipp())
    scene = Scene(**{**vars(scene), "transport": transport})
    played = play(lab, slot, scene)
    assert played.ok, played.report


def test_silent_buyer_then_next(lab: Lab, slot: Slot) -> None:
    """A buyer that never responds loses the call after no_response_s; the next one answers."""
    peers.require(peers.sipp())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((FIRST_HOST, slot.first_port))
        played = play(lab, slot, Scene("silent", "caller_stays", None, "buyer", kind="quick"))
        assert played.ok, played.report
        assert silent.recv(65_535).startswith(b"INVITE ")


def test_closed_tcp_port_then_next(lab: Lab, slot: Slot) -> None:
    """A buyer whose TCP port is closed loses the call at once; the next one answers."""
    peers.require(peers.sipp())
    played = play(lab, slot, Scene("closed", "caller_stays", None, "buyer", kind="two",
                                   transport="tcp"))
    assert played.ok, played.report
