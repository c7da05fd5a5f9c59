"""A side sends a re-INVITE and its BYE right behind: the other side gets each of them once.

    asker ── INVITE 2, BYE 3 ──► exchange ── INVITE, BYE ──► other
    asker ◄── 200, 487 ───────── exchange ◄── 200, 487 ───── other, in either order
                                 exchange ── ACK ──────────► other, and never a second BYE

The asker goes at once: on a stream its connection is lost, before or after the other answered.
"""

from itertools import product

import pytest

from sip.message import Message
from sip.signals import FlowLost
from tests.sim.net import TRANSPORTS, US
from tests.sim.script import Script, invite, reply
from tests.sim.test_early_reinvite import ALICE, Early
from tests.sim.wire import MS

CASES = list(product(
    TRANSPORTS, ["caller", "buyer"], ["BYE first", "INVITE first"], ["before", "after"]
))  # fmt: skip


def ask(call: Early, side: str) -> None:
    """A re-INVITE and a BYE of one side, both in one turn of ours."""
    if side == "buyer":
        call.from_buyer(b"INVITE", b"7", b"z9hG4bKb", 0)
        call.from_buyer(b"BYE", b"8", b"z9hG4bKc", 0)
        return
    tag = next(m.to_tag for m in call.alice.messages if m.status == 200)
    for method, cseq, branch in ((b"INVITE", b"2", b"z9hG4bKa2"), (b"BYE", b"3", b"z9hG4bKa3")):
        body = b"v=moved" if method == b"INVITE" else b""
        data = invite(ALICE, US, branch, method=method, cseq=cseq, to_tag=tag, body=body)
        call.tell(call.alice, call.to_us, data)


def answers(other: Script, refresh: Message, order: str) -> list[bytes]:
    """What a side says to a re-INVITE that a BYE has overtaken (RFC 3261 §15.1.2)."""
    answered = [reply(other.got(b"BYE")[0], 200), reply(refresh, 487)]
    return answered if order == "BYE first" else answered[::-1]


def lose(call: Early, asker: Script) -> None:
    """The asker's connection is gone."""
    call.net.world.perform(call.net.exchange, FlowLost(call.net.world.flow(US, asker.address)))


@pytest.mark.parametrize(("transport", "side", "order", "lost"), CASES)
def test_each_is_passed_on_once(
    transport: str, side: str, order: str, lost: str
) -> None:
    call = Early(transport)
    call.acknowledge()
    call.buyer.react = None
    asker, other = (call.alice, call.buyer) if side == "caller" else (call.buyer, call.alice)
    flow = call.back if side == "caller" else call.to_us
    before = len(other.messages)
    ask(call, side)
    call.net.world.run(15 * MS)  # both are passed on, nothing of it has come back
    if transport == "TCP" and lost == "before":
        lose(call, asker)
    call.net.world.run_until(lambda: other.got(b"BYE"))
    for data in answers(other, other.got(b"INVITE")[-1], order):
        call.tell(other, flow, data)
    call.net.world.run(30 * MS)
    if transport == "TCP" and lost == "after":
        lose(call, asker)
    call.net.world.run(200 * MS)
    heard = [m.method_name for m in other.messages[before:] if m.is_request]
    assert heard == [b"INVITE", b"BYE", b"ACK"]
    finals = [m.status for m in asker.messages if m.status >= 200 and m.cseq in (2, 3, 7, 8)]
    assert sorted(finals) == [200, 487]
    assert asker.got(b"BYE") == []
    call.net.finish()
