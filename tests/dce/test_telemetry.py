"""Logs: one line an event, escaped, with the call's id; JSON outside development."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from dce.call_log import call_log
from dce.telemetry import bound, configure_logs
from vocabulary.facts import CallClosed, Disposition, Party, Personal
from vocabulary.reasons import Refused

CALL_ID = bytes(range(16))


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def logged(environment: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(level, environment, "signal", stream)
    return stream


def closed_call(refused: Refused) -> CallClosed:
    return CallClosed(
        1, CALL_ID, 2, "trunk", "publisher", "auto", "+12125550101", bytes(16),
        Personal(("+13105550199",)), Disposition.FAILED, refused, 500, Party.EXCHANGE,
        0, -1, -1, 5, 0, False, "", "", "", "USD", 0, 0, (), (), (),
    )  # fmt: skip


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("debug", 2)])
def test_a_fault_is_a_warning_and_other_calls_are_for_debugging(level: str, lines: int) -> None:
    stream = logged("production", level)
    write = call_log()
    write(closed_call(Refused.NO_BID))
    write(closed_call(Refused.FAULT))
    text = stream.getvalue()
    assert len(text.splitlines()) == lines
    last = json.loads(text.splitlines()[-1])
    assert last["call_id"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert (last["level"], last["refused"], last["sip_status"]) == ("warning", "fault", 500)
    assert "5550199" not in text


def test_a_line_of_a_call_carries_its_id() -> None:
    stream = logged("production")
    bound(CALL_ID).info("call ended", disposition="completed", connected_s=12)
    line = json.loads(stream.getvalue())
    assert line["event"] == "call ended"
    assert line["call_id"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert (line["process"], line["level"], line["disposition"]) == (
        "signal", "info", "completed"
    )
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_logs_into_the_same_stream() -> None:
    stream = logged("production")
    logging.getLogger("dce.link").warning("link: %s", "broke")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("link: broke", "dce.link", "warning")


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_peer_cannot_forge_a_line(environment: str) -> None:
    stream = logged(environment)
    evil = "x\r\n2026-11-24 [info] forged\x1b[2J\u2028"
    logging.getLogger("sip").warning("odd header %s", evil)
    structlog.get_logger("sip").warning("odd", value=evil, raw=b"\xff\n")
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


def test_long_values_are_cut() -> None:
    stream = logged("production")
    logging.getLogger("sip").warning("%s", "y" * 100_000)
    assert len(stream.getvalue()) < 3_000


def test_levels_hold_for_both() -> None:
    stream = logged("production", "warning")
    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    assert stream.getvalue() == ""


def test_an_exception_is_one_event_with_its_trace() -> None:
    stream = logged("production")
    try:
        raise ValueError("a bug")
    except ValueError:
        logging.getLogger("dce").exception("failed")
    line = json.loads(stream.getvalue())
    assert "ValueError: a bug" in line["exception"]
