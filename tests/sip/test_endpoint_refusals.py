"""What the endpoint refuses before a call is made of it, and that nothing of it is kept."""

import pytest

from sip.endpoint import Endpoint
from sip.message import Message
from sip.scan import scan
from sip.signals import Admit, Answer, CallOffered, Flow, Reject
from tests.sim.script import invite
from vocabulary.limits import dialog_requests_max

US, PEER = ("192.0.2.1", 5060), ("192.0.2.10", 5060)
FLOW = Flow("UDP", *PEER, *US)
SECRET = b"0123456789abcdef"


def ask(endpoint: Endpoint, data: bytes, flow: Flow = FLOW, now_ns: int = 1) -> list[Message]:
    """What comes back at once."""
    endpoint.receive(data, flow, now_ns)
    sends, _notices = endpoint.drain()
    return [scan(data) for data in sends[1::2] if isinstance(data, bytes)]


def one(data: bytes) -> Message:
    """The one answer of a fresh endpoint, which must keep nothing of the request."""
    endpoint = Endpoint(SECRET)
    answers = ask(endpoint, data)
    assert len(answers) == 1
    gauges = endpoint.statistics()
    assert gauges["faults"] == gauges["server_transactions"] == gauges["legs"] == 0
    again = ask(endpoint, data)  # a copy gets the same answer, To tag included
    assert [m.data for m in again] == [m.data for m in answers]
    assert len(answers[0].data) <= 1.5 * len(data)
    return answers[0]


ACCEPTED = b"application/sdp, multipart/mixed"
DENIED = (
    b"REGISTER", b"MESSAGE", b"SUBSCRIBE", b"PUBLISH", b"UPDATE", b"PRACK", b"REFER", b"NOTIFY",
)  # fmt: skip


@pytest.mark.parametrize("to_tag", [b"", b"t9"])
@pytest.mark.parametrize("method", DENIED)
def test_methods_that_are_not_served_are_405(method: bytes, to_tag: bytes) -> None:
    answer = one(invite(PEER, US, method=method, to_tag=to_tag))
    assert answer.status == 405
    assert answer.value(15) == b"INVITE, ACK, CANCEL, BYE, OPTIONS, INFO"


def test_unknown_method_is_501_with_allow() -> None:
    answer = one(invite(PEER, US, method=b"FETCH"))
    assert (answer.status, answer.has(15)) == (501, True)


@pytest.mark.parametrize("method", [b"BYE", b"INFO", b"CANCEL"])
def test_what_needs_a_dialog_or_transaction_is_481(method: bytes) -> None:
    assert one(invite(PEER, US, method=method)).status == 481


@pytest.mark.parametrize("method", [b"INVITE", b"BYE", b"INFO", b"OPTIONS"])
def test_unknown_dialog_is_481(method: bytes) -> None:
    assert one(invite(PEER, US, method=method, to_tag=b"t9")).status == 481


def test_options_is_200_with_what_we_serve() -> None:
    for forwards in (b"70", b"0"):
        answer = one(invite(PEER, US, method=b"OPTIONS", forwards=forwards))
        assert answer.status == 200
        assert answer.value(23) == b"application/sdp, multipart/mixed"
        assert answer.has(15)


@pytest.mark.parametrize(
    ("over", "status", "header", "value"),
    [
        ({"extra": b"Require: 100rel, x\r\nProxy-Require: y\r\n"}, 420, 26, b"100rel, x, y"),
        ({"forwards": b"0"}, 483, 0, b""),
        ({"uri": b"soap.beep://192.0.2.1"}, 416, 0, b""),
        ({"body": b"x", "kind": b"text/plain"}, 415, 23, ACCEPTED),
        ({"extra": b"Content-Encoding: gzip\r\n", "body": b"x"}, 415, 59, b"identity"),
        ({"extra": b"Accept: text/nobodyKnowsThis\r\n"}, 406, 23, ACCEPTED),
        ({"version": b"SIP/7.0"}, 505, 0, b""),
        ({"extra": b"Contact: <sip:a@b\r\n"}, 400, 0, b""),
    ],
)  # fmt: skip
def test_invite_is_refused(over: dict[str, bytes], status: int, header: int, value: bytes) -> None:
    answer = one(invite(PEER, US, **over))
    assert answer.status == status
    assert (answer.value(header) if header else b"") == value


def test_broken_invite_is_400_with_what_could_be_read() -> None:
    endpoint = Endpoint(SECRET)
    endpoint.receive(invite(PEER, US, cseq=b"36893488147419103232"), FLOW, 1)
    data = endpoint.drain()[0][1]
    assert isinstance(data, bytes)
    assert data.startswith(b"SIP/2.0 400 ")
    assert b"\r\nCSeq: 36893488147419103232 INVITE\r\n" in data
    assert b"\r\nCall-ID: c1\r\n" in data


@pytest.mark.parametrize(
    "over",
    [
        {"body": b"x", "kind": b"multipart/mixed;boundary=a"},
        {"body": b"x", "kind": b"Application/SDP"},
        {"extra": b"Accept: text/plain, application/sdp\r\n"},
        {"extra": b"Accept: */*;q=0.1\r\n"},
        {"uri": b"tel:+15550100"},
        {"uri": b"sips:x@192.0.2.1"},
        {"extra": b"Supported: 100rel, timer\r\nSession-Expires: 90\r\n"},
    ],
)
def test_invite_is_offered(over: dict[str, bytes]) -> None:
    endpoint = Endpoint(SECRET)
    assert ask(endpoint, invite(PEER, US, **over)) == []
    endpoint.receive(invite(PEER, US, b"z9hG4bKother", call_id=b"c2", **over), FLOW, 1)
    assert [type(n) for n in endpoint.drain()[1]] == [CallOffered]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\r\n\r\n", b"\0\0\0\0", b"hello", b"SIP/2.0 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        invite(PEER, US, method=b"ACK"), invite(PEER, US, method=b"ACK", to_tag=b"t9"),
        invite(PEER, US, method=b"ACK", cseq=b"-1"), bytes(range(256)) * 9,
    ],
)  # fmt: skip
def test_garbage_and_stray_acks_get_no_answer(data: bytes) -> None:
    endpoint = Endpoint(SECRET)
    assert ask(endpoint, data) == []
    gauges = endpoint.statistics()
    assert gauges["faults"] == 0
    assert gauges["dropped_garbage"] + gauges["keep_alives"] + gauges["stray_acks"] == 1


def test_responses_go_where_rfc_3261_and_3581_say() -> None:
    from_nat = Flow("UDP", "198.51.100.7", 40000, *US)
    endpoint = Endpoint(SECRET)
    endpoint.receive(invite(PEER, US, method=b"OPTIONS"), from_nat, 1)
    flow = endpoint.drain()[0][0]
    assert isinstance(flow, Flow)
    assert (flow.host, flow.port) == ("198.51.100.7", 5060)  # the port of the Via
    asked = invite(PEER, US, b"z9hG4bKa1;rport", method=b"OPTIONS")
    endpoint.receive(asked, from_nat, 1)
    flow, data = endpoint.drain()[0]
    assert flow is from_nat
    assert b";received=198.51.100.7;rport=40000" in bytes(data)  # type: ignore[arg-type]


def test_shedding_answers_503_without_state() -> None:
    endpoint = Endpoint(SECRET, calls_per_s_max=5)
    statuses = []
    for at in range(4):
        data = invite(PEER, US, b"z9hG4bK%d" % at, call_id=b"c%d" % at)
        statuses += [(m.status, m.value(17)) for m in ask(endpoint, data, now_ns=1_000_000_000)]
    assert statuses == [(503, b"5")] * 3  # one fifth of a second's calls at once
    gauges = endpoint.statistics()
    assert (gauges["shed"], gauges["server_transactions"], gauges["legs"]) == (3, 1, 1)
    late = invite(PEER, US, b"z9hG4bKl", call_id=b"late")
    assert ask(endpoint, late, now_ns=1_200_000_000) == []  # a token came back
    assert ask(endpoint, invite(PEER, US, b"z9hG4bK0", call_id=b"c0"), now_ns=1_200_000_001) == []
    options = ask(endpoint, invite(PEER, US, method=b"OPTIONS"), now_ns=1_200_000_002)
    assert [m.status for m in options] == [200]  # only calls are shed


def test_closed_admission_and_its_ack() -> None:
    endpoint = Endpoint(SECRET)
    endpoint.perform(Admit(False, 9), 1)
    refused = ask(endpoint, invite(PEER, US))
    assert [(m.status, m.value(17)) for m in refused] == [(503, b"9")]
    assert ask(endpoint, invite(PEER, US, method=b"ACK", to_tag=refused[0].to_tag)) == []
    endpoint.perform(Admit(True), 1)
    assert ask(endpoint, invite(PEER, US)) == []


def test_reject_once_keeps_nothing_and_repeats_nothing() -> None:
    endpoint = Endpoint(SECRET)
    tags = set()
    for leg in (2, 4):
        endpoint.receive(invite(PEER, US), FLOW, 1)
        endpoint.drain()
        endpoint.perform(Reject(leg, 403, once=True), 1)
        tags.add(scan(endpoint.drain()[0][1]).to_tag)  # type: ignore[arg-type]
    assert len(tags) == 1
    gauges = endpoint.statistics()
    assert gauges["server_transactions"] == gauges["legs"] == gauges["timers"] == 0
    assert endpoint.deadline() is None


def test_rfc_2543_requests_match_without_a_cookie() -> None:
    endpoint = Endpoint(SECRET)
    for branch in (b"old", b"z9hG4bK"):
        for call_id in (b"c" + branch, b"d" + branch):  # never keyed on the branch alone
            data = invite(PEER, US, branch, call_id=call_id)
            assert ask(endpoint, data) == ask(endpoint, data) == []
    assert endpoint.statistics()["calls_offered"] == 4
    assert endpoint.statistics()["absorbed"] == 4


def test_two_callers_with_one_branch_are_two_calls() -> None:
    endpoint = Endpoint(SECRET)
    for host in (b"192.0.2.10", b"192.0.2.99"):
        ask(endpoint, invite(PEER, US, host=host, call_id=host))
    assert endpoint.statistics()["calls_offered"] == 2


def test_cancel_with_changed_sent_by_matches_from_the_same_flow_only() -> None:
    endpoint = Endpoint(SECRET)
    ask(endpoint, invite(PEER, US))
    cancel = invite(PEER, US, method=b"CANCEL", host=b"203.0.113.5:5060")
    stranger = Flow("UDP", "198.51.100.66", 5060, *US)
    assert [m.status for m in ask(endpoint, cancel, stranger)] == [481]
    assert [m.status for m in ask(endpoint, cancel)] == [200, 487]


def test_a_dialog_is_named_by_all_three_of_its_parts() -> None:
    endpoint = Endpoint(SECRET)
    endpoint.receive(invite(PEER, US), FLOW, 1)
    endpoint.drain()
    endpoint.perform(Answer(2, body=b"v=0", content_type=b"application/sdp"), 1)
    ours = scan(endpoint.drain()[0][1]).to_tag  # type: ignore[arg-type]
    wrong = ({"call_id": b"c2"}, {"tag": b"f2"})
    for at, over in enumerate(wrong):
        bye = invite(PEER, US, b"z9hG4bKw%d" % at, method=b"BYE", to_tag=ours, cseq=b"2", **over)
        assert [m.status for m in ask(endpoint, bye)] == [481]
    bye = invite(PEER, US, b"z9hG4bKright", method=b"BYE", to_tag=ours, cseq=b"2")
    assert [m.status for m in ask(endpoint, bye)] == [200]


STREAM = Flow("TCP", *PEER, *US, 0, 1)


def test_a_message_without_length_is_400_on_a_stream_only() -> None:
    data = invite(PEER, US, method=b"OPTIONS").replace(b"Content-Length: 0\r\n", b"")
    assert [m.status for m in ask(Endpoint(SECRET), data)] == [200]
    assert [m.status for m in ask(Endpoint(SECRET), data, STREAM)] == [400]


def test_a_broken_response_is_dropped() -> None:
    endpoint = Endpoint(SECRET)
    for flow in (FLOW, STREAM):
        data = b"SIP/2.0 4294967301 X\r\n" + invite(PEER, US).split(b"\r\n", 1)[1]
        assert ask(endpoint, data, flow) == []
    assert endpoint.statistics()["dropped_garbage"] == 2


def confirmed(endpoint: Endpoint) -> bytes:
    """An answered call; our tag."""
    ask(endpoint, invite(PEER, US))
    endpoint.perform(Answer(2, 0, b"v=0", b"application/sdp"), 1)
    sent = endpoint.drain()[0][1]
    assert isinstance(sent, bytes)
    tag = scan(sent).to_tag
    ask(endpoint, invite(PEER, US, b"z9hG4bKack", method=b"ACK", to_tag=tag))
    return tag


@pytest.mark.parametrize("method", [b"INFO", b"OPTIONS"])
def test_requests_within_one_dialog_are_bounded(method: bytes) -> None:
    endpoint = Endpoint(SECRET)
    tag = confirmed(endpoint)

    def asked(cseq: int, now_ns: int = 1) -> list[tuple[int, bytes | None]]:
        data = invite(PEER, US, b"z9hG4bKi%d" % cseq, method=method, cseq=b"%d" % cseq, to_tag=tag)
        return [(m.status, m.value(17)) for m in ask(endpoint, data, now_ns=now_ns)]

    for cseq in range(2, 2 + dialog_requests_max):
        assert asked(cseq) == [(200, None)]
    over = 2 + dialog_requests_max
    assert asked(over) == [(500, b"5")]
    assert asked(2) == [(200, None)]  # a copy is answered again
    after_j_ns = 40_000_000_000
    endpoint.expire(after_j_ns)
    endpoint.drain()
    assert asked(over, after_j_ns) == [(200, None)]
    bye = invite(PEER, US, b"z9hG4bKbye", method=b"BYE", cseq=b"999", to_tag=tag)
    assert [m.status for m in ask(endpoint, bye, now_ns=after_j_ns)] == [200]
    endpoint.expire(2 * after_j_ns)
    gauges = endpoint.statistics()
    assert gauges["legs"] == gauges["server_transactions"] == gauges["timers"] == 0
    assert gauges["faults"] == 0
