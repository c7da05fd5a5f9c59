"""The list of crash points is the code's, a point costs nothing, the core needs no thread."""

import asyncio
import gc
import time
from pathlib import Path

import pytest

from storage.disk import OsDisk
from storage.journal_core import JournalCore
from storage.reader import JournalReader
from tests.storage.crash_points import LIST, crash_points, listed
from tests.storage.opened import SEGMENT_BYTES, Opened, payload
from vocabulary.crash_points import crash_point, observed


class PowerCut(BaseException):
    """Ends the process of a test, as far as the journal can tell."""


def test_the_list_is_what_the_code_has() -> None:
    assert LIST.read_text() == listed(), "python -m tests.storage.crash_points --write"
    assert len(crash_points()) >= 40


def test_a_point_costs_nothing_measurable() -> None:
    """Some thirty on a call's way, of 250 µs and more: under a hundredth, with room for noise."""
    gc.collect()
    best_ns = min(_timed(1_000) for _ in range(50))
    assert best_ns / 1_000 < 500


def _timed(count: int) -> int:
    began_ns = time.thread_time_ns()
    for _ in range(count):
        crash_point("x")
    return time.thread_time_ns() - began_ns


class Driven:
    """A core that nobody but the test drives: what it told, what it was given."""

    def __init__(self, directory: Path) -> None:
        self.durable: list[int] = []
        self.full: list[str] = []
        self.failed: list[str] = []
        self.given: dict[int, bytes] = {}
        self.core = JournalCore(
            directory, OsDisk(), worker=0, on_durable=self.durable.append,
            on_failed=self.failed.append, on_full=self.full.append,
            segment_bytes=SEGMENT_BYTES, reserve_bytes=SEGMENT_BYTES,
        )

    def put(self, size: int = 40) -> int:
        seq = self.core.next_seq
        self.given[seq] = payload(seq, size)
        self.core.append(seq, 7, self.given[seq])
        return seq


def test_a_core_is_driven_step_by_step_without_threads(tmp_path: Path) -> None:
    driven = Driven(tmp_path)
    core = driven.core
    assert core.wants_file()
    core.prepare()
    assert not core.wants_file()
    assert not core.step()
    for _ in range(3):
        driven.put()
    assert driven.durable == []
    assert core.step()
    assert driven.durable == [3]
    while len(list(tmp_path.glob("journal-*.seg"))) < 3:
        driven.put(500)
        while core.step():
            pass
        if core.wants_file():
            core.prepare()
    core.give_back()
    reader = JournalReader(tmp_path, whole=True)
    assert {entry.seq: entry.payload for entry in reader} == driven.given
    reader.close()


NEVER_HERE = {  # reached by faults, by other owners, or by the desk: the kill runs meet them
    "failure_before_told", "failure_told", "fresh_file_begun", "failed_batch_written_again",
    "full_before_told", "reserve_before_use", "reserve_used", "unbegun_removed",
}


@pytest.mark.parametrize("name", sorted(
    name for name, module in crash_points().items()
    if module in ("storage/claim.py", "storage/journal_core.py", "storage/reserve.py")
    and name not in NEVER_HERE
))
def test_a_crash_at_each_step_keeps_what_was_acknowledged(tmp_path: Path, name: str) -> None:
    """The files stay as they are, as after kill -9; the simulated disk tears them, too."""
    met = []

    def cut(point: str) -> None:
        if point == name:
            met.append(point)
            raise PowerCut

    acknowledged = 0
    given: dict[int, bytes] = {}
    for _ in range(2):  # the second start finds a journal, the first one none
        driven = None
        try:
            with observed(cut):
                driven = Driven(tmp_path)
                given |= driven.given
                _write_two_segments(driven)
        except PowerCut:
            pass
        if driven is not None:
            given |= driven.given
            acknowledged = max([acknowledged, *driven.durable])
            driven.core.give_back()
    assert met
    driven = Driven(tmp_path)
    assert driven.core.next_seq > acknowledged
    driven.core.give_back()
    reader = JournalReader(tmp_path, whole=True)
    found = {entry.seq: entry.payload for entry in reader}
    reader.close()
    assert list(found) == list(range(1, driven.core.next_seq))
    assert all(given[seq] == data for seq, data in found.items())


def _write_two_segments(driven: Driven) -> None:
    core = driven.core
    core.prepare()
    for _ in range(40):
        driven.put(500)
        while core.step():
            pass
        if core.wants_file():
            core.prepare()


async def test_points_of_the_threads_are_observed_too(tmp_path: Path) -> None:
    met: list[str] = []
    with observed(met.append):
        opened = Opened(tmp_path)
        await opened.durable(opened.put(payload(1)))
        await asyncio.to_thread(opened.journal.close)
    assert {"record_appended", "batch_synced", "mark_written", "reserve_named"} <= set(met)
