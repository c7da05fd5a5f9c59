"""Lost messages between SIPp and the server, over UDP, with a wire that loses what is named."""

import pytest

from tests.interop import peers
from tests.interop.calls import Lab, Played, Scene, play
from tests.interop.plans import CALLER_HOST, FIRST_HOST, Slot
from tests.interop.ports import free_port
from tests.interop.server import HOST
from tests.interop.sipp import Order, scenario
from tests.interop.wire import Lost, Wire, nothing

pytestmark = [pytest.mark.interop]

WIRE_HOST, BUYER_BEHIND = "127.0.0.9", "127.0.0.5"
HOLD_MS = 2_500  # longer than the retransmissions that a lost message needs
INVITE_200 = (b"SIP/2.0 200", b" INVITE\r\n")


def beside_caller(lab: Lab, slot: Slot, name: str, lost: Lost, *, to_caller: bool) -> Played:
    """A call whose caller sits behind a lossy wire."""
    peers.require(peers.sipp())
    port, near = free_port(CALLER_HOST), free_port(WIRE_HOST)
    with Wire((WIRE_HOST, port), (WIRE_HOST, near), (CALLER_HOST, port),
              (HOST, lab.exchange.sip_port), to_end=lost if to_caller else nothing,
              to_server=nothing if to_caller else lost):
        return play(lab, slot, Scene(name, "caller_stays", "buyer", hold_ms=HOLD_MS,
                                     caller_port=port, caller_via=f"{WIRE_HOST}:{near}"))


def beside_buyer(lab: Lab, slot: Slot, name: str, lost: Lost, *, to_buyer: bool) -> Played:
    """A call whose buyer sits behind a lossy wire; its Contact names the wire."""
    peers.require(peers.sipp())
    port, near = free_port(BUYER_BEHIND), free_port(FIRST_HOST)
    known = f"{FIRST_HOST}:{slot.first_port}"
    order = Order(scenario("buyer"), BUYER_BEHIND, port, hold_ms=HOLD_MS, timeout_s=30,
                  keys={"contact": known})
    with Wire((FIRST_HOST, slot.first_port), (FIRST_HOST, near), (BUYER_BEHIND, port),
              (HOST, lab.exchange.sip_port), to_end=lost if to_buyer else nothing,
              to_server=nothing if to_buyer else lost):
        return play(lab, slot, Scene(name, "caller_stays", "buyer", hold_ms=HOLD_MS,
                                     first_order=order))


def test_200_lost_towards_the_caller(lab: Lab, slot: Slot) -> None:
    """The server repeats its 200 until the ACK comes (RFC 3261 §13.3.1.4)."""
    lost = Lost(2, *INVITE_200)
    played = beside_caller(lab, slot, "lost-200-a", lost, to_caller=True)
    assert played.ok, played.report
    assert len(lost.seen) >= 3
    assert len(set(lost.seen)) == 1, "a repeated 200 differs from the first"


def test_ack_lost_from_the_caller(lab: Lab, slot: Slot) -> None:
    """Each repeated 200 draws the ACK again; the call stands."""
    lost = Lost(2, b"ACK sip:")
    played = beside_caller(lab, slot, "lost-ack-a", lost, to_caller=False)
    assert played.ok, played.report
    assert len(lost.seen) >= 3


def test_bye_lost_from_the_caller(lab: Lab, slot: Slot) -> None:
    """A BYE that comes at the second try ends both legs."""
    played = beside_caller(lab, slot, "lost-bye-a", Lost(1, b"BYE sip:"), to_caller=False)
    assert played.ok, played.report


def test_invite_lost_from_the_caller(lab: Lab, slot: Slot) -> None:
    """An INVITE that comes at the second try is one call."""
    played = beside_caller(lab, slot, "lost-invite-a", Lost(1, b"INVITE sip:"), to_caller=False)
    assert played.ok, played.report


def test_200_lost_from_the_buyer(lab: Lab, slot: Slot) -> None:
    """A buyer's 200 that comes at the second try is acknowledged once the copy is in."""
    played = beside_buyer(lab, slot, "lost-200-b", Lost(1, *INVITE_200), to_buyer=False)
    assert played.ok, played.report


def test_ack_lost_towards_the_buyer(lab: Lab, slot: Slot) -> None:
    """Every copy of the buyer's 200 draws the same bytes of ACK (RFC 3261 §13.2.2.4)."""
    lost = Lost(1, b"ACK sip:")
    played = beside_buyer(lab, slot, "lost-ack-b", lost, to_buyer=True)
    assert played.ok, played.report
    assert len(lost.seen) >= 2
    assert len(set(lost.seen)) == 1, "a repeated ACK differs from the first"


def test_invite_lost_towards_the_buyer(lab: Lab, slot: Slot) -> None:
    """Our INVITE is sent again after T1 (timer A)."""
    lost = Lost(2, b"INVITE sip:")
    played = beside_buyer(lab, slot, "lost-invite-b", lost, to_buyer=True)
    assert played.ok, played.report
    assert len(set(lost.seen)) == 1, "a repeated INVITE differs from the first"
