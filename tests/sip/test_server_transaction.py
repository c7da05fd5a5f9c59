"""Server machines of RFC 3261 §17.2 and RFC 6026: every cell, every timer on a virtual clock."""

import pytest

from sip import transaction as t
from sip.grammar import M_BYE, M_INVITE
from sip.server_transaction import INVITE_SERVER, NON_INVITE_SERVER, ServerTransaction
from tests.sip.machine import FLOW, Bench, cells
from vocabulary.errors import LocalProtocolError

TABLES = {True: INVITE_SERVER, False: NON_INVITE_SERVER}


def bench(invite: bool, reliable: bool = False) -> Bench:
    """A transaction whose request just came in."""
    return Bench(ServerTransaction(invite, M_INVITE if invite else M_BYE, b"key", FLOW, reliable))


@pytest.mark.parametrize("invite", [True, False])
@pytest.mark.parametrize("reliable", [True, False])
def test_every_cell_and_every_absent_one(invite: bool, reliable: bool) -> None:
    table = TABLES[invite]
    for state, event in cells(table):
        made = bench(invite, reliable)
        made.transaction.state = state
        cell = table.get(state, {}).get(event)
        if cell is not None:
            actions = made.feed(event)
            after, wanted = cell
            ends = reliable and wanted & (t.ARM_I | t.ARM_J)
            assert made.transaction.state == (t.TERMINATED if ends else after)
            assert actions == wanted & (t.SEND | t.RESEND | t.TELL)
        elif event >= t.LOCAL_FROM:
            with pytest.raises(LocalProtocolError):
                made.feed(event)
            assert made.transaction.state == state
        else:
            assert made.feed(event) == t.IGNORED
            assert made.transaction.state == state


def test_timers_g_and_h_send_eleven_times_without_an_ack() -> None:
    made = bench(True)
    made.feed(t.TU_3XX_6XX)
    made.run()
    assert made.times("send") == [
        0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500,
    ]  # fmt: skip
    assert made.times("tell") == [32000]
    assert made.lanes.live == 0


def test_timer_h_waits_on_a_stream_that_sends_once() -> None:
    made = bench(True, reliable=True)
    made.feed(t.TU_3XX_6XX)
    made.run()
    assert made.log == [(0, "send"), (32000, "tell")]


def test_timer_i_absorbs_acks() -> None:
    made = bench(True)
    made.feed(t.TU_3XX_6XX)
    made.run(1000)
    made.feed(t.IN_ACK)
    made.now_ns += 1_000_000
    assert made.feed(t.IN_ACK) == 0
    assert made.feed(t.IN_INVITE) == t.IGNORED
    made.run()
    assert made.now_ns == 500_000_000 + 5_000_000_000
    assert made.times("send") == [0, 500]


def test_an_ack_ends_it_at_once_on_a_stream() -> None:
    made = bench(True, reliable=True)
    made.feed(t.TU_3XX_6XX)
    made.feed(t.IN_ACK)
    assert (made.transaction.state, made.lanes.live) == (t.TERMINATED, 0)


@pytest.mark.parametrize("reliable", [True, False])
def test_timer_l_absorbs_copies_of_the_invite(reliable: bool) -> None:
    made = bench(True, reliable)
    made.feed(t.TU_1XX)
    made.feed(t.TU_2XX)
    assert made.feed(t.IN_INVITE) == 0
    assert made.feed(t.IN_ACK) == t.TELL
    assert made.feed(t.TU_2XX) == t.SEND
    made.run()
    assert (made.now_ns, made.transaction.state) == (32_000_000_000, t.TERMINATED)


def test_timer_j_answers_copies_the_same() -> None:
    made = bench(False)
    assert made.feed(t.IN_REQUEST) == 0  # before any response: discarded
    made.feed(t.TU_2XX)
    made.now_ns += 7_000_000_000
    assert made.feed(t.IN_REQUEST) == t.RESEND
    assert made.feed(t.TU_3XX_6XX) == 0  # a second final is discarded
    made.run()
    assert made.now_ns == 32_000_000_000


def test_timer_j_is_zero_on_a_stream() -> None:
    made = bench(False, reliable=True)
    assert made.feed(t.TU_2XX) == t.SEND
    assert (made.transaction.state, made.lanes.live) == (t.TERMINATED, 0)


@pytest.mark.parametrize(
    ("sent", "gap_ns"), [(0, 500), (1, 1000), (2, 2000), (3, 4000), (4, 4000), (900, 4000)]
)
def test_retransmit_after(sent: int, gap_ns: int) -> None:
    assert t.retransmit_after_ns(sent, 500, 4000) == gap_ns
