"""What a message tells when asked, and the head of the response to it."""

from hypothesis import given
from hypothesis import strategies as st

from sip import encode, grammar
from sip.scan import scan
from tests.sip.wire import INVITE_871, build, response


def head(via: bytes, host: bytes = b"192.0.2.1", port: int = 5060) -> bytes:
    """First line of the response head for a request with this top Via."""
    text = scan(build(change={b"Via": via})).response_head(host, port)
    return text.split(b"\r\n")[0]


def test_top_via_stays_when_the_source_is_its_sent_by() -> None:
    for via in (b"SIP/2.0/UDP 192.0.2.1:9;branch=x", b"SIP / 2.0 / TCP 192.0.2.1 ; branch = x"):
        assert head(via) == b"Via: " + via
    assert head(b"SIP/2.0/UDP [2001:DB8::1]", b"2001:db8::1") == b"Via: SIP/2.0/UDP [2001:DB8::1]"


def test_received_where_the_source_differs() -> None:
    via = b"SIP/2.0/UDP phone.invalid;branch=x"
    assert head(via) == b"Via: " + via + b";received=192.0.2.1"
    assert head(via, b"2001:db8::7") == b"Via: " + via + b";received=2001:db8::7"


def test_rport_is_filled_and_brings_received() -> None:
    expected = b"Via: SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.1;rport=5062"
    for via in (
        b"SIP/2.0/UDP 192.0.2.1;rport;branch=x",
        b"SIP/2.0/UDP 192.0.2.1;branch=x;rport",
        b"SIP/2.0/UDP 192.0.2.1;branch=x;RPORT=1",
        b"SIP/2.0/UDP 192.0.2.1;branch=x;rport ",
    ):
        assert head(via, port=5062) == expected


def test_received_of_a_request_is_overwritten() -> None:
    for via in (
        b"SIP/2.0/UDP 192.0.2.1;received=6.6.6.6;branch=x",
        b"SIP/2.0/UDP 192.0.2.1;branch=x;Received=[::6]",
    ):
        assert head(via) == b"Via: SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.1"
    both = b"SIP/2.0/UDP h;rport=1;received=6.6.6.6;branch=x"
    assert head(both) == b"Via: SIP/2.0/UDP h;branch=x;received=192.0.2.1;rport=5060"
    both = b"SIP/2.0/UDP h;received=6.6.6.6;a;rport=1;branch=x"
    assert head(both) == b"Via: SIP/2.0/UDP h;a;branch=x;received=192.0.2.1;rport=5060"


def test_only_the_top_via_element_changes() -> None:
    via = b"SIP/2.0/UDP a;branch=1 , SIP/2.0/TCP b;rport;received=9.9.9.9"
    want = b"Via: SIP/2.0/UDP a;branch=1;received=192.0.2.1, SIP/2.0/TCP b;rport;received=9.9.9.9"
    assert head(via) == want
    data = build(extra=b"v: SIP/2.0/UDP c;rport\r\n")
    assert b"v: SIP/2.0/UDP c;rport\r\n" in scan(data).response_head(b"10.0.0.1", 5)


def test_response_head_in_message_order() -> None:
    data = build(extra=b"Timestamp: 54\r\nRecord-Route: <sip:p;lr>\r\n")
    assert scan(data).response_head(b"192.0.2.1", 5060) == (
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;received=192.0.2.1;rport=5060\r\n"
        b'From: "Bob" <sip:bob@example.com>;tag=f1\r\nCall-ID: call-1@192.0.2.1\r\n'
        b"CSeq: 7 INVITE\r\nTimestamp: 54\r\n"
    )


@given(st.permutations([b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Contact", b"Subject"]))
def test_response_head_holds_each_line_once_in_any_order(order: list[bytes]) -> None:
    message = scan(INVITE_871)
    lines = {name: message.lines(number) for number, name in grammar.HEADER_NAMES.items()}
    data = INVITE_871.split(b"\r\n", 1)[0] + b"\r\n" + b"".join([lines[n] for n in order])
    shuffled = scan(data + b"Content-Length: 0\r\n\r\n")
    head_lines = shuffled.response_head(b"127.0.0.3", 5070).split(b"\r\n")
    via = lines[b"Via"].strip().replace(b";rport", b";received=127.0.0.3;rport=5070")
    expected = [
        via if name == b"Via" else lines[name].strip()
        for name in order
        if name in (b"Via", b"From", b"Call-ID", b"CSeq")
    ]
    assert head_lines == [*expected, b""]


def test_values_are_split_where_the_header_is_a_list() -> None:
    data = build(
        extra=b"Supported: timer ,100rel,\r\n  replaces\r\nk: path\r\nSubject: a, b\r\n"
        b'P-Asserted-Identity: "x, y" <sip:a,b@c>, <tel:+12025550123>\r\n'
        b'Authorization: Digest username="a", realm="b"\r\n'
    )
    message = scan(data)
    assert message.values(grammar.H_SUPPORTED) == [b"timer", b"100rel", b"replaces", b"path"]
    assert message.value(grammar.H_SUPPORTED) == b"timer ,100rel, replaces"
    assert message.values(grammar.H_SUBJECT) == [b"a, b"]
    identities = [b'"x, y" <sip:a,b@c>', b"<tel:+12025550123>"]
    assert message.values(grammar.H_P_ASSERTED_IDENTITY) == identities
    assert message.values(grammar.H_AUTHORIZATION) == [b'Digest username="a", realm="b"']
    assert message.values(grammar.H_REQUIRE) == []
    assert message.value(grammar.H_REQUIRE) is None
    assert not message.has(grammar.H_REQUIRE)
    assert message.has(grammar.H_SUPPORTED)
    assert message.has(grammar.H_ACCEPT_CONTACT) is False


def test_unknown_headers_by_name_and_prefix() -> None:
    message = scan(build(extra=b"X-Source : web\r\nx-campaign:  7 \r\nx-source: 2\r\nP-Odd: 1\r\n"))
    assert message.other(b"X-SOURCE") == b"web"
    assert message.other(b"x-none") is None
    assert message.others(b"X-") == [
        (b"X-Source", b"web"),
        (b"x-campaign", b"7"),
        (b"x-source", b"2"),
    ]
    assert scan(build()).others(b"") == []
    assert scan(build()).other(b"X-Source") is None


def test_lines_are_as_sent() -> None:
    extra = b"Record-Route: <sip:a;lr>\r\nRECORD-ROUTE:<sip:b;lr>,\r\n <sip:c>;x=y\r\n"
    message = scan(build(extra=extra))
    assert message.lines(grammar.H_RECORD_ROUTE) == extra
    assert message.record_routes() == [b"<sip:a;lr>", b"<sip:b;lr>", b"<sip:c>;x=y"]
    assert message.lines(grammar.H_ROUTE) == b""


def test_every_octet_of_a_message_is_in_one_place() -> None:
    message = scan(INVITE_871)
    lines = b"".join(message.lines(number) for number in range(64))
    first = b"%b %b SIP/2.0\r\n" % (message.method_name, message.uri)
    assert len(first) + len(lines) + 2 + len(message.body) == len(INVITE_871)
    for line in lines.split(b"\r\n"):
        assert line in INVITE_871


def test_contact_uri() -> None:
    for value, uri in (
        (b"<sip:a@b;x?y=z>;q=1", b"sip:a@b;x?y=z"),
        (b"sip:a@b;q=1", b"sip:a@b"),
        (b'"<no>, sip:no" <sips:a@b>, <sip:c@d>', b"sips:a@b"),
        (b"\r\n <sip:a@b>", b"sip:a@b"),
    ):
        assert scan(build(change={b"Contact": value})).contact_uri() == uri
    assert scan(build(change={b"Contact": None})).contact_uri() == b""


def test_top_via_fields() -> None:
    message = scan(build(change={b"Via": b"SIP/2.0/tcp [2001:DB8::1] : 05070;branch=B;rport=9"}))
    assert message.sent_by == b"[2001:db8::1]:5070"
    assert message.via_transport == b"TCP"
    assert (message.via_rport, message.via_received) == (9, b"")
    assert scan(build(change={b"Via": b"SIP/2.0/UDP H"})).via_rport == -1
    assert scan(build(change={b"Via": b"SIP/2.0/UDP H"})).sent_by == b"h"
    assert scan(build(change={b"Via": b"SIP/2.0/UDP H;received=::1"})).via_received == b"::1"


def test_body_without_content_length_is_the_rest() -> None:
    data = build(change={b"Content-Length": None}, body=b"abc\r\n\r\n")
    assert scan(data).body == b"abc\r\n\r\n"
    assert scan(data).content_type == b""


def test_response_to_a_response_head_scans() -> None:
    message = scan(INVITE_871)
    top = message.response_head(b"203.0.113.9", 40_000)
    reply = scan(encode.response(top, 486, message.to_line(), b"t1", b"", b"", b""))
    assert (reply.status, reply.reason) == (486, b"Busy Here")
    assert (reply.branch, reply.via_rport) == (message.branch, 40_000)
    assert reply.via_received == b"203.0.113.9"
    assert (reply.from_tag, reply.to_tag) == (message.from_tag, b"t1")
    assert reply.call_id == message.call_id
    assert response().startswith(b"SIP/2.0 200 OK\r\n")
