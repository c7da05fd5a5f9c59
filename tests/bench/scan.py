"""scan.*: the wire scanner on the 871-byte INVITE with SDP, all checks on."""

import time
from pathlib import Path

from tests.bench.load import BenchUnavailable
from tests.bench.our_server import build
from tests.bench.rows import ROOT, Row, row

INVITE = ROOT / "tests" / "sip" / "invite_871.sip"
_ROUNDS, _CALLS = 9, 20_000


def bench_scan() -> list[Row]:
    """Best of some rounds: ns of thread CPU per scan, the loop's own cost included."""
    data = _message(INVITE)
    from sip.scan import scan

    best = min(_round_ns(scan, data) for _ in range(_ROUNDS))
    text = f"{len(data)}-byte INVITE with SDP, best of {_ROUNDS} × {_CALLS:,}; {build()}"
    return [row("scan.invite_ns", best / _CALLS, "ns", "lower", text)]


def _round_ns(scan: object, data: bytes) -> int:
    assert callable(scan)
    began = time.thread_time_ns()
    for _ in range(_CALLS):
        scan(data)
    return time.thread_time_ns() - began


def _message(path: Path) -> bytes:
    if not path.exists():
        raise BenchUnavailable(f"no {path.name}")
    return path.read_bytes()
