"""Bounds: integers with a unit in the name, asserted against each other when imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from vocabulary import limits

SOURCE = Path(limits.__file__).read_text()
UNITS = ("_ns", "_ms", "_s", "_bytes", "_max", "_micros", "_min_ns", "_max_ns", "_s_max",
         "_records", "_records_max", "_ppm_max", "_back", "_ahead", "_terms")
PLAIN = ("max_forwards", "NS_PER_S", "NS_PER_MS")


def bounds() -> dict[str, int]:
    """Every bound by name."""
    return {name: value for name, value in vars(limits).items() if not name.startswith("_")}


def test_every_bound_is_a_positive_integer_with_its_unit() -> None:
    for name, value in bounds().items():
        assert type(value) is int, name
        assert value > 0, name
        assert name in PLAIN or name.endswith(UNITS), name


@pytest.mark.parametrize(
    ("name", "value"),
    [("ring_ns", limits.ladder_ns), ("ladder_ns", limits.setup_ns),
     ("no_response_ns", limits.ring_ns), ("price_micros_max", limits.score_max),
     ("record_bytes_max", limits.segment_bytes), ("candidates_max", 2**16),
     ("connect_expected_s", 25), ("connect_expected_s", 4)],
)
def test_bounds_that_contradict_each_other_do_not_import(name: str, value: int) -> None:
    lines = [f"{name} = {value}" if line.startswith(f"{name} = ") else line
             for line in SOURCE.splitlines()]
    done = subprocess.run([sys.executable, "-I", "-c", "\n".join(lines)], capture_output=True,
                          text=True, timeout=30, check=False)
    assert "AssertionError" in done.stderr
