"""The soak's own judgement: it must see what is missing, twice, wrong, leaking or unpaid."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from routing.plan_source import load as load_plan
from tests.bench import soak
from tests.bench.books import Books, compare
from tests.bench.fleet import LOG_FILE, caller_texts, scenario_of
from tests.bench.mix import OUTAGE, PHONES, PUBLISHER, SOAK, Kind, payout_micros, plan
from tests.bench.outage import setup_ms
from tests.bench.rows import verdict
from tests.bench.seen import Seen, charges, due, read_log
from tests.bench.watch import growth, straightness
from tests.interop import peers

TALKS, UNHEARD = SOAK[0], SOAK[-1]
MB = 1_048_576


def seen(number: int, kind: Kind = TALKS, talk_us: int = 5_000_000) -> Seen:
    """A call that went as its scenario says; talk_us: 0 = never answered."""
    placed_us = 1_700_000_000_000_000 + number
    leaving_us = placed_us + 10_000 + talk_us if talk_us else 0
    return Seen(kind, f"{number}-1@phone", placed_us, placed_us + 10_000 if talk_us else 0,
                leaving_us, placed_us + 6_000_000)


CALLS = (seen(1), seen(2), seen(3, talk_us=300_000), seen(4, UNHEARD, 0))


def books(calls: tuple[Seen, ...] = CALLS) -> Books:
    """What the record of these calls must be."""
    rows = [(call.call_id, due(SOAK, call)) for call in calls]
    owed = sum(row.payout_micros for _, row in rows)
    return Books(rows, 0, 0, 0, charges(SOAK, calls), owed, {}, 0)


def test_a_right_record_agrees() -> None:
    found = compare(SOAK, CALLS, books())
    assert (found.unrecorded, found.wrong, found.charges, found.unsure) == (0, [], [], 0)


def test_only_talks_beyond_the_threshold_are_charged() -> None:
    price = due(SOAK, CALLS[0]).revenue_micros
    assert price == 1_500_000
    assert charges(SOAK, CALLS)[TALKS.payer] == 2 * price
    assert payout_micros(price) == 1_050_000
    assert {row.qualified for _, row in books().rows[2:]} == {False}


def test_a_row_that_is_missing_twice_or_strange_is_counted() -> None:
    right = books()
    found = compare(SOAK, CALLS, replace(right, rows=[*right.rows[1:], right.rows[1],
                                                      ("9-9@nobody", right.rows[0][1])]))
    assert (found.missing, found.twice, found.strange) == (1, 1, 1)


def test_a_row_that_says_something_else_is_wrong() -> None:
    right = books()
    call_id, row = right.rows[0]
    found = compare(SOAK, CALLS, replace(
        right, rows=[(call_id, replace(row, disposition="no_ack")), *right.rows[1:]]))
    assert len(found.wrong) == 1
    assert "no_ack" in found.wrong[0]


@pytest.mark.parametrize("charged", [{TALKS.payer: 1}, {}, {"nobody": 7}])
def test_a_wrong_charge_is_named(charged: dict[str, int]) -> None:
    right = books()
    changed = {**right.charged, **charged} if charged else {}
    assert compare(SOAK, CALLS, replace(right, charged=changed)).charges


def test_a_wrong_payout_is_named() -> None:
    right = books()
    (text,) = compare(SOAK, CALLS, replace(right, owed_micros=right.owed_micros + 1)).charges
    assert text.startswith("publisher")


def test_a_talk_near_the_threshold_proves_nothing() -> None:
    calls = (*CALLS, seen(5, talk_us=3_100_000))
    assert compare(SOAK, calls, books(calls)).unsure == 1


@pytest.mark.parametrize(("points", "least", "most"), [
    ([(t, 50 * MB) for t in range(80)], 0, 0),
    ([(t, 50 * MB + t * MB / 40) for t in range(81)], 1.99, 2.01),  # steady: the whole climb
    ([(t, (52 if t >= 60 else 50) * MB) for t in range(80)], 1.4, 2.8),  # a late step
    ([(t, (50 + t % 2) * MB) for t in range(80)], -0.1, 0.1),  # a saw
])
def test_growth_of_memory(points: list[tuple[float, float]], least: float, most: float) -> None:
    assert least * MB <= growth(points) <= most * MB


def test_a_line_is_straight_and_a_bend_is_not() -> None:
    assert straightness([(t, 5.0 * t) for t in range(50)]) == pytest.approx(1)
    assert straightness([(t, 5.0 * max(0, t - 40)) for t in range(50)]) < 0.7


def test_set_up_times_are_those_of_calls_placed_in_the_window() -> None:
    calls = [replace(seen(0), placed_us=second * 1_000_000, talking_us=second * 1_000_000 + 2_000)
             for second in range(100, 300)]
    calls[-1] = replace(calls[-1], talking_us=calls[-1].placed_us + 90_000)
    assert setup_ms(calls, 0.99, 100, 200) == 2
    assert setup_ms(calls, 0.99, 250, 299) == 90
    assert setup_ms(calls, 0.5, 250, 299) == 2


def test_a_log_is_read_by_call_and_a_stray_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / LOG_FILE
    date = "2026-01-01\t00:00:00.000000\t"
    lines = [f"1-7@a;placed;{date}5.000001", f"2-7@a;placed;{date}5.500000",
             f"1-7@a;talking;{date}6.000001"]
    path.write_text("\n".join(lines) + "\n")
    first, second = read_log(TALKS, path)
    assert (first.placed_us, first.setup_us, second.talking_us) == (5_000_001, 1_000_000, 0)
    path.write_text(f"3-7@a;ended;{date}5.0\n")
    with pytest.raises(ValueError, match="not placed"):
        list(read_log(TALKS, path))


@pytest.mark.parametrize("kinds", [SOAK, OUTAGE])
def test_shares_and_plan_of_a_mix(kinds: tuple[Kind, ...]) -> None:
    assert sum(kind.share for kind in kinds) == 1_000
    assert {phone for kind in kinds for phone in kind.ladder} <= set(PHONES)
    written = load_plan(plan(kinds, dict.fromkeys(PHONES, 5_060)))
    assert len({bid.amount for bid in written.bids}) == len(written.bids)
    assert [publisher.id for publisher in written.publishers] == [PUBLISHER]


@pytest.mark.parametrize("kind", SOAK, ids=lambda kind: kind.name)
def test_every_caller_writes_its_log(kind: Kind) -> None:
    """The events are put in by replacing text, which must be there."""
    text = scenario_of(kind.caller).read_text()
    for old, new in caller_texts(kind).items():
        text = text.replace(old, new)
    events = re.findall(r"\[call_id\];(\w+);", text)
    talk = ["talking", "leaving"] if kind.disposition == "completed" else []
    assert events == ["placed", *talk, "ended"]


@pytest.mark.interop
@pytest.mark.slow
def test_a_short_soak_of_the_real_server_balances(tmp_path: Path) -> None:
    """A few seconds of every kind; memory and pace are for `make soak`."""
    peers.require(peers.exchange(), peers.sipp())
    done = soak.run(rate=50, seconds=4, phones=tmp_path / "phones", t1_ms=50)
    rows = {entry.name: entry for entry in soak.rows_of(done)}
    behind = [name for name, entry in rows.items() if verdict(entry) == "BELOW"
              and name not in ("soak.signal_anon_growth_mb", "soak.rate_reached")]
    assert not behind, soak.complaints(done)
    assert rows["soak.unrecorded"].value == 0
    assert len(done.calls) >= 190
