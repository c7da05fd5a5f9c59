"""Ends that no table shows: transport lost, faults of ours, a late or dead disk, the drain."""

import pytest

from exchange.signals import Durable, EndCalls, JournalFailed, StopAdmission
from exchange.states import (
    ANSWERED,
    ANSWERING,
    CONFIRMING,
    CONNECTED,
    DIALING,
    ENDING,
    ORPHANED,
    RINGING,
    UNDURABLE,
)
from sip.signals import (
    By,
    CallCanceled,
    Cancel,
    Cause,
    Hangup,
    LegEnded,
    LegFailed,
    LegReleased,
    Reject,
    Renegotiated,
)
from tests.exchange.trading import MICROS, document
from tests.exchange.walk import A_LEG, TALK_NS, Walk, names, offer
from tests.sim.wire import S
from vocabulary.commands import TopUp
from vocabulary.errors import CommandRefused
from vocabulary.facts import CallClosed, Disposition, Party
from vocabulary.reasons import Refused


def closing(walk: Walk) -> CallClosed:
    """The CallClosed among what the desk has to say."""
    (found,) = [out for out in walk.drain() if isinstance(out, CallClosed)]
    return found


@pytest.mark.parametrize("by", [By.TRANSPORT, By.TIMEOUT, By.LOCAL, By.NO_ACK])
@pytest.mark.parametrize("state", [CONFIRMING, ENDING])
def test_only_a_bye_stands_in_for_the_ack(state: int, by: By) -> None:
    walk = Walk(state, document(3, campaign={"terms": {"qualify_s": 0}}))
    walk.desk.receive(LegEnded(A_LEG, by), walk.now_ns + TALK_NS)
    closed = closing(walk)
    assert (closed.disposition, closed.revenue_micros) == (Disposition.NO_ACK, 0)
    assert closed.connected_ns == 0
    assert not closed.qualified


@pytest.mark.parametrize("state", [CONFIRMING, ENDING])
def test_a_leg_that_vanished_unheard_is_not_charged(state: int) -> None:
    walk = Walk(state)
    walk.desk.receive(LegReleased(A_LEG), walk.now_ns + TALK_NS)
    closed = closing(walk)
    assert (closed.disposition, closed.revenue_micros) == (Disposition.NO_ACK, 0)


@pytest.mark.parametrize("leg", ["caller", "buyer"])
def test_a_fault_of_the_endpoint_ends_the_talk_when_it_happens(leg: str) -> None:
    walk = Walk(CONNECTED)
    legs = (A_LEG, walk.call.b_leg) if leg == "caller" else (walk.call.b_leg, A_LEG)
    at_ns = walk.now_ns + TALK_NS
    walk.desk.receive(LegEnded(legs[0], By.LOCAL), at_ns)
    walk.desk.receive(LegReleased(legs[0]), at_ns)
    walk.desk.receive(LegEnded(legs[1], By.LOCAL), at_ns)
    closed = closing(walk)
    assert (closed.connected_ns, closed.hangup) == (TALK_NS, Party.EXCHANGE)
    assert closed.revenue_micros == 10 * MICROS
    walk.desk.receive(LegReleased(legs[1]), at_ns + 32 * S)
    assert walk.drain() == []
    assert walk.desk.statistics()["units_live"] == 0


def test_a_reinvite_whose_asker_is_gone_concerns_nobody() -> None:
    walk = Walk(CONNECTED)
    walk.desk.receive(Renegotiated(walk.call.b_leg, 200), walk.now_ns)
    walk.desk.receive(Renegotiated(99, 200), walk.now_ns)
    assert walk.drain() == []
    assert walk.desk.counters["ignored"] == 2


def test_a_call_answered_and_ended_in_one_instant_is_not_charged() -> None:
    terms = {"terms": {"qualify_s": 0}, "payout": {"kind": "fixed", "amount": "2.00"}}
    walk = Walk(ORPHANED, document(3, campaign=terms))
    walk.desk.receive(Durable(walk.desk.seq), walk.now_ns)
    walk.desk.receive(LegEnded(A_LEG, By.REMOTE), walk.now_ns + S)
    closed = closing(walk)
    assert (closed.disposition, closed.connected_ns) == (Disposition.COMPLETED, 0)
    assert (closed.revenue_micros, closed.payout_micros, closed.qualified) == (0, 0, False)


def test_a_late_disk_does_not_end_the_drain() -> None:
    walk = Walk(ANSWERING)
    desk = walk.desk
    desk.perform(StopAdmission(), walk.now_ns)
    walk.feed(UNDURABLE)
    assert desk.admission_closed == "journal_late"
    desk.receive(Durable(desk.seq), walk.now_ns)
    assert desk.admission_closed == "draining"
    walk.drain()
    desk.receive(offer(), walk.now_ns)
    assert [(out.status, out.retry_after_s) for out in walk.drain()] == [(503, 5)]


def test_durable_again_opens_admission() -> None:
    walk = Walk(ANSWERING)
    walk.feed(UNDURABLE)
    walk.desk.receive(Durable(walk.desk.seq), walk.now_ns)
    assert walk.desk.admission_closed == ""
    walk.drain()
    walk.desk.receive(offer(), walk.now_ns)
    assert names(walk.drain())[-1] == "Dial"


def test_a_failed_journal_takes_no_money_and_no_plan() -> None:
    walk = Walk(CONNECTED)
    desk = walk.desk
    desk.receive(JournalFailed("EIO"), walk.now_ns)
    before = (desk.seq, list(desk.market.balances.balance), dict(desk.top_ups))
    with pytest.raises(CommandRefused, match="journal_failed") as refused:
        desk.perform(TopUp("buyer-000", 5 * MICROS, "USD", "key"), walk.now_ns)
    assert refused.value.retry
    with pytest.raises(CommandRefused, match="journal_failed"):
        walk.kept.apply(document(2), walk.now_ns)
    assert (desk.seq, list(desk.market.balances.balance), desk.top_ups) == before
    desk.perform(StopAdmission(), walk.now_ns)
    assert desk.draining


def test_an_answer_after_the_journal_failed_is_500_at_once() -> None:
    walk = Walk(RINGING)
    walk.desk.receive(JournalFailed("EIO"), walk.now_ns)
    walk.drain()
    walk.feed(ANSWERED)
    outputs = walk.drain()
    assert names(outputs) == ["CallAnswered", "Hangup", "Reject", "CallClosed"]
    assert outputs[-1].refused == Refused.JOURNAL_FAILED
    assert walk.desk.statistics()["timers_live"] == 0


@pytest.mark.parametrize("state", [DIALING, RINGING, ANSWERING, ORPHANED, CONFIRMING, CONNECTED,
                                   ENDING])
def test_a_fault_ends_one_call_and_leaves_nothing(state: int) -> None:
    walk = Walk(state)
    walk.desk.fault(walk.call, walk.now_ns)
    walk.desk.fault(walk.call, walk.now_ns)
    outputs = walk.drain()
    told = [out for out in outputs if isinstance(out, Reject | Hangup) and out.leg == A_LEG]
    answered = state in (CONFIRMING, CONNECTED, ENDING)
    assert [type(out) for out in told] == [Hangup if answered else Reject]
    assert names(outputs).count("CallClosed") == 1
    found = walk.desk.statistics()
    assert (found["calls_live"], found["holds_live"], found["timers_live"]) == (0, 0, 0)


@pytest.mark.parametrize("state", [CONFIRMING, CONNECTED, ENDING])
def test_a_fault_inside_the_settlement_still_releases_everything(state: int) -> None:
    walk = Walk(state)
    walk.call.terms = None  # a bug of ours: no terms to settle by
    walk.desk.receive(LegEnded(A_LEG, By.REMOTE), walk.now_ns + TALK_NS)
    closed = closing(walk)
    assert (closed.disposition, closed.refused) == (Disposition.FAILED, Refused.FAULT)
    assert (closed.revenue_micros, closed.postings) == (0, ())
    walk.desk.receive(LegReleased(walk.call.b_leg), walk.now_ns + TALK_NS)
    found = walk.desk.statistics()
    for name in ("calls_live", "legs_live", "units_live", "timers_live", "holds_live"):
        assert found[name] == 0, name
    assert found["faults"] >= 1


def test_notices_after_the_end_are_counted_and_nothing_else() -> None:
    walk = Walk(DIALING)
    walk.desk.receive(CallCanceled(A_LEG), walk.now_ns)
    walk.drain()
    walk.desk.receive(CallCanceled(A_LEG), walk.now_ns)
    walk.feed(ANSWERED)
    assert walk.drain() == []
    assert walk.desk.counters["ignored"] == 2
    walk.desk.receive(LegReleased(walk.call.b_leg), walk.now_ns)
    walk.desk.receive(LegReleased(walk.call.b_leg), walk.now_ns)
    assert walk.desk.statistics()["units_live"] == 0


def test_timers_of_many_calls_share_few_lanes() -> None:
    walk = Walk(DIALING, document(3, campaign={"ring_s": 25, "ladder_s": 26}))
    desk = walk.desk
    for number in range(50):
        now_ns = walk.now_ns + number * S
        leg = A_LEG + 2 + 2 * number
        desk.receive(offer(leg), now_ns)
        later_ns = now_ns + S + number  # ever another instant, so ever another rest of the ladder
        desk.receive(LegFailed(desk.legs[leg].b_leg, 486, Cause.RESPONSE), later_ns)
        desk.receive(CallCanceled(leg), later_ns)
    assert len(desk.lanes.lanes) == 3  # no response, ring, ladder


@pytest.mark.parametrize("broken", [False, True], ids=["written", "journal down"])
@pytest.mark.parametrize("state", [DIALING, RINGING, ANSWERING, ORPHANED, CONFIRMING,
                                   CONNECTED, ENDING])
def test_the_end_of_a_drain_ends_a_call_on_both_legs(state: int, broken: bool) -> None:
    walk = Walk(state)
    if broken and state not in (ANSWERING, ORPHANED):  # those it ends by itself
        walk.desk.receive(JournalFailed("EIO"), walk.now_ns)
        walk.drain()
    legs = {A_LEG, walk.call.b_leg}
    assert walk.desk.perform(EndCalls(1), walk.now_ns + TALK_NS) == 0
    outputs = walk.drain()
    assert {out.leg for out in outputs if isinstance(out, Hangup | Cancel | Reject)} == legs
    (closed,) = [out for out in outputs if isinstance(out, CallClosed)]
    assert closed.hangup == Party.EXCHANGE
    if state in (CONFIRMING, CONNECTED, ENDING):
        assert (closed.disposition, closed.sip_status) == (Disposition.COMPLETED, 200)
    else:
        assert (closed.refused, closed.sip_status) == (Refused.DRAINING, 503)
    assert bool(closed.revenue_micros) == (state == CONNECTED)
    found = walk.desk.statistics()
    assert [found[name] for name in ("calls_live", "holds_live", "faults")] == [0, 0, 0]


def test_the_end_of_a_drain_goes_in_slices() -> None:
    walk = Walk(CONNECTED)
    for leg in (4, 6):
        walk.desk.receive(offer(leg), walk.now_ns)
    assert [walk.desk.perform(EndCalls(2), walk.now_ns) for _ in range(3)] == [1, 0, 0]
