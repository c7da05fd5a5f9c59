"""A BYE is answered 200, and each copy of it for 64·T1 with the same bytes; none are kept."""

import pytest

from sip.grammar import M_BYE
from tests.sim.net import US
from tests.sim.script import invite
from tests.sim.test_early_reinvite import ALICE, Early
from tests.sim.wire import MS, S


def said_bye(call: Early) -> bytes:
    """The BYE of a caller that was answered; it is on its way."""
    tag = next(m.to_tag for m in call.alice.messages if m.status == 200)
    data = invite(ALICE, US, b"z9hG4bKbye", method=b"BYE", cseq=b"2", to_tag=tag)
    call.tell(call.alice, call.to_us, data, 30 * MS)
    return data


@pytest.mark.parametrize("later_ns", [0, 500 * MS, 31 * S])
def test_a_copy_gets_the_same_bytes(later_ns: int) -> None:
    call = Early()
    call.acknowledge()
    bye = said_bye(call)
    call.net.world.run(later_ns)
    call.tell(call.alice, call.to_us, bye, 30 * MS)
    answers = [m.data for m in call.alice.messages if m.status and m.cseq == 2]
    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert answers[0].startswith(b"SIP/2.0 200 ")
    kept = call.net.exchange.endpoint.core.servers.values()
    assert [each.response for each in kept if each.method == M_BYE] == [b""]
    call.net.finish()


def test_after_that_the_dialog_is_unknown() -> None:
    call = Early()
    call.acknowledge()
    bye = said_bye(call)
    call.net.world.run(33 * S)
    call.tell(call.alice, call.to_us, bye, 30 * MS)
    assert [m.status for m in call.alice.messages if m.cseq == 2] == [200, 481]
    call.net.finish()
