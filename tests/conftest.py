"""Rules of every test run: seeds are printed, and CI has every peer.

`--seed N` repeats a run: the fixture `seed` gives each test a number of its own made of N and
the test's name. Without it N is fresh, and stands in the header of the run.
"""

import hashlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path

import pytest

INTEROP = Path(__file__).parent / "interop"
SEED_BITS = 32


def pytest_addoption(parser: pytest.Parser) -> None:
    """--seed."""
    parser.addoption("--seed", type=int, default=None, help="repeat a run with this seed")


def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed of the run where none was given."""
    if config.option.seed is None:
        config.option.seed = secrets.randbits(SEED_BITS)


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, before the first test."""
    return f"seed: {config.option.seed} (the same again: --seed {config.option.seed})"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number for this test; printed, so that a failure shows it."""
    text = f"{request.config.option.seed}:{request.node.nodeid}".encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=4).digest())
    print(f"seed {number} of --seed {request.config.option.seed}")
    return number


def missing_peer(report: pytest.TestReport | pytest.CollectReport) -> bool:
    """Whether a skip is a failure: in CI (CI=true), unless the conformance sets are absent.

    Those stand beside the checkout and run where they exist.
    """
    in_ci = os.environ.get("CI", "").lower() in ("1", "true")
    return report.skipped and in_ci and "conformance" not in reason_of(report)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test of a peer has failed: the pipeline installs every peer."""
    report = yield
    expected = hasattr(report, "wasxfail")
    if item.get_closest_marker("interop") and not expected and missing_peer(report):
        report.outcome = "failed"
        report.longrepr = f"a peer is missing in CI: {reason_of(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module of tests/interop that skips itself as a whole."""
    report = yield
    if INTEROP in collector.path.parents and missing_peer(report):
        report.outcome = "failed"
        report.longrepr = f"a peer is missing in CI: {reason_of(report)}"
    return report


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why it was skipped."""
    place = report.longrepr
    return str(place[2]) if isinstance(place, tuple) else str(place)
