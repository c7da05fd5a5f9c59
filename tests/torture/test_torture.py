"""RFC 4475 and RFC 5118 messages against the scanner and the framer, by verdicts.toml."""

import hashlib

import pytest

from sip import encode, grammar, headers, uri
from sip.framing import StreamFramer
from sip.message import Message
from sip.scan import BrokenMessage, scan, scan_stream
from tests.torture.cases import CASES, octets, stream_octets

# What the scanner alone decides: status it asks for, 0 = drop.
REFUSED = {
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "escruri": 400,
    "regbadct": 400,
    "badaspec": 400,
    "badvers": 505,
    "mismatch01": 400,
    "insuf": 400,
    "multi01": 400,
    "mcl01": 400,
    "ipv6-bad": 400,
    "scalarlg": 0,
    "baddn": 0,
    "bigcode": 0,
}
# Well-formed for the scanner; the endpoint answers with one of these.
LEFT_TO_ENDPOINT = {
    "intmeth": {501, 405},
    "esc02": {501, 405},
    "mismatch02": {501, 400},
    "unkscm": {416},
    "novelsc": {416, 404},
    "unksm2": {400},
    "bext01": {420},
    "invut": {415},
    "regaut01": {401},
    "cparam01": {200},
    "cparam02": {200},
    "regescrt": {200},
    "sdp01": {406},
    "via-received-param-with-delim": {481},
    "mult-ip-in-header": {481},
}
# Attributes that the `check` lines of the verdicts name, and others worth a look.
READ: dict[str, dict[str, object]] = {
    "wsinv": {"cseq": 9, "max_forwards": 68, "from_tag": b"98asjd8", "to_tag": b"1918181833n",
              "branch": b"390skdjuw", "sent_by": b"192.0.2.2", "via_transport": b"UDP"},
    "intmeth": {"method": 0, "max_forwards": 255, "cseq": 139122385,
                "method_name": b"!interesting-Method0123456789_*+`.%indeed'~",
                "from_tag": b"_token~1'+`*%!-."},
    "esc01": {"uri": b"sip:sips%3Auser%40example.com@example.net", "uri_scheme": b"sip"},
    "escnull": {"method": grammar.M_REGISTER},
    "esc02": {"method": grammar.M_OTHER, "branch": b"z9hG4bK209%fzsnel234"},
    "lwsdisp": {"from_tag": b"323", "body": b""},
    "longreq": {"method": grammar.M_INVITE, "content_length": 150},
    "dblreq": {"method": grammar.M_REGISTER, "body": b"", "cseq": 8},
    "semiuri": {"method": grammar.M_OPTIONS},
    "transports": {"via_transport": b"UDP"},
    "mpart01": {"content_length": 553, "via_rport": 0, "sent_by": b"127.0.0.1:5070"},
    "unreason": {"status": 200, "is_request": 0, "method": grammar.M_INVITE},
    "noreason": {"status": 100, "reason": b"", "method_name": b"INVITE"},
    "baddate": {"content_type": b"application/sdp"},
    "badbranch": {"branch": b"z9hG4bK"},
    "bcast": {"status": 200, "sent_by": b"192.0.2.198"},
    "zeromf": {"max_forwards": 0},
    "unkscm": {"uri_scheme": b"nobodyknowsthisscheme"},
    "novelsc": {"uri_scheme": b"soap.beep"},
    "inv2543": {"branch": b"", "from_tag": b"", "max_forwards": -1, "content_length": -1},
    "ipv6-good": {"sent_by": b"[2001:db8::9:1]"},
    "via-received-param-with-delim": {"via_received": b"[2001:db8::9:255]",
                                      "to_tag": b"bd76ya"},
    "via-received-param-no-delim": {"via_received": b"2001:db8::9:255",
                                    "branch": b"z9hG4bKas3"},
    "mult-ip-in-header": {"sent_by": b"[2001:db8::9:1]:6050"},
    "ipv4-mapped-ipv6": {"sent_by": b"[::ffff:192.0.2.10]:19823"},
}  # fmt: skip


def refusal(data: bytes) -> BrokenMessage:
    with pytest.raises(BrokenMessage) as caught:
        scan(data)
    return caught.value


def test_every_message_is_here_unchanged() -> None:
    assert len(CASES) == 61
    for name, case in CASES.items():
        assert hashlib.sha256(octets(name)).hexdigest() == case["sha256"], name


@pytest.mark.parametrize("name", CASES)
def test_scanner_decides_as_the_verdict_says(name: str) -> None:
    case = CASES[name]
    data = octets(name)
    if name not in REFUSED:
        message = scan(data)
        for attribute, value in READ.get(name, {}).items():
            assert getattr(message, attribute) == value, attribute
        assert case["udp"] != "status" or set(case["codes"]) == LEFT_TO_ENDPOINT[name]
        return
    fault = refusal(data)
    assert fault.status == REFUSED[name]
    assert fault.status not in case.get("never", [])
    if case["udp"] == "status":
        assert fault.status in case["codes"]
    else:
        assert case["udp"] == "drop"
        assert fault.status == 0


@pytest.mark.parametrize("name", [name for name, status in REFUSED.items() if status])
def test_refusal_repeats_what_the_message_had(name: str) -> None:
    data = octets(name)
    fault = refusal(data)
    message = fault.message
    head = message.response_head(b"127.0.0.3", 5060)
    reply = encode.response(
        head, fault.status, message.to_line(), b"us", b"", b"", b"", fault.reason.encode()
    )
    assert reply.startswith(b"SIP/2.0 %d " % fault.status)
    assert reply.count(b"\r\n\r\n") == 1
    assert reply.endswith(b"\r\n\r\n")
    assert b"\r\nVia:" in reply
    assert b"\r\nCSeq:" in reply
    for line in (b"From", b"To", b"Call-ID"):
        assert reply.count(b"\r\n" + line + b":") == (0 if name == "insuf" else 1)


@pytest.mark.parametrize("name", CASES)
def test_framer_decides_as_the_verdict_says(name: str) -> None:
    rule = CASES[name]["tcp"]
    data = stream_octets(name)
    framer = StreamFramer()
    found = framer.feed(data)
    if rule == "wait-close":
        assert found == []
        assert framer.pending
        assert framer.fault is None
    elif rule in ("close", "400-close"):
        assert len(found) == 1
        assert framer.fault is not None
        assert framer.fault.status == 400
        with pytest.raises(BrokenMessage) as caught:
            scan_stream(found[0])
        assert caught.value.status == 400
        assert framer.feed(octets("lwsdisp")) == []
    else:
        at = data.index(b"\r\n\r\n") + 4
        try:
            length = scan(data).content_length
        except BrokenMessage as broken:
            length = broken.message.content_length
        if rule == "pipelined":
            assert scan_stream(found[1]).method == grammar.M_INVITE
        assert found[0] == data[: at + max(0, length)]


def message_of(name: str) -> Message:
    return scan(octets(name))


def test_wsinv_values() -> None:
    message = message_of("wsinv")
    assert len(message.values(grammar.H_VIA)) == 3
    via = headers.parse_via(message.values(grammar.H_VIA)[1])
    assert via == (b"TCP", b"spindle.example.com", 0, {b"branch": b"z9hG4bK9ikj8"})
    contact = headers.parse_name_addr(message.values(grammar.H_CONTACT)[0])
    assert contact.display == b'Quoted string ""'
    assert contact.params == {b"newparam": b"newvalue", b"secondparam": None, b"q": b"0.33"}
    assert message.value(grammar.H_SUBJECT) == b""
    new = b"newfangled value continued newfangled value"
    assert message.other(b"newfangledheader") == new
    assert message.other(b"UnknownHeaderWithUnusualValue") == b";;,,;;,;"


def test_escapes_are_resolved_once() -> None:
    assert uri.parse_uri(message_of("esc01").uri).user == b"sips:user@example.com"
    contact = uri.parse_uri(message_of("esc01").contact_uri())
    assert contact.params == {b"lr": None, b"name": b"value%41"}
    users = [
        uri.user_of(headers.parse_name_addr(value).uri)
        for value in message_of("escnull").values(grammar.H_CONTACT)
    ]
    assert users == [b"\0", b"\0\0"]


def test_parameters_and_headers_of_contacts_stay_where_they_are() -> None:
    outside = headers.parse_name_addr(message_of("cparam01").values(grammar.H_CONTACT)[0])
    assert outside.uri == b"sip:+19725552222@gw1.example.net"
    assert outside.params == {b"unknownparam": None}
    inside = uri.parse_uri(message_of("cparam02").contact_uri())
    assert inside.params == {b"unknownparam": None}
    kept = message_of("regescrt").contact_uri()
    assert kept == b"sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    assert len(message_of("esc02").values(grammar.H_CONTACT)) == 2


def test_uris_of_the_semicolon_and_ipv6_cases() -> None:
    assert uri.parse_uri(message_of("semiuri").uri).user == b"user;par=u@example.net"
    ambiguous = uri.parse_uri(message_of("port-ambiguous").uri)
    assert (ambiguous.host, ambiguous.port) == (b"[2001:db8::10:5070]", 0)
    plain = uri.parse_uri(message_of("port-unambiguous").uri)
    assert (plain.host, plain.port) == (b"[2001:db8::10]", 5070)
    three = uri.parse_uri(message_of("ipv6-bug-abnf-3-colons").uri)
    assert three.host == b"[2001:db8:::192.0.2.1]"


def test_every_via_is_copied_in_order() -> None:
    for name, count in (("longreq", 34), ("transports", 5), ("mult-ip-in-header", 3)):
        message = message_of(name)
        head = message.response_head(b"198.51.100.7", 1024)
        reply = scan(encode.response(head, 200, message.to_line(), b"x", b"", b"", b""))
        assert len(reply.values(grammar.H_VIA)) == count
        assert reply.values(grammar.H_VIA)[1:] == message.values(grammar.H_VIA)[1:]
        assert reply.via_received == b"198.51.100.7"


def test_to_of_intmeth_goes_back_octet_for_octet() -> None:
    message = message_of("intmeth")
    head = message.response_head(b"192.0.2.1", 5060)
    reply = encode.response(head, 501, message.to_line(), b"x", b"", b"", b"")
    line = octets("intmeth").split(b"\r\n")[2]
    assert line.startswith(b'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f"')
    assert line + b";tag=x\r\n" in reply


def test_bodies_are_exact() -> None:
    data = octets("mpart01")
    assert scan(data).body == data[data.index(b"\r\n\r\n") + 4 :]
    assert len(scan(octets("inv2543")).body) == 105
