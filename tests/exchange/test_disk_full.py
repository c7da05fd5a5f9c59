"""A full, a slow and a broken disk under the real journal, with calls in every state."""

import errno
from pathlib import Path

import pytest

from exchange.desk import FULL
from exchange.states import CONNECTED
from sip.signals import LegAnswered, LegFailed
from tests.exchange.journaled import SEGMENT_BYTES, DeskWithJournal
from tests.exchange.restart import close_all
from tests.exchange.trading import MICROS, Floor, document
from tests.sim.phones import Buyer, Caller
from tests.sim.wire import MS, S
from vocabulary.commands import TopUp
from vocabulary.errors import CommandRefused
from vocabulary.facts import CallClosed
from vocabulary.limits import retry_after_s
from vocabulary.reasons import Refused


def floor_on(
    folder: Path, *, disk_ns: int = 2 * MS, talk_ns: int = 30 * S,
    segment_bytes: int = SEGMENT_BYTES,
) -> tuple[Floor, DeskWithJournal]:
    exchange = DeskWithJournal(document(1), folder, disk_ns, segment_bytes)
    floor = Floor([Buyer()], caller=Caller(talk_ns=talk_ns), exchange=exchange)
    return floor, exchange


def call_every_100_ms(floor: Floor, exchange: DeskWithJournal, leg: int, done: str) -> int:
    """Call until admission is closed for a reason, or open again for ""; the next free leg."""
    while exchange.desk.admission_closed != done:
        floor.call(leg=leg)
        leg += 2
        floor.world.run(100 * MS)
        assert leg < 2_000
    return leg


def test_a_full_disk_ends_admission_and_no_call(tmp_path: Path) -> None:
    floor, exchange = floor_on(tmp_path)
    exchange.disk.create_error = errno.ENOSPC
    leg = call_every_100_ms(floor, exchange, 1, "journal_full")
    assert not (tmp_path / "reserve").exists(), "the reserve is the journal now"
    living = len(exchange.desk.calls)
    assert living > 10
    balance = exchange.desk.market.balances.balance[0]
    with pytest.raises(CommandRefused, match=FULL) as caught:
        exchange.desk.perform(TopUp("buyer-0", MICROS, "USD", "later"), floor.world.now_ns)
    assert (caught.value.code, caught.value.retry) == ("journal_full", True)
    refused = leg
    floor.call(leg=refused)
    floor.world.run(S)
    told = {notice.leg: notice for notice in floor.caller.seen(LegFailed)}
    assert (told[refused].status, told[refused].retry_after_s) == (503, retry_after_s)
    floor.world.run(60 * S)  # every call has ended meanwhile, with the disk still full
    closed = {fact.call_id: fact for _, fact in exchange.on_disk() if isinstance(fact, CallClosed)}
    answered = [fact for fact in closed.values() if fact.sip_status == 200]
    assert len(answered) >= living
    assert not exchange.desk.calls
    assert all(fact.refused == Refused.NONE for fact in answered)
    assert exchange.desk.market.balances.balance[0] == balance - sum(
        fact.revenue_micros for fact in exchange.of(CallClosed)[-living:])
    exchange.disk.create_error = 0
    floor.world.run(2 * S)
    assert exchange.desk.admission_closed == ""
    assert (tmp_path / "reserve").stat().st_size == 2 * SEGMENT_BYTES
    assert [reason == "" for _, reason in exchange.told] == [False, True]
    floor.call(leg=refused + 2)
    floor.settle()
    assert refused + 2 in {notice.leg for notice in floor.caller.seen(LegAnswered)}
    assert exchange.on_disk() == exchange.facts
    assert exchange.core.failed == ""


def test_the_reserve_is_filled_before_calls_are_taken_again(tmp_path: Path) -> None:
    """Room for one file only: it becomes the reserve, and the next one is still missing."""
    floor, exchange = floor_on(tmp_path)
    exchange.disk.create_error = errno.ENOSPC
    call_every_100_ms(floor, exchange, 1, "journal_full")
    floor.world.run(60 * S)
    while not exchange.core.wants_file() or not exchange.core._wants_spare():
        exchange.beat(floor.world.now_ns)
        floor.world.run(S)
    exchange.disk.creates_left = 1
    floor.world.run(2 * S)
    assert (tmp_path / "reserve").exists()
    assert exchange.desk.admission_closed == "journal_full"
    exchange.disk.create_error = 0
    floor.world.run(2 * S)
    assert exchange.desk.admission_closed == ""
    floor.settle()


def test_a_reserve_that_runs_out_fails_the_journal_and_charges_nobody_twice(
    tmp_path: Path
) -> None:
    floor, exchange = floor_on(tmp_path, talk_ns=400 * S)
    exchange.disk.create_error = errno.ENOSPC
    call_every_100_ms(floor, exchange, 1, "journal_full")
    while not exchange.core.dead:
        exchange.beat(floor.world.now_ns)
        floor.world.run(S)
        assert floor.world.now_ns < 20_000 * S
    assert "the reserve is used up" in exchange.core.failed
    assert exchange.desk.admission_closed == exchange.core.failed
    floor.world.run(500 * S)
    assert not exchange.desk.calls
    assert_closed_once(exchange)


@pytest.mark.parametrize(("disk_ms", "segment_bytes", "syncs"), [
    (50, 4 * 1_048_576, 2), (500, 4 * 1_048_576, 2), (50, 256 * 1_024, 4),
])
def test_a_slow_disk_costs_two_syncs_and_four_where_a_segment_ends(
    tmp_path: Path, disk_ms: int, segment_bytes: int, syncs: int
) -> None:
    """The one in flight and one's own; there also the last batch and the next header."""
    floor, exchange = floor_on(
        tmp_path, disk_ns=disk_ms * MS, talk_ns=10 * S, segment_bytes=segment_bytes
    )
    for leg in range(1, 601, 2):
        floor.call(leg=leg)
        floor.world.run((7 * leg) % 29 * MS)  # unlike any multiple of a sync
    floor.settle()
    waits = sorted(exchange.waits_ns)
    assert len(waits) == 300
    assert exchange.desk.statistics()["durable_late"] == 0
    assert disk_ms * MS <= waits[0]
    assert waits[-1] <= syncs * disk_ms * MS
    assert (len(list(tmp_path.glob("journal-*.seg"))) > 1) == (syncs == 4)
    assert waits[len(waits) // 2] > disk_ms * MS, "calls met a sync in flight"


def failing(tmp_path: Path, failures: int) -> tuple[Floor, DeskWithJournal]:
    """One call connected, one waiting for its start record, when the disk fails."""
    floor, exchange = floor_on(tmp_path, talk_ns=60 * S)
    floor.call(leg=1)
    floor.world.run_until(lambda: [c.state for c in exchange.desk.calls.values()] == [CONNECTED])
    for _ in range(15):
        floor.world.run(S)
        exchange.beat(floor.world.now_ns)
    floor.world.run(S)
    floor.call(leg=3)
    exchange.disk.fail_with(errno.EIO, torn_bytes=700, failures=failures)
    floor.world.run_until(lambda: bool(exchange.core.failed))
    floor.world.run(5 * S)
    assert exchange.desk.admission_closed == exchange.core.failed
    assert "Input/output error" in exchange.core.failed
    floor.call(leg=5)
    floor.world.run(5 * S)
    return floor, exchange


def test_after_a_failed_write_the_ends_go_to_a_fresh_file(tmp_path: Path) -> None:
    floor, exchange = failing(tmp_path, failures=1)
    with pytest.raises(CommandRefused, match="journal_failed"):
        exchange.desk.perform(TopUp("buyer-0", MICROS, "USD", "later"), floor.world.now_ns)
    floor.settle()
    statuses = {notice.leg: notice.status for notice in floor.caller.seen(LegFailed)}
    assert statuses == {3: 500, 5: 503}
    assert not exchange.core.dead
    assert exchange.on_disk() == exchange.facts
    charged = [fact for fact in exchange.of(CallClosed) if fact.revenue_micros]
    assert [fact.connected_ns >= 60 * S for fact in charged] == [True], "no second is lost"
    assert_closed_once(exchange)


def test_a_disk_that_fails_for_good_charges_up_to_the_last_heartbeat(tmp_path: Path) -> None:
    floor, exchange = failing(tmp_path, failures=1_000)
    floor.world.run(120 * S)
    assert exchange.core.dead
    assert not exchange.desk.calls
    statuses = {notice.leg: notice.status for notice in floor.caller.seen(LegFailed)}
    assert statuses == {3: 500, 5: 503}
    (charged,) = [fact for fact in assert_closed_once(exchange) if fact.revenue_micros]
    assert 14 * S <= charged.connected_ns <= 16 * S


def assert_closed_once(exchange: DeskWithJournal) -> list[CallClosed]:
    """What a restart makes of the disk: one CallClosed a call, Σ postings 0, none charged that
    the caller never heard."""
    exchange.core.give_back()
    replay = exchange.replayed()
    before = [fact for _, fact in exchange.on_disk() if isinstance(fact, CallClosed)]
    closed = [*before, *close_all(replay, replay.state.at_ns + 1)]
    ids = [fact.call_id for fact in closed]
    assert len(ids) == len(set(ids))
    assert all(sum(line.amount_micros for line in fact.postings) == 0 for fact in closed)
    assert sum(fact.revenue_micros for fact in closed) == (
        1_000 * MICROS - sum(replay.state.balances.values())
    )
    told = exchange.desk.statistics()["revenue_micros"]
    assert sum(fact.revenue_micros for fact in closed) <= told, "never more than was due"
    return closed
