"""Client machines of RFC 3261 §17.1 and RFC 6026: every cell, every timer on a virtual clock."""

import pytest

from sip import transaction as t
from sip.client_transaction import INVITE_CLIENT, NON_INVITE_CLIENT, ClientTransaction
from sip.grammar import M_BYE, M_INVITE
from tests.sip.machine import FLOW, Bench, cells
from vocabulary.errors import LocalProtocolError

TABLES = {True: INVITE_CLIENT, False: NON_INVITE_CLIENT}


def bench(invite: bool, reliable: bool = False) -> Bench:
    """A transaction whose request was just sent."""
    method = M_INVITE if invite else M_BYE
    made = Bench(ClientTransaction(invite, method, b"z9hG4bKx", FLOW, reliable))
    made.feed(t.TU_REQUEST)
    return made


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
            ends = reliable and wanted & (t.ARM_D | t.ARM_K)
            assert made.transaction.state == (t.TERMINATED if ends else after)
            assert actions == wanted & (t.SEND | t.RESEND | t.SEND_ACK | t.TELL)
        elif event >= t.LOCAL_FROM:
            with pytest.raises(LocalProtocolError):
                made.feed(event)
            assert made.transaction.state == state
        else:
            assert made.feed(event) == t.IGNORED
            assert made.transaction.state == state


def test_timer_a_sends_seven_times_and_b_tells_once() -> None:
    made = bench(True)
    made.run()
    assert made.times("send") == [0, 500, 1500, 3500, 7500, 15500, 31500]
    assert made.times("tell") == [32000]
    assert made.lanes.live == 0


def test_any_1xx_stops_timer_a_and_b() -> None:
    made = bench(True)
    made.run(2000)
    made.feed(t.IN_1XX)
    made.run()
    assert made.times("send") == [0, 500, 1500]
    assert made.transaction.state == t.PROCEEDING  # for as long as it rings


def test_timer_d_absorbs_copies_of_the_failure() -> None:
    made = bench(True)
    made.feed(t.IN_3XX_6XX)
    for _ in range(3):
        made.now_ns += 4_000_000_000
        made.feed(t.IN_3XX_6XX)
    assert made.times("ack") == [0, 4000, 8000, 12000]
    assert made.times("tell") == [0]
    made.run()
    assert (made.now_ns, made.transaction.state) == (32_000_000_000, t.TERMINATED)


def test_timer_m_passes_every_2xx_up() -> None:
    made = bench(True)
    made.feed(t.IN_2XX)
    made.now_ns += 1_000_000_000
    made.feed(t.IN_2XX)
    assert made.times("tell") == [0, 1000]
    made.run()
    assert made.now_ns == 32_000_000_000


def test_timers_e_and_f_over_datagrams() -> None:
    made = bench(False)
    made.run()
    assert made.times("send") == [
        0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500,
    ]  # fmt: skip
    assert made.times("tell") == [32000]


def test_timer_e_is_t2_in_proceeding_and_f_runs_on() -> None:
    made = bench(False)
    made.feed(t.IN_1XX)
    made.run()
    assert made.times("send") == [0, 500, 4500, 8500, 12500, 16500, 20500, 24500, 28500]
    assert made.times("tell") == [0, 32000]


def test_timer_k_absorbs_copies_of_the_final() -> None:
    made = bench(False)
    made.feed(t.IN_2XX)
    assert made.feed(t.IN_2XX) == t.IGNORED
    made.run()
    assert (made.now_ns, made.lanes.live) == (5_000_000_000, 0)


@pytest.mark.parametrize("invite", [True, False])
def test_streams_send_once_and_wait_as_long(invite: bool) -> None:
    made = bench(invite, reliable=True)
    made.run()
    assert made.log == [(0, "send"), (32000, "tell")]


@pytest.mark.parametrize("invite", [True, False])
def test_streams_need_no_time_to_absorb(invite: bool) -> None:
    made = bench(invite, reliable=True)
    made.feed(t.IN_3XX_6XX)
    assert (made.transaction.state, made.lanes.live) == (t.TERMINATED, 0)


def test_timer_m_is_as_long_on_a_stream() -> None:
    made = bench(True, reliable=True)
    made.feed(t.IN_2XX)
    made.run()
    assert made.now_ns == 32_000_000_000
