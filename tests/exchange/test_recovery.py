"""Crash after every record: what a replay of the durable prefix closes, charges and restores."""

from collections import Counter
from functools import cache

import msgspec
import pytest

from exchange.recover import Replay, ReplayState, cap_key
from sip.signals import Cancel
from tests.exchange.restart import close_all, restart
from tests.exchange.trading import MICROS, Floor, document
from tests.exchange.walk import A_LEG, offer
from tests.routing.plans import Document
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import MS, S, Wire
from vocabulary.facts import (
    AnswerSent,
    CallAnswered,
    CallClosed,
    CallRouted,
    Fact,
    Heartbeat,
    LedgerAccount,
    Party,
    TopUpPosted,
)
from vocabulary.reasons import Refused

Facts = tuple[tuple[int, Fact], ...]


def written() -> Document:
    """Three buyers with caps and budgets, so that everything recovery restores is in use."""
    plan = document(3, target={"caps": {"day": 50}}, campaign={"caps": {"hour": 40, "day": 50}})
    for bid in plan["bids"]:
        bid["budget"] = "500.00"
    return plan


@cache
def recorded() -> Facts:
    """Facts of a busy minute: every outcome, heartbeats, top-ups, a bid withdrawn and back."""
    phones = [Buyer(), Buyer(talk_ns=4 * S), Buyer(talk_ns=100 * MS)]
    floor = Floor(phones, plan=written(), caller=Caller(talk_ns=14 * S),
                  disk_ns=40 * MS, wire=Wire(7, jitter_ns=3 * MS))
    behaviours = [(0, 1 * S, None), (486, 1 * S, None), (0, 30 * S, None), (0, S, 4 * S),
                  (0, S, 12 * S), (0, 2 * S, None), (0, S, 100 * MS)]
    for second in range(60):
        floor.exchange.beat(floor.world.now_ns)
        if second < 40:
            reject, ring_ns, talk_ns = behaviours[second % len(behaviours)]
            phone = floor.buyers[0].desk
            phone.reject, phone.ring_ns, phone.talk_ns = reject, ring_ns, talk_ns
            floor.call(leg=2 * second + 1)
        if second % 9 == 5:
            floor.world.perform(floor.caller, Cancel(2 * second + 1))
        if second == 20:
            without = written()
            del without["bids"][1]
            floor.exchange.apply(without, floor.world.now_ns)
            floor.exchange.top_up("buyer-001", 77, floor.world.now_ns)
        if second == 30:
            floor.exchange.apply(written(), floor.world.now_ns)
        floor.world.run(S)
    floor.settle()
    found = {(fact.disposition, fact.qualified, fact.hangup)
             for fact in floor.exchange.of(CallClosed)}
    assert len(found) >= 4, found
    return tuple(floor.exchange.facts)


def replayed(facts: Facts) -> Replay:
    """A replay of a prefix."""
    replay = Replay()
    for seq, fact in facts:
        replay.apply(seq, fact)
    return replay


class Ledger:
    """Balances counted again from nothing but the postings."""

    def __init__(self, facts: list[Fact]) -> None:
        self.total = 0
        self.buyers = Counter[str]()
        self.publishers = Counter[str]()
        for fact in facts:
            for line in getattr(fact, "postings", ()):
                self.total += line.amount_micros
                if line.account == LedgerAccount.BUYER:
                    self.buyers[line.owner] -= line.amount_micros
                elif line.account == LedgerAccount.PUBLISHER_PENDING:
                    self.publishers[line.owner] -= line.amount_micros


def test_the_record_has_everything() -> None:
    kinds = Counter(type(fact).__name__ for _, fact in recorded())
    assert len(kinds) == 12, kinds
    assert [seq for seq, _ in recorded()] == list(range(1, len(recorded()) + 1))


def test_a_crash_after_each_record() -> None:
    facts = recorded()
    closed_in_all = Counter[int]()
    for cut in range(len(facts) + 1):
        prefix = facts[:cut]
        replay = replayed(prefix)
        opened = {f.call_id for _, f in prefix if isinstance(f, CallRouted) and f.ladder}
        ended = {f.call_id for _, f in prefix if isinstance(f, CallClosed)}
        now_ns = replay.state.at_ns + 1
        closings = close_all(replay, now_ns)
        ids = [fact.call_id for fact in closings]
        assert len(ids) == len(set(ids))
        assert set(ids) == opened - ended
        for fact in closings:
            check_closing(prefix, fact)
            closed_in_all[fact.disposition] += 1
        assert not replay.state.open
        ledger = Ledger([fact for _, fact in prefix] + list(closings))
        assert ledger.total == 0
        assert +Counter(replay.state.balances) == +ledger.buyers
        assert +Counter(replay.state.pending) == +ledger.publishers
        assert all(micros >= 0 for micros in replay.state.balances.values())
        check_caps(replay.state, prefix, closings)
        assert close_all(replay, now_ns + S) == []
    assert len(closed_in_all) == 2  # completed and failed


def check_closing(prefix: Facts, fact: CallClosed) -> None:
    """Rules of reliability §2 for one call that the crash ended."""
    assert fact.recovered
    assert (fact.refused, fact.hangup) == (Refused.RESTART, Party.EXCHANGE)
    assert sum(line.amount_micros for line in fact.postings) == 0
    answers = [(seq, f) for seq, f in prefix
               if isinstance(f, CallAnswered) and f.call_id == fact.call_id]
    beats = [f for _, f in prefix if isinstance(f, Heartbeat)]
    sent = any(isinstance(f, AnswerSent) and f.call_id == fact.call_id for _, f in prefix)
    if not answers:
        assert (fact.revenue_micros, fact.connected_ns, fact.caps) == (0, 0, ())
        return
    ((seq, answer),) = answers
    if not sent and not any(beat.durable_seq >= seq for beat in beats):
        assert (fact.revenue_micros, fact.payout_micros, fact.caps) == (0, 0, ())
        assert fact.buyer == ""
        return
    talked_ns = max(0, beats[-1].at_ns - answer.at_ns)
    assert fact.connected_ns == talked_ns
    assert fact.qualified == (talked_ns >= 10 * S)
    assert (fact.revenue_micros > 0) == fact.qualified
    assert fact.caps == answer.caps


def check_caps(state: ReplayState, prefix: Facts, closings: list[CallClosed]) -> None:
    """Windows hold one unit for each unit that a closed call names."""
    counted = Counter[str]()
    for fact in [fact for _, fact in prefix] + list(closings):
        if isinstance(fact, CallClosed):
            counted.update(cap_key(use) for use in fact.caps)
    assert +Counter(state.caps) == +counted


def test_applying_again_changes_nothing() -> None:
    facts = recorded()
    replay = replayed(facts)
    before = replay.checkpoint()
    for seq, fact in facts:
        replay.apply(seq, fact)
    assert replay.checkpoint() == before


@pytest.mark.parametrize("step", [1, 13])
def test_checkpoint_and_tail_equal_the_whole(step: int) -> None:
    facts = recorded()
    whole = replayed(facts).checkpoint()
    for at in range(0, len(facts), step):
        replay = Replay.from_checkpoint(replayed(facts[:at]).checkpoint())
        for seq, fact in facts[at if step == 1 else max(0, at - 5):]:
            replay.apply(seq, fact)
        assert replay.checkpoint() == whole


def test_a_checkpoint_while_calls_are_open_closes_the_same() -> None:
    facts = recorded()
    for at in range(0, len(facts), 7):
        plain = replayed(facts[:at])
        saved = Replay.from_checkpoint(plain.checkpoint())
        assert saved.close_open(10**12) == plain.close_open(10**12)


def test_a_restart_after_each_tenth_record_goes_on() -> None:
    facts = recorded()
    for cut in range(10, len(facts), 10):
        replay = replayed(facts[:cut])
        desk = restart(replay, written())
        market, state = desk.market, replay.state
        for buyer, micros in state.balances.items():
            assert market.balances.balance[market.slots.buyers[buyer]] == micros
        assert market.balances.holds_live == 0
        assert not any(market.balances.held)
        assert market.balances.pending == state.pending
        for bid_id in market.book.ids():
            slot = market.book.slot_of(bid_id)
            kept = state.bids.get(bid_id)
            assert market.book.spent_micros(slot) == (kept.spent_micros if kept else 0)
            assert market.book.last_won(slot) == (kept.last_won_ns if kept else 0)
        assert {cap_key(use): units for use, units in market.caps.snapshot()} == state.caps
        assert market.caps.day.granted == market.caps.day.committed
        assert desk.top_ups == state.top_ups
        desk.drain()
        desk.receive(offer(), state.at_ns + 2 * S)
        assert desk.legs[A_LEG].held is not None


def test_a_removed_window_is_forgotten_and_a_young_one_kept() -> None:
    replay = replayed(recorded())
    before = dict(replay.state.caps)
    replay.checkpoint()
    assert replay.state.caps == before
    replay.state.at_ns += 3 * 86_400 * S
    replay.checkpoint()
    assert replay.state.caps == {}


def test_a_second_restart_finds_what_the_first_left() -> None:
    facts = recorded()[: len(recorded()) // 2]
    replay = replayed(facts)
    first = restart(replay, written())
    emitted = [out for out in first.drain() if isinstance(out, Fact)]
    for number, fact in enumerate(emitted, start=replay.state.seq + 1):
        replay.apply(number, fact)
    second = restart(Replay.from_checkpoint(replay.checkpoint()), written())
    mine, other = first.market, second.market
    assert list(mine.balances.balance) == list(other.balances.balance)
    assert sorted(mine.book.ids()) == sorted(other.book.ids())
    counted = [{cap_key(use): units for use, units in market.caps.snapshot()}
               for market in (mine, other)]
    assert counted[0] == counted[1] != {}


def test_round_robin_goes_on_where_the_last_heartbeat_was() -> None:
    plan = document(3, campaign={"strategy": "round_robin"})
    floor = Floor(plan=plan, caller=Caller(talk_ns=S))
    for call in range(4):  # 0 1 2 0
        floor.call(leg=2 * call + 1)
        floor.world.run(3 * S)
    floor.exchange.beat(floor.world.now_ns)
    floor.exchange.beat(floor.world.now_ns)
    floor.settle()
    beats = floor.exchange.of(Heartbeat)
    assert [len(beat.turns) for beat in beats] == [3, 0]
    desk = restart(Replay.from_checkpoint(floor.exchange.replayed().checkpoint()), plan)
    assert desk.market.moved_turns() == ()
    desk.drain()
    desk.receive(offer(), floor.world.now_ns + S)
    assert desk.legs[A_LEG].ladder[0].target == "target-001-0"


def test_a_second_closing_of_a_call_moves_no_money() -> None:
    facts = recorded()
    replay = replayed(facts)
    before = dict(replay.state.balances), dict(replay.state.pending), dict(replay.state.caps)
    for fact in [fact for _, fact in facts if isinstance(fact, CallClosed)]:
        replay.apply(replay.state.seq + 1, fact)
    assert before == (replay.state.balances, replay.state.pending, replay.state.caps)


def test_top_ups_are_remembered_by_their_key() -> None:
    posted = [fact for _, fact in recorded() if isinstance(fact, TopUpPosted)]
    state = replayed(recorded()).state
    assert len(state.top_ups) == len(posted) == 4
    for fact in posted:
        assert state.top_ups[fact.idempotency_key] == (
            fact.top_up_id, fact.account, fact.amount_micros)
    assert sum(fact.amount_micros for fact in posted) == 3_077 * MICROS


def test_garbage_is_no_checkpoint() -> None:
    for payload in (b"", b"\xc1", b"\x80", b"\x93\x01\x02\xa1x"):
        with pytest.raises(msgspec.MsgspecError):
            Replay.from_checkpoint(payload)
