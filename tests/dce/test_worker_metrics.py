"""What the signal worker tells /metrics: states are gauges, counts are counters."""

import logging
from pathlib import Path

import pytest

from dce.signal_metrics import statistics
from dce.signal_worker import warn_of_spare
from tests.dce.signal_core import config_at, running
from vocabulary.commands import Metric


async def metrics(folder: Path) -> list[Metric]:
    async with running(config_at(folder)) as core:
        return list(statistics(core).metrics)


async def test_states_of_the_sockets_are_gauges_of_their_own(tmp_path: Path) -> None:
    found = await metrics(tmp_path)
    gauges = {row.name for row in found if row.kind == "gauge"}
    assert {
        "dce_sip_stream_connections", "dce_sip_flows_cached", "dce_sip_receive_buffer_bytes",
        "dce_sip_receive_buffer_asked_bytes", "dce_journal_spare_failed",
    } <= gauges
    events = {dict(row.labels)["event"] for row in found
              if row.name == "dce_sip_socket_events_total"}
    assert "datagrams_in" in events
    assert not {name for name in events if "buffer" in name or "connections" in name}


async def test_help_says_what_a_gauge_is(tmp_path: Path) -> None:
    (late,) = [row for row in await metrics(tmp_path) if row.name == "dce_sip_timer_late_ns_max"]
    assert "ns" in late.help
    assert "0 once all calls ended" not in late.help


def test_a_spare_segment_that_fails_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    warned = ""
    with caplog.at_level(logging.WARNING, "dce.signal"):
        for failed in ("", "full", "full", "full", "", "full"):
            warned = warn_of_spare(failed, warned)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "full" in caplog.text
