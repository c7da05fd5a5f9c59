"""The 61 torture messages on real UDP and TCP sockets, judged by their verdicts.

After each one an OPTIONS from another socket is answered 200. The source is a trusted trunk
and digest is off, so what the verdicts allow with digest does not apply.
"""

from collections.abc import Iterator

import pytest

from tests.interop.conftest import T1_MS
from tests.interop.server import HOST, Exchange
from tests.interop.torture_peer import Answer, Probe, Stream, udp_answers
from tests.torture.cases import CASES, octets, stream_octets

pytestmark = [pytest.mark.interop]

WAIT_S = 2.0
ALIVE_S = 1.0  # 0.2 s is the rule; more on a busy test machine
READ_TIMER_S = 20.0  # an unfinished message is closed after 10 s
QUIET_S, POLL_S = 64 * T1_MS / 1_000 + 5, 0.2
WAITS = [name for name, case in CASES.items() if case["tcp"] == "wait-close"]
QUICK = [name for name in CASES if name not in WAITS]

# REGISTER is 405 until there is a registrar: these verdicts ask for what it would answer.
METHOD_REFUSED = dict.fromkeys(("regaut01", "unksm2", "cparam01", "cparam02", "regescrt"), 405)


@pytest.fixture(scope="module")
def server(exchange: Exchange) -> tuple[str, int]:
    """Address of the server."""
    return HOST, exchange.sip_port


@pytest.fixture(scope="module")
def probe(server: tuple[str, int]) -> Iterator[Probe]:
    """The socket that asks for liveness."""
    probing = Probe(server)
    yield probing
    probing.close()


@pytest.fixture(scope="module")
def quiet(exchange: Exchange) -> None:
    """No transaction of the UDP half lives: its branches would absorb the same messages."""
    for _ in range(int(QUIET_S / POLL_S)):
        if not exchange.metrics().total("dce_sip_server_transactions"):
            return
        exchange.ended(POLL_S)
    raise AssertionError("server transactions live for longer than 64·T1")


def judge(name: str, answers: list[Answer], verdict: str) -> None:
    """Compare finals with a case's verdict: status, accept or drop."""
    case = CASES[name]
    finals = [answer.status for answer in answers if answer.status >= 200
              and not answer.value("cseq").endswith(b"CANCEL")]
    optional = {400} if "400 also accepted on UDP" in case.get("check", []) else set()
    if verdict == "drop":
        assert set(finals) <= optional
        return
    if not finals and "drop also accepted on UDP" in case.get("check", []):
        return
    assert len(finals) == 1, f"{name}: {finals}"
    assert finals[0] not in case.get("never", [])
    if verdict == "status" and finals[0] != METHOD_REFUSED.get(name):
        assert finals[0] in case["codes"]
    if finals[0] in (405, 501):
        last = next(answer for answer in answers if answer.status == finals[0])
        assert b"INVITE" in last.value("allow")


@pytest.mark.parametrize("name", list(CASES))
def test_udp(server: tuple[str, int], probe: Probe, name: str) -> None:
    """One datagram, verbatim, from 127.0.0.3 at the port of its Via."""
    verdict, port = CASES[name]["udp"], CASES[name].get("reply_port", 5060)
    owed = verdict != "drop" and "drop also accepted on UDP" not in CASES[name].get("check", [])
    answers = udp_answers(server, octets(name), port, probe, WAIT_S, owed)
    judge(name, answers, verdict)
    assert probe.alive(ALIVE_S)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", QUICK)
def test_tcp(server: tuple[str, int], probe: Probe, name: str) -> None:
    """One message on a connection of its own."""
    verdict, request = CASES[name]["tcp"], stream_octets(name)
    stream = Stream(server, WAIT_S)
    try:
        stream.send(request)
        if verdict == "drop-keep" or (verdict == "same" and CASES[name]["udp"] == "drop"):
            assert stream.alive(server)
        else:
            judge_stream(name, verdict, stream, request)
    finally:
        stream.close()
    assert probe.alive(ALIVE_S)


def judge_stream(name: str, verdict: str, stream: Stream, request: bytes) -> None:
    """Finals on the connection, and whether it is closed, by the case's tcp verdict."""
    answers = stream.finals(request, 2 if verdict == "pipelined" else 1)
    if verdict == "pipelined":
        assert len(answers) == 2
        return
    if verdict == "400-close":
        assert [answer.status for answer in answers] == [400]
    elif verdict in ("same", "fix-length") or answers:
        judge(name, answers, CASES[name]["udp"])
    if verdict.endswith("close"):
        assert stream.wait_closed(WAIT_S)


@pytest.mark.slow
def test_tcp_unfinished_messages_are_closed(server: tuple[str, int], probe: Probe) -> None:
    """Messages that promise more octets than come: no answer, closed by the read timer."""
    streams = {name: Stream(server, WAIT_S) for name in WAITS}
    try:
        for name, stream in streams.items():
            stream.send(stream_octets(name))
        assert probe.alive(ALIVE_S)
        for name, stream in streams.items():
            assert stream.wait_closed(READ_TIMER_S), name
    finally:
        for stream in streams.values():
            stream.close()
    assert probe.alive(ALIVE_S)
