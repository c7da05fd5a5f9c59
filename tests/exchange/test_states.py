"""The table of a call, cell by cell: where each input leads, what leaves, what is charged."""

from typing import Any

import pytest

from exchange.states import (
    ABSENT,
    ACKED,
    ANSWERED,
    ANSWERING,
    BUYER_ENDED,
    CALL,
    CALLER_ENDED,
    CANCELED,
    CELLS,
    CLOSED,
    CONFIRMING,
    CONNECTED,
    DIALING,
    DURABLE,
    EMPTY,
    ENDING,
    FAILED,
    INPUT_NAMES,
    INPUTS,
    ORPHANED,
    PROGRESS,
    RINGING,
    STATE_NAMES,
    UNACKED,
    UNDURABLE,
    following,
)
from tests.exchange.trading import MICROS
from tests.exchange.walk import Walk, money, names
from vocabulary.facts import CallClosed, Disposition

GONE = ["Reject", "CallClosed"]
EFFECTS: dict[tuple[int, int], list[str]] = {
    (ANSWERING, DURABLE): ["Join", "Answer"],
    (ANSWERING, UNDURABLE): ["Admit", "Hangup", *GONE],
    (ANSWERING, CANCELED): ["Hangup", "CallClosed"],
    (ANSWERING, BUYER_ENDED): ["TalkEnded"],
    (ANSWERING, CALLER_ENDED): ["Hangup", *GONE],
    (ORPHANED, DURABLE): ["Answer", "Hangup"],
    (ORPHANED, UNDURABLE): ["Admit", "Hangup", *GONE],
    (ORPHANED, CANCELED): ["Hangup", "CallClosed"],
    (ORPHANED, CALLER_ENDED): ["Hangup", *GONE],
    (CONFIRMING, ACKED): [],
    (CONFIRMING, CANCELED): ["Hangup", "CallClosed"],
    (CONFIRMING, BUYER_ENDED): ["TalkEnded"],
    (CONFIRMING, CALLER_ENDED): ["CallClosed"],
    (CONFIRMING, UNACKED): ["CallClosed"],
    (CONNECTED, BUYER_ENDED): ["CallClosed"],
    (CONNECTED, CALLER_ENDED): ["CallClosed"],
    (ENDING, ACKED): ["CallClosed"],
    (ENDING, CANCELED): ["Hangup", "CallClosed"],
    (ENDING, CALLER_ENDED): ["CallClosed"],
    (ENDING, UNACKED): ["CallClosed"],
}
for _state in (DIALING, RINGING):
    EFFECTS |= {
        (_state, PROGRESS): ["Ring"],
        (_state, FAILED): ["AttemptFailed", "Dial"],
        (_state, EMPTY): ["Cancel", "AttemptFailed", *GONE],
        (_state, ANSWERED): ["CallAnswered"],
        (_state, CANCELED): ["Cancel", "CallClosed"],
        (_state, CALLER_ENDED): ["Cancel", *GONE],
    }

CHARGED = {(CONFIRMING, CALLER_ENDED), (CONNECTED, BUYER_ENDED), (CONNECTED, CALLER_ENDED),
           (ENDING, ACKED), (ENDING, CALLER_ENDED)}
NO_ACK = {(CONFIRMING, UNACKED), (ENDING, UNACKED)}


CELLS_PRESENT = [(state, what) for state, row in CALL.items() for what in row]
CELLS_ABSENT = [
    (state, what)
    for state in CALL
    for what in range(INPUTS)
    if (state, what) not in CELLS_PRESENT
]


def cell_name(value: Any) -> str:
    """A readable id of a parametrised cell."""
    return f"{STATE_NAMES[value[0]]}{value[0]}-{INPUT_NAMES[value[1]]}"


def test_the_table_is_whole() -> None:
    assert set(EFFECTS) == set(CELLS_PRESENT)
    assert len(CELLS_PRESENT) + len(CELLS_ABSENT) == len(STATE_NAMES) * len(INPUT_NAMES)
    assert len(CELLS) == len(CALL) * INPUTS
    for state, what in CELLS_ABSENT:
        assert following(state, what) == ABSENT
    for state, what in CELLS_PRESENT:
        assert following(state, what) == CALL[state][what]
    assert not CALL[CLOSED]


@pytest.mark.parametrize("cell", CELLS_PRESENT, ids=cell_name)
def test_a_present_cell(cell: tuple[int, int]) -> None:
    state, what = cell
    walk = Walk(state)
    walk.feed(what)
    outputs = walk.drain()
    assert names(outputs) == EFFECTS[cell]
    assert walk.call.state == CALL[state][what]
    assert walk.desk.counters["ignored"] == walk.desk.counters["faults"] == 0
    if walk.call.state == CLOSED:
        closed = outputs[-1]
        assert isinstance(closed, CallClosed)
        assert closed.revenue_micros == (10 * MICROS if cell in CHARGED else 0)
        assert (closed.disposition == Disposition.COMPLETED) == (cell in CHARGED)
        assert (closed.disposition == Disposition.NO_ACK) == (cell in NO_ACK)
        assert_released(walk)
    else:
        assert money(walk)[2] == 1


def assert_released(walk: Walk) -> None:
    """A closed call holds nothing; only units of legs that still end are left."""
    found = walk.desk.statistics()
    assert (found["calls_live"], found["legs_live"], found["holds_live"]) == (0, 0, 0)
    assert found["timers_live"] == 0
    assert set(walk.desk.units) <= {walk.call.b_leg}


@pytest.mark.parametrize("cell", CELLS_ABSENT, ids=cell_name)
def test_an_absent_cell_is_ignored_and_counted(cell: tuple[int, int]) -> None:
    state, what = cell
    walk = Walk(state)
    before = money(walk)
    walk.feed(what)
    assert walk.drain() == []
    assert walk.call.state == state
    assert walk.desk.counters["ignored"] == 1
    assert walk.desk.counters["faults"] == 0
    assert money(walk) == before
