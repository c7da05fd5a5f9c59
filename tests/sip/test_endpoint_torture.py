"""The torture messages against the endpoint: its one answer, and that nothing stays alive."""

import pytest

from sip.endpoint import Endpoint
from sip.signals import CallOffered, Flow, Reject
from tests.fuzz.mutate import inputs
from tests.torture.cases import CASES, octets

FLOW = Flow("UDP", "127.0.0.3", 5060, "127.0.0.1", 5060)
PATIENCE_NS = 40_000_000_000
# REGISTER is 405 until there is a registrar; the verdict is that of a registrar.
REGISTRAR = ("cparam01", "cparam02", "regaut01", "regescrt", "unksm2")


def answers(data: bytes) -> tuple[list[int], Endpoint]:
    """Statuses that a datagram draws, of an endpoint whose desk knows no number; its rest."""
    endpoint = Endpoint(b"0123456789abcdef")
    endpoint.receive(data, FLOW, 1)
    sends, notices = endpoint.drain()
    for notice in notices:
        if isinstance(notice, CallOffered):
            endpoint.perform(Reject(notice.leg, 404), 1)
            sends += endpoint.drain()[0]
    return [int(bytes(sent).split(b" ")[1]) for sent in sends[1::2]], endpoint  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(CASES))
def test_verdict(name: str) -> None:
    case = CASES[name]
    statuses, endpoint = answers(octets(name))
    if name in REGISTRAR:
        assert statuses == [405]
    elif case["udp"] == "drop":
        assert statuses == []
    else:
        codes = case.get("codes", [])
        assert len(statuses) == 1 or (not statuses and "drop also accepted on UDP" in str(case))
        assert not set(statuses) & set(case.get("never", []))
        assert not codes or set(statuses) <= set(codes)
    endpoint.expire(PATIENCE_NS)
    gauges = endpoint.statistics()
    assert gauges["faults"] == gauges["server_transactions"] == gauges["timers"] == 0


def test_mutations_never_fault() -> None:
    seed = 20261124
    print(f"seed {seed}")
    endpoint = Endpoint(b"0123456789abcdef")
    for index in range(6_000):
        now_ns = 1_000_000 * (index + 1)
        endpoint.receive(inputs(seed, index), FLOW, now_ns)
        for notice in endpoint.drain()[1]:
            if isinstance(notice, CallOffered):
                endpoint.perform(Reject(notice.leg, 404), now_ns)
    endpoint.drain()
    endpoint.expire(2 * PATIENCE_NS)
    gauges = endpoint.statistics()
    assert gauges["faults"] == gauges["server_transactions"] == gauges["timers"] == 0
