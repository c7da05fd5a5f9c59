"""Which peers this machine has. A missing one is a skip with its reason, in CI a failure."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from tests.interop import server

ROOT = Path(__file__).resolve().parents[2]
CONFORMANCE = ROOT.parent / "shared" / "conformance"


def sipp() -> str:
    """Why SIPp cannot be used; '' when it can."""
    return "" if shutil.which("sipp") else "SIPp is not installed: make install-tools"


def pjsua2() -> str:
    """Why PJSUA2 cannot be used; '' when it can."""
    if importlib.util.find_spec("pjsua2") is None:
        return "pjsua2 is not installed: pip install pjsua2-python==2.15.1.post1"
    return ""


def conformance() -> str:
    """Why the conformance set cannot be used; '' when it can. Beside the checkout or absent."""
    return "" if CONFORMANCE.is_dir() else f"no conformance set at {CONFORMANCE}"


def exchange() -> str:
    """Why the server cannot be started; '' when it can."""
    return server.missing()


def require(*reasons: str) -> None:
    """Go on if all are ''; else skip this test, or fail it where CI=true."""
    lacking = "; ".join(reason for reason in reasons if reason)
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)
