"""Dialogs: route sets and when they are fixed, loose and strict routers, targets, identifiers."""

import pytest

from sip.dialog import Dialog, first_hop, of_invite, of_response
from sip.endpoint import Endpoint
from sip.message import Message
from sip.scan import scan
from sip.signals import Dial, Flow
from sip.tokens import MAGIC, Tokens, worker_of
from tests.sim.script import invite

US, PEER = ("192.0.2.1", 5060), ("192.0.2.10", 5060)
VIA = b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n"


def answer(status: int, routes: bytes = b"", contact: bytes = b"sip:b@192.0.2.20") -> Message:
    """A response to our INVITE."""
    return scan(
        b"SIP/2.0 %d X\r\n%bFrom: <sip:a@192.0.2.1>;tag=me\r\nTo: <sip:b@192.0.2.20>;tag=t1\r\n"
        b"Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <%b>\r\n%bContent-Length: 0\r\n\r\n"
        % (status, VIA, contact, routes)
    )


def ours() -> Dialog:
    """The dialog of an INVITE of ours before any response."""
    return Dialog(b"me", b"From: <sip:a@192.0.2.1>;tag=me\r\nCall-ID: c\r\n",
                  b"To: <sip:b@192.0.2.20>\r\n", b"sip:b@192.0.2.20")  # fmt: skip


def routes_of(dialog: Dialog) -> tuple[bytes, list[bytes]]:
    """(Request-URI, Route values) of a request in the dialog."""
    head = b"BYE" + dialog.tail(VIA, 70) + dialog.to + b"CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
    message = scan(head)
    return message.uri, message.values(8)


def test_no_route_goes_to_the_contact() -> None:
    dialog = ours()
    dialog.learn(answer(200))
    assert routes_of(dialog) == (b"sip:b@192.0.2.20", [])
    assert (dialog.remote_tag, dialog.fixed) == (b"t1", True)


def test_record_route_is_reversed_for_the_one_who_called() -> None:
    dialog = ours()
    dialog.learn(answer(200, b"Record-Route: <sip:p2;lr>, <sip:p1;lr;x=y>\r\n"))
    assert routes_of(dialog) == (b"sip:b@192.0.2.20", [b"<sip:p1;lr;x=y>", b"<sip:p2;lr>"])


def test_first_2xx_sets_the_route_anew_then_it_is_fixed() -> None:
    dialog = ours()
    dialog.learn(answer(180, b"Record-Route: <sip:early;lr>\r\n"))
    assert routes_of(dialog)[1] == [b"<sip:early;lr>"]
    dialog.learn(answer(200, b"Record-Route: <sip:final;lr>\r\n"))
    dialog.learn(answer(200, b"Record-Route: <sip:other;lr>\r\n", b"sip:moved@192.0.2.9"))
    assert routes_of(dialog) == (b"sip:moved@192.0.2.9", [b"<sip:final;lr>"])


def test_strict_router_takes_the_request_uri() -> None:
    dialog = ours()
    dialog.learn(answer(200, b"Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1>\r\n"))
    assert routes_of(dialog) == (b"sip:p1", [b"<sip:p2;lr>", b"<sip:b@192.0.2.20>"])
    dialog.retarget(b"sip:moved@192.0.2.9")
    assert routes_of(dialog) == (b"sip:p1", [b"<sip:p2;lr>", b"<sip:moved@192.0.2.9>"])


@pytest.mark.parametrize(
    ("route", "uri"),
    [
        (b"<sip:p;lr>", b""), (b"<sip:p;LR=on>", b""), (b"<sip:p:5070;transport=tcp;lr>", b""),
        (b"<sip:p>", b"sip:p"), (b"<sip:u;lr@p>", b"sip:u;lr@p"), (b"<sip:p>;lr", b"sip:p"),
        (b"<sip:p;lrx>", b"sip:p;lrx"), (b"<broken", b""),
    ],
)  # fmt: skip
def test_who_is_a_strict_router(route: bytes, uri: bytes) -> None:
    assert first_hop(route) == uri


def test_the_called_side_keeps_the_order() -> None:
    message = scan(invite(PEER, US, extra=b"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n"))
    dialog = of_invite(message, b"ours")
    assert routes_of(dialog) == (
        b"sip:alice@192.0.2.10:5060", [b"<sip:p1;lr>", b"<sip:p2;lr>"],
    )  # fmt: skip
    assert dialog.ids.startswith(b"From: <sip:+15550100@192.0.2.1>;tag=ours\r\n")
    assert dialog.to == b"To: <sip:alice@192.0.2.10>;tag=f1\r\n"
    assert (dialog.remote_tag, dialog.remote_cseq) == (b"f1", 1)


def test_without_contact_the_caller_is_reached_by_its_from() -> None:
    data = invite(PEER, US).replace(b"Contact: <sip:alice@192.0.2.10:5060>\r\n", b"")
    assert routes_of(of_invite(scan(data), b"ours")) == (b"sip:alice@192.0.2.10", [])


@pytest.mark.parametrize(
    ("routes", "uri", "lines"),
    [
        ((b"<sip:p1;lr>", b"<sip:p2;lr>"), b"sip:b@h", [b"<sip:p1;lr>", b"<sip:p2;lr>"]),
        ((b"<sip:p1>",), b"sip:p1", [b"<sip:b@h>"]),
    ],
)
def test_a_dial_starts_with_the_routes_it_was_given(
    routes: tuple[bytes, ...], uri: bytes, lines: list[bytes]
) -> None:
    endpoint = Endpoint(b"0" * 16)
    flow = Flow("UDP", *PEER, *US)
    endpoint.perform(Dial(leg=1, flow=flow, uri=b"sip:b@h", from_user=b"a", routes=routes), 1)
    message = scan(endpoint.drain()[0][1])  # type: ignore[arg-type]
    assert (message.uri, message.values(8)) == (uri, lines)
    assert message.value(3) == b"<sip:b@h>"


def test_a_2xx_alone_is_enough_for_an_ack_and_a_bye() -> None:
    dialog = of_response(answer(200, b"Record-Route: <sip:p1;lr>\r\n"))
    assert routes_of(dialog) == (b"sip:b@192.0.2.20", [b"<sip:p1;lr>"])
    assert dialog.to == b"To: <sip:b@192.0.2.20>;tag=t1\r\n"


def test_identifiers_are_keyed_and_name_their_worker() -> None:
    one, same, other = Tokens(b"s" * 16, 7), Tokens(b"s" * 16, 7), Tokens(b"t" * 16, 7)
    pairs = [one.tag_and_call_id() for _ in range(100)]
    assert pairs == [same.tag_and_call_id() for _ in range(100)]
    assert not set(pairs) & {other.tag_and_call_id() for _ in range(100)}
    assert len({text for pair in pairs for text in pair}) == 200
    assert {worker_of(tag) for tag, _call_id in pairs} == {7}
    assert worker_of(MAGIC + pairs[0][0] + b".12") == 7
    assert worker_of(b"z9hG4bKshort") == worker_of(b"xyzxyzxyzxyzxyzxyzxyz") == -1


@pytest.mark.parametrize(("secret", "worker"), [(b"short", 0), (b"s" * 65, 0), (b"s" * 16, 256)])
def test_weak_identifiers_are_refused(secret: bytes, worker: int) -> None:
    with pytest.raises(ValueError, match="secret"):
        Tokens(secret, worker)
