"""One bridged call, message by message. Read this first; then change it, and break it.

      alice                    exchange                    buyer
     (caller)                  (B2BUA)                  (answers)
        │── INVITE ───────────────►│                         │
        │                          │── INVITE ──────────────►│   a new leg: own Call-ID, tags, Via
        │◄──────────────── 100 ────│                         │
        │                          │◄──────────────── 180 ───│
        │◄──────────────── 180 ────│                         │
        │                          │◄──────────────── 200 ───│
        │                          │── ACK ─────────────────►│   at once
        │◄──────────────── 200 ────│                         │
        │── ACK ──────────────────►│                         │
        │                      … they talk …                 │
        │── BYE ──────────────────►│                         │
        │◄──────────────── 200 ────│── BYE ─────────────────►│
        │                          │◄──────────────── 200 ───│
"""

from sip.signals import By, LegAnswered, LegEnded, LegReleased
from tests.sim.phones import ANSWER, Buyer, Caller, Exchange
from tests.sim.wire import Party, S, Wire, World

ALICE, US, BUYER = ("192.0.2.10", 5060), ("192.0.2.1", 5060), ("192.0.2.20", 5060)


def test_one_call() -> None:
    world = World(Wire(seed=1))
    buyer = world.add(Party("buyer", BUYER, Buyer(ring_ns=2 * S)))
    exchange = world.add(Party("exchange", US, Exchange([world.flow(US, BUYER)])))
    alice = world.add(Party("alice", ALICE, Caller(talk_ns=30 * S)))

    # Alice dials a tracking number; the buyer rings for two seconds and answers.
    world.perform(alice, alice.desk.call(world.flow(ALICE, US)))
    world.run_until(lambda: alice.seen(LegAnswered))
    assert alice.seen(LegAnswered)[0].body == ANSWER  # as the buyer wrote it, octet by octet
    assert exchange.endpoint.statistics()["legs"] == 2

    # After thirty seconds she hangs up, and nothing of the call is left anywhere.
    world.run_until(lambda: buyer.seen(LegReleased))
    assert [notice.by for notice in buyer.seen(LegEnded)] == [By.REMOTE]
    assert world.lines("alice", "exchange") == ["INVITE", "ACK", "BYE"]
    assert world.lines("exchange", "alice") == ["100", "180", "200", "200"]
    assert world.lines("exchange", "buyer") == ["INVITE", "ACK", "BYE"]
    assert world.lines("buyer", "exchange") == ["180", "200", "200"]
    world.assert_clean()
