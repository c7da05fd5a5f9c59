"""Paths of one call over a clean wire: progress, early media, failure, both hang-ups, ladders."""

import pytest

from sip.signals import (
    By,
    CallCanceled,
    CallOffered,
    Cause,
    Hangup,
    LegAcked,
    LegAnswered,
    LegEnded,
    LegFailed,
    LegProgress,
)
from tests.sim.net import BUYER, TRANSPORTS, Net
from tests.sim.phones import ANSWER, OFFER, Buyer, Caller
from tests.sim.script import Script
from tests.sim.wire import S, Wire


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_buyer_hangs_up(transport: str) -> None:
    net = Net(Wire(2), buyers=(Buyer(talk_ns=5 * S),), transport=transport)
    net.call()
    net.finish()
    assert [n.by for n in net.buyer.seen(LegEnded)] == [By.LOCAL]
    assert [n.by for n in net.alice.seen(LegEnded)] == [By.REMOTE]
    assert net.desk.ends == [(1, By.REMOTE), (2, By.LOCAL)]


def test_offer_passes_octet_by_octet() -> None:
    net = Net(Wire(3), Caller(talk_ns=S))
    net.call()
    net.finish()
    assert net.buyer.seen(CallOffered)[0].body == OFFER
    assert net.alice.seen(LegAnswered)[0].body == ANSWER


def test_legs_share_no_identity() -> None:
    net = Net(Wire(4), Caller(talk_ns=S))
    net.call(extra=((b"X-Campaign", b"7"), (b"Session-Expires", b"90")))
    net.finish()
    ours, theirs = net.exchange.seen(CallOffered)[0], net.buyer.seen(CallOffered)[0]
    assert ours.call_id != theirs.call_id
    assert ours.extra == ((b"X-Campaign", b"7"),)
    assert theirs.extra == ()
    assert theirs.max_forwards == 69


def test_busy_then_next_buyer() -> None:
    net = Net(Wire(5), Caller(talk_ns=S), (Buyer(reject=486), Buyer()))
    net.call()
    net.finish()
    assert [(n.status, n.cause) for n in net.exchange.seen(LegFailed)] == [(486, Cause.RESPONSE)]
    assert net.world.lines("exchange", "buyer") == ["INVITE", "ACK"]
    assert net.world.lines("exchange", "second") == ["INVITE", "ACK", "BYE"]
    assert net.world.lines("exchange", "alice") == ["100", "180", "200", "200"]


def test_nobody_takes_it() -> None:
    net = Net(Wire(6), buyers=(Buyer(reject=486), Buyer(reject=603)))
    net.call()
    net.finish()
    assert [n.status for n in net.alice.seen(LegFailed)] == [603]


def test_no_answer_then_next_buyer() -> None:
    net = Net(Wire(7), Caller(talk_ns=S), (Buyer(ring_ns=None), Buyer()), ring_ns=4 * S)
    net.call()
    net.finish()
    assert net.world.lines("exchange", "buyer") == ["INVITE", "CANCEL", "ACK"]
    assert [(n.status, n.cause) for n in net.exchange.seen(LegFailed)] == [(487, Cause.CANCELED)]
    assert net.alice.seen(LegAnswered)


def test_silent_buyer_times_out_after_seven_sends() -> None:
    net = Net(Wire(8), buyers=(Script("buyer", BUYER),))
    net.call()
    net.finish()
    assert net.world.lines("exchange", "buyer") == ["INVITE"] * 7
    assert [(n.status, n.cause) for n in net.exchange.seen(LegFailed)] == [(408, Cause.TIMEOUT)]
    assert [n.status for n in net.alice.seen(LegFailed)] == [408]


def test_early_media_reaches_the_caller_under_one_tag_per_attempt() -> None:
    net = Net(Wire(9), Caller(talk_ns=S), (Buyer(None, early=b"v=first"), Buyer(early=b"v=second")),
              ring_ns=3 * S)  # fmt: skip
    net.call()
    net.finish()
    early = [n for n in net.alice.seen(LegProgress) if n.body]
    assert [n.body for n in early] == [b"v=first", b"v=second"]
    assert early[0].to_tag != early[1].to_tag
    assert net.alice.seen(LegAnswered)[0].body == ANSWER


def test_ring_back_without_media_keeps_one_tag() -> None:
    net = Net(Wire(10), Caller(talk_ns=S), (Buyer(None), Buyer()), ring_ns=3 * S)
    net.call()
    net.finish()
    assert len({n.to_tag for n in net.alice.seen(LegProgress) if n.status == 180}) == 1


def test_long_ring_is_repeated_every_minute() -> None:
    net = Net(Wire(11), Caller(talk_ns=S), (Buyer(ring_ns=301 * S),))
    net.call()
    net.finish()
    assert net.world.lines("buyer", "exchange").count("180") >= 5
    assert net.alice.seen(LegAnswered)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_caller_cancels_while_ringing(transport: str) -> None:
    net = Net(Wire(12), Caller(cancel_on=180), (Buyer(ring_ns=9 * S),), transport)
    net.call()
    net.finish()
    assert net.world.lines("exchange", "alice") == ["100", "180", "200", "487"]
    assert net.world.lines("exchange", "buyer") == ["INVITE", "CANCEL", "ACK"]
    assert [(n.status, n.cause) for n in net.alice.seen(LegFailed)] == [(487, Cause.CANCELED)]
    assert len(net.buyer.seen(CallCanceled)) == 1


def test_offerless_call_holds_the_ack_for_the_answer() -> None:
    net = Net(Wire(13), Caller(talk_ns=S, answer=b"v=answer"), (Buyer(answer=OFFER),))
    net.call(body=b"")
    net.finish()
    assert net.buyer.seen(CallOffered)[0].body == b""
    assert net.alice.seen(LegAnswered)[0].body == OFFER
    acks = [sent for sent in net.world.ladder if sent[3].startswith(b"ACK")]
    assert [(source, target) for _at, source, target, _line in acks] == [
        ("alice", "exchange"), ("exchange", "buyer"),
    ]  # fmt: skip
    assert [n.body for n in net.buyer.seen(LegAcked)] == [b"v=answer"]


def test_ten_calls_at_once_stay_apart() -> None:
    net = Net(Wire(14, jitter_ns=3_000_000), Caller(talk_ns=2 * S))
    for leg in range(1, 21, 2):
        net.call(leg)
    net.finish()
    assert len(net.alice.seen(LegAnswered)) == 10
    assert sorted(net.desk.released) == sorted([*range(1, 21, 2), *range(2, 22, 2)])


def test_hang_up_before_the_ack_waits_for_it() -> None:
    net = Net(Wire(15))
    net.call()
    net.world.run_until(lambda: net.desk.answered)
    net.world.perform(net.exchange, Hangup(2))
    assert "BYE" not in net.world.lines("exchange", "alice")
    net.finish()
    assert net.world.lines("exchange", "alice") == ["100", "180", "200", "BYE"]
