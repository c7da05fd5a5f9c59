"""The harness itself: rows, CPU from /proc, percentiles, the bench plan, SIPp's statistics."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from routing.plan_source import load as load_plan
from tests.bench import publish, rows
from tests.bench.cpu import command_line, cpu_ns, memory, tree, tree_cpu_ns
from tests.bench.decision import histogram_rows
from tests.bench.plan import BUYERS, CALLER_AREA, CALLER_STATE, PASSING, plan
from tests.bench.rows import Row, load, merge, rounded, table, verdict
from tests.interop.metrics import DECISION_CPU, DECISION_WALL, DURABLE_WAIT, Histogram, parse
from tests.interop.sipp import read_stats, seconds


def a_row(name: str, value: float) -> Row:
    """A row with everything but name and value fixed."""
    return Row(name, value, "us", "lower", "here", "abc", False, "2026-01-01T00:00:00Z")


def test_rows_are_merged_by_name(tmp_path: Path) -> None:
    """A row measured again replaces its older self; the others stay."""
    path = tmp_path / "build" / "bench.json"
    merge([a_row("b", 1), a_row("a", 2)], path)
    merge([a_row("b", 3)], path)
    assert [(entry.name, entry.value) for entry in load(path)] == [("a", 2), ("b", 3)]
    assert "b" in table(load(path))


@pytest.mark.parametrize(("value", "word"), [(20, "aim"), (21, "bar"), (50, "bar"), (51, "BELOW")])
def test_verdict_of_a_lower_is_better_row(value: float, word: str) -> None:
    """decision.cpu_p50_us: bar 50, aim 20."""
    assert verdict(a_row("decision.cpu_p50_us", value)) == word


def test_figures_keep_four_digits() -> None:
    """Small ones are rounded to four digits, large ones to whole numbers."""
    assert (rounded(0.123456), rounded(12.3456), rounded(123456.7)) == (0.1235, 12.35, 123457)


def test_cpu_of_a_tree_counts_ended_children() -> None:
    """A child that has burnt CPU and ended is in the sum of its parent."""
    before = tree_cpu_ns([os.getpid()])
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert tree_cpu_ns([os.getpid()]) - before > 150_000_000


def test_own_process_is_seen() -> None:
    """CPU grows with work, memory is there, the tree begins at its root."""
    before, until = cpu_ns(os.getpid()), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert cpu_ns(os.getpid()) - before > 30_000_000
    assert memory(os.getpid()).rss_bytes > memory(os.getpid()).anon_bytes > 1_000_000
    assert tree(os.getpid())[0] == os.getpid()
    assert "pytest" in command_line(os.getpid())


def test_quantile_is_the_upper_bound_of_its_bucket() -> None:
    """Never flattering: the whole bucket counts as its upper bound."""
    seen = Histogram((1.0, 2.0, 4.0, float("inf")), (50, 98, 99, 100))
    assert [seen.quantile(part) for part in (0.5, 0.51, 0.99)] == [1.0, 2.0, 4.0]
    assert seen.quantile(1) == float("inf")
    with pytest.raises(ValueError, match="no observations"):
        Histogram((), ()).quantile(0.5)


def test_histograms_of_two_scrapes_subtract_with_moved_bounds() -> None:
    """The later scrape may list more buckets of the same grid than the earlier."""
    earlier = Histogram((2.0, float("inf")), (10, 10))
    later = Histogram((1.0, 2.0, 4.0, float("inf")), (5, 20, 30, 30))
    assert later.since(earlier).counts == (5, 10, 20, 20)


def test_histogram_rows_come_from_metrics_text() -> None:
    """Rows of decision.* from two scrapes; the second adds what the first lacks."""
    after = parse("".join(
        f'# TYPE {name} histogram\n{name}_bucket{{le="0.00002"}} 60\n'
        f'{name}_bucket{{le="0.0001"}} 100\n{name}_bucket{{le="+Inf"}} 100\n{name}_count 100\n'
        for name in (DECISION_CPU, DECISION_WALL, DURABLE_WAIT)))
    rows = {entry.name: entry.value for entry in histogram_rows(parse(""), after, "here")}
    assert rows["decision.cpu_p50_us"] == 20
    assert rows["decision.cpu_p99_us"] == 100
    assert rows["answer.durable_wait_p99_ms"] == 0.1


def passes(bid: dict[str, Any]) -> bool:
    """Whether a bid's criteria let a caller from the bench's area pass, hours left out."""
    criteria = bid["criteria"]
    return (CALLER_STATE in criteria.get("states", [CALLER_STATE])
            and CALLER_AREA in criteria.get("area_codes", [CALLER_AREA]))


def test_exactly_two_bids_of_each_buyer_pass() -> None:
    """1,000 of 100,000, at every hour of the week."""
    bids = plan(5080)["bids"]
    passing = [bid for bid in bids if passes(bid)]
    assert (len(bids), len(passing)) == (100_000, PASSING)
    assert len({bid["buyer"] for bid in passing}) == BUYERS
    assert {bid["criteria"].get("hours", {}).get("open", [{}])[0].get("days", "mon-sun")
            for bid in passing} == {"mon-sun"}


def test_a_small_bench_plan_is_accepted() -> None:
    """The plan's reader takes it as it is."""
    assert len(load_plan(plan(5080, buyers=3, bids_per_buyer=8)).bids) == 24


def test_sipp_statistics_are_read(tmp_path: Path) -> None:
    """Cumulated columns of the last whole line; a half-written line is left out."""
    (tmp_path / "stat.csv").write_text(
        "TotalCallCreated;SuccessfulCall(C);FailedCall(C);CurrentCall;ElapsedTime(C);"
        "FailedTimeoutOnRecv(C)\n4;3;1;0;00:00:02;1\n5;4;1")
    (tmp_path / "x_counts.csv").write_text(
        "CurrentTime;0_INVITE_Sent;0_INVITE_Retrans;1_200_Recv;1_200_Retrans\nt;4;1;3;2\n")
    stats = read_stats(tmp_path)
    assert (stats.created, stats.ok, stats.failed, stats.elapsed_s) == (4, 3, 1, 2)
    assert (stats.messages, stats.retransmissions) == (7, 3)
    assert stats.reasons == {"TimeoutOnRecv": 1}
    assert seconds("00:01:00:500000") == 60.5


def test_the_page_is_filled_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")
    entry = rows.row("b2bua.vs_sippy", 11.5, "x", "higher", "a condition")
    publish.publish([entry], page)
    text = page.read_text()
    assert text.startswith(f"before\n{publish.BEGIN}")
    assert text.endswith(f"{publish.END}\nafter\n")
    assert "old" not in text
    assert "| `b2bua.vs_sippy` | 11.5 | x | 12 | **below the bar** |" in text
