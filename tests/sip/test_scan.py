"""The scanner: what it reads, what it refuses and with which status (T6 of the threat table)."""

import pytest

from sip import grammar
from sip.scan import BrokenMessage, scan
from tests.sip.wire import INVITE_871, build, refused, response
from vocabulary import limits


def test_871_octet_invite() -> None:
    assert len(INVITE_871) == 871
    message = scan(INVITE_871)
    assert message.is_request
    assert message.method == grammar.M_INVITE
    assert message.status == 0
    assert message.uri == b"sip:+12025550123@127.0.0.1:5060"
    assert message.uri_scheme == b"sip"
    assert message.branch == b"z9hG4bK-3021-1-0"
    assert message.sent_by == b"127.0.0.3:5070"
    assert message.via_transport == b"UDP"
    assert message.via_rport == 0
    assert message.from_tag == b"3021SIPpTag001"
    assert message.to_tag == b""
    assert message.cseq == 1
    assert message.max_forwards == 70
    assert message.contact_uri() == b"sip:+12125550199@127.0.0.3:5070;transport=udp"
    assert message.content_type == b"application/sdp"
    assert message.body.count(b"\r\n") == 12
    assert message.body == INVITE_871[-message.content_length :]


@pytest.mark.parametrize(
    "line",
    [
        b"INVITE sip:a@b SIP/2.0 ",
        b"INVITE  sip:a@b SIP/2.0",
        b"INVITE sip:a@b  SIP/2.0",
        b"INVITE sip:a b SIP/2.0",
        b"INVITE <sip:a@b> SIP/2.0",
        b'INVITE "sip:a@b" SIP/2.0',
        b"INVITE sip:a@b?Route=x SIP/2.0",
        b"INVITE sip: SIP/2.0",
        b"INVITE sip:a@ SIP/2.0",
        b"INVITE sip:@b SIP/2.0",
        b"INVITE sip:a@b@c SIP/2.0",
        b"INVITE sip:a%4@b SIP/2.0",
        b"INVITE sip:a%zz@b SIP/2.0",
        b"INVITE sip:b:port SIP/2.0",
        b"INVITE sip:b:65536 SIP/2.0",
        b"INVITE sip:b:0 SIP/2.0",
        b"INVITE sip:b: SIP/2.0",
        b"INVITE sips:[::1 SIP/2.0",
        b"INVITE sip:[] SIP/2.0",
        b"INVITE sip:[::g] SIP/2.0",
        b"INVITE nothing SIP/2.0",
        b"INVITE :x SIP/2.0",
        b"INVITE 1sip:x SIP/2.0",
        b"INVITE sip:a\x7f@b SIP/2.0",
        b"INVITE sip:\xc3\xa9@b SIP/2.0",
        b"INVITE sip:a\tb@c SIP/2.0",
        b"INVITE sip:a\0@b SIP/2.0",
        b"INVITE  SIP/2.0",
    ],
)
def test_bad_request_line_is_400(line: bytes) -> None:
    assert refused(build(line))[0] == 400


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"INVITE",
        b"INVITE sip:a@b",
        b"INV(ITE sip:a@b SIP/2.0",
        b" INVITE sip:a@b SIP/2.0",
        b"SIP/2.0 99 Low",
        b"SIP/2.0 700 High",
        b"SIP/2.0 2000 Long",
        b"SIP/2.0 2x0 Odd",
        b"SIP/2.0 20",
        b"SIP/3.0 200 OK",
        b"SIP/2.0  200 OK",
        b"SIP/2.0",
    ],
)
def test_what_is_not_sip_is_dropped(line: bytes) -> None:
    assert refused(build(line))[0] == 0


def test_other_version_is_505_and_keeps_the_message() -> None:
    with pytest.raises(BrokenMessage) as caught:
        scan(build(b"INVITE sip:a@b SIP/3.0"))
    assert caught.value.status == 505
    assert caught.value.message.method == grammar.M_INVITE
    assert caught.value.message.call_id == b"call-1@192.0.2.1"


def test_version_and_scheme_in_any_letter_case() -> None:
    message = scan(build(b"INVITE SIPS:a@b sip/2.0"))
    assert message.uri_scheme == b"sips"
    assert scan(build(b"INVITE tel:+1-202-555-0123 SIP/2.0")).uri_scheme == b"tel"


def test_unknown_scheme_is_not_the_scanners_refusal() -> None:
    assert scan(build(b"INVITE urn:service:sos SIP/2.0")).uri_scheme == b"urn"


@pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
def test_missing_mandatory_header(name: bytes) -> None:
    assert refused(build(change={name: None}))[0] == (0 if name == b"Via" else 400)
    assert refused(response(change={name: None}))[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        b"From: <sip:eve@example.net>;tag=e",
        b"f: <sip:eve@example.net>;tag=e",
        b"To: <sip:eve@example.net>",
        b"CALL-ID: other",
        b"i: other",
        b"CSeq: 8 INVITE",
        b"Max-Forwards: 70",
        b"Content-Length: 0",
        b"l: 0",
        b"l : 0",
        b"Content-Type: a/b\r\nc: a/b",
        b"Session-Expires: 90\r\nx: 1800",
    ],
)
def test_second_line_of_a_single_header_is_400(line: bytes) -> None:
    status, reason = refused(build(extra=line + b"\r\n"))
    assert (status, reason) == (400, "Repeated Header")
    assert refused(response(extra=line.replace(b"Max-Forwards", b"l") + b"\r\n"))[0] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Content-Length", b"-1"),
        (b"Content-Length", b"+1"),
        (b"Content-Length", b""),
        (b"Content-Length", b"0x0"),
        (b"Content-Length", b"0, 0"),
        (b"Content-Length", b"1 1"),
        (b"Content-Length", b"1"),
        (b"Content-Length", b"4294967296"),
        (b"Content-Length", b"18446744073709551616"),
        (b"Max-Forwards", b""),
        (b"Max-Forwards", b"-1"),
        (b"Max-Forwards", b"7 0"),
        (b"CSeq", b"7"),
        (b"CSeq", b"INVITE 7"),
        (b"CSeq", b"7INVITE"),
        (b"CSeq", b"7 INVITE x"),
        (b"CSeq", b"7 invite"),
        (b"CSeq", b"7 ACK"),
        (b"CSeq", b"-7 INVITE"),
        (b"CSeq", b"2147483648 INVITE"),
        (b"CSeq", b"18446744073709551616 INVITE"),
        (b"Call-ID", b""),
        (b"Call-ID", b"a b"),
        (b"Call-ID", b"a\x7f"),
        (b"Call-ID", b"a" * (limits.call_id_bytes_max + 1)),
        (b"From", b""),
        (b"From", b"bob"),
        (b"From", b"<bob>"),
        (b"From", b"<sip:>"),
        (b"From", b"<sip:a@b"),
        (b"From", b"sip:a@b>"),
        (b"From", b"<sip:a@b>x"),
        (b"From", b"<sip:a@b>;"),
        (b"From", b"<sip:a@b>;;tag=1"),
        (b"From", b"<sip:a@b>;tag="),
        (b"From", b"<sip:a@b>;tag"),
        (b"From", b"<sip:a@b>;tag=1;TAG=2"),
        (b"From", b'<sip:a@b>;x="open'),
        (b"From", b'"open <sip:a@b>'),
        (b"From", b'"shut\\" <sip:a@b>'),
        (b"From", b'"two" words <sip:a@b>'),
        (b"From", b"Bell, Alexander <sip:a@b>"),
        (b"From", b"<sip:a@b>, <sip:c@d>"),
        (b"From", b"sip:a@b?x=y"),
        (b"From", b"< sip:a@b>"),
        (b"From", b"<sip:a@b >"),
        (b"From", b"<sip:a@b>;tag=" + b"t" * (limits.tag_bytes_max + 1)),
        (b"To", b"<sip:" + b"u" * limits.uri_bytes_max + b"@b>"),
        (b"Contact", b"*"),
        (b"Contact", b""),
        (b"Contact", b"<sip:a@b>,"),
        (b"Contact", b"<sip:a@b>;;;;"),
        (b"Contact", b"sip:a@b?Route=x"),
        (b"Record-Route", b"sip:a@b;lr"),
        (b"Route", b"<sip:a@b"),
        (b"Via", b""),
        (b"Via", b"SIP/2.0/UDP"),
        (b"Via", b"SIP/2.0/UDP "),
        (b"Via", b"SIP/2.0 UDP host"),
        (b"Via", b"SIP/2.0/UDPhost"),
        (b"Via", b"SIP/2.0/UDP host:"),
        (b"Via", b"SIP/2.0/UDP host:0"),
        (b"Via", b"SIP/2.0/UDP host:99999"),
        (b"Via", b"SIP/2.0/UDP [::1"),
        (b"Via", b"SIP/2.0/UDP 2001:db8::1"),
        (b"Via", b"SIP/2.0/UDP host;;branch=x"),
        (b"Via", b"SIP/2.0/UDP host;branch="),
        (b"Via", b"SIP/2.0/UDP host;branch=x;branch=y"),
        (b"Via", b"SIP/2.0/UDP host;rport=x"),
        (b"Via", b"SIP/2.0/UDP host;rport=70000"),
        (b"Via", b"SIP/2.0/UDP host;rport;rport"),
        (b"Via", b"SIP/2.0/UDP host;received=1.1.1.1;received=2.2.2.2"),
        (b"Via", b"SIP/2.0/UDP host;branch=x,"),
        (b"Via", b"SIP/2.0/UDP host;branch=" + b"b" * (limits.branch_bytes_max + 1)),
        (b"Via", b"SIP/2.0/UDP " + b"h" * (limits.host_bytes_max + 1)),
        (b"Via", b"SIP/2.0/UDP h" + b", SIP/2.0/UDP h" * limits.via_max),
    ],
)
def test_malformed_value_is_400(name: bytes, value: bytes) -> None:
    assert refused(build(change={name: value}))[0] == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"From", b"Bob <sip:a@b>;tag=x"),
        (b"From", b"<sip:a@b>;tag=x;y"),
        (b"From", b'<SIP:a@b>;y="; tag=no, <>";tag=x'),
        (b"From", b"sip:a@b;tag=x"),
        (b"From", b"<tel:+12025550123>;TAG=x"),
        (b"From", b"\xc3\x89va <sip:a@b> ; tag = x"),
        (b"From", b'"a\\"b, <c>" <sip:a@b>;tag=x'),
        (b"From", b"<sip:a,b;c?d=e@f;g?h=i>;tag=x"),
    ],
)
def test_from_tag_is_found(name: bytes, value: bytes) -> None:
    assert scan(build(change={name: value})).from_tag == b"x"


@pytest.mark.parametrize("odd", [b"\n", b"\r", b"\0", b"\r\r", b"\n\n", b"a\0b", b"\0\\"])
@pytest.mark.parametrize("name", [b"Subject", b"X-Tag", b"To", b"Call-ID", b"Contact"])
def test_line_ends_and_nul_in_a_value_are_400(name: bytes, odd: bytes) -> None:
    value = b'"a%bb" <sip:a@b>' % odd
    with pytest.raises(BrokenMessage) as caught:
        scan(build(change={name: value}))
    assert caught.value.status == 400
    head = caught.value.message.response_head(b"192.0.2.1", 1)
    assert odd not in head.replace(b"\r\n", b"")
    assert caught.value.message.value(grammar.H_SUBJECT) is None


def test_escaped_nul_only_in_a_quoted_string_of_an_address() -> None:
    assert scan(build(change={b"To": b'"a\\\0" <sip:a@b>'})).to_line() == b'"a\\\0" <sip:a@b>'
    assert refused(build(change={b"To": b"a\\\0 <sip:a@b>"}))[0] == 400
    assert refused(build(change={b"To": b'"a\\\\\0" <sip:a@b>'}))[0] == 400
    assert refused(build(change={b"Subject": b'"a\\\0"'}))[0] == 400


def test_injected_header_after_a_bare_line_end_is_never_a_header() -> None:
    for odd in (b"\n", b"\r", b"\n\r"):
        data = build(change={b"Subject": b"x" + odd + b"X-Evil: 1"})
        with pytest.raises(BrokenMessage) as caught:
            scan(data)
        assert caught.value.message.other(b"X-Evil") is None


@pytest.mark.parametrize(
    "line", [b"NoColon", b": no name", b"Bad Name: x", b"B\xc3\xa9: x", b"(x): y", b"x y"]
)
def test_malformed_header_line_is_400(line: bytes) -> None:
    assert refused(build(extra=line + b"\r\n"))[0] == 400


def test_first_header_line_cannot_be_a_continuation() -> None:
    assert refused(build(b"INVITE sip:a@b SIP/2.0\r\n folded: x"))[0] == 400


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\r\n" * 9, b"\0", b" \t\r\n\0\0"])
def test_keep_alive(data: bytes) -> None:
    assert refused(data) == (0, "keep-alive")


def test_ack_and_responses_are_never_answered() -> None:
    ack = build(b"ACK sip:a@b SIP/2.0", {b"CSeq": b"7 ACK", b"To": b"broken"})
    assert refused(ack) == (0, "Malformed To")
    assert refused(response(change={b"To": b"broken"})) == (0, "Malformed To")


def test_response() -> None:
    message = scan(response(b"SIP/2.0 183 Session Progress", {b"CSeq": b"7 UPDATE"}))
    assert (message.is_request, message.status) == (0, 183)
    assert message.method == grammar.M_UPDATE
    assert message.method_name == b"UPDATE"
    assert message.reason == b"Session Progress"
    assert message.uri == b"Session Progress" or message.uri_scheme == b""
    assert scan(response(b"SIP/2.0 200")).reason == b""
    assert scan(response(b"SIP/2.0 200 ")).reason == b""
    assert scan(response(b"sip/2.0 200 \xd0\xb4\xd0\xb0")).reason == b"\xd0\xb4\xd0\xb0"


def test_methods_are_case_sensitive_and_all_known() -> None:
    for number, name in grammar.METHOD_NAMES.items():
        data = build(name + b" sip:a@b SIP/2.0", {b"CSeq": b"1 " + name})
        assert scan(data).method == number
        lower = build(name.lower() + b" sip:a@b SIP/2.0", {b"CSeq": b"1 " + name.lower()})
        assert scan(lower).method == grammar.M_OTHER


def test_every_header_name_in_any_letter_case() -> None:
    for number, name in grammar.HEADER_NAMES.items():
        if number > grammar.H_CONTENT_LENGTH:
            for spelling in (name, name.upper(), name.lower()):
                message = scan(build(extra=spelling + b": <sip:a@b>\r\n"))
                assert message.value(number) == b"<sip:a@b>"
                assert not message.has(grammar.H_OTHER)
            assert scan(build(extra=name + b"x: 1\r\n")).value(number) is None


def test_compact_names() -> None:
    for letter, number in grammar.COMPACT_NAMES.items():
        if number > grammar.H_CONTENT_LENGTH:
            assert scan(build(extra=letter + b": x\r\n")).value(number) == b"x"
            assert scan(build(extra=letter.upper() + b": x\r\n")).value(number) == b"x"
    assert scan(build(extra=b"q: x\r\n")).other(b"Q") == b"x"


def test_folds_count_as_white_space() -> None:
    via = b"SIP\r\n /2.0/\r\n UDP h;branch\r\n =\r\n z9hG4bKx"
    subject = b"Subject: a \r\n\t b\r\n  \r\n c\r\n"
    data = build(change={b"CSeq": b"\r\n 7\r\n\tINVITE\r\n ", b"Via": via}, extra=subject)
    message = scan(data)
    assert message.cseq == 7
    assert message.branch == b"z9hG4bKx"
    assert message.value(grammar.H_SUBJECT) == b"a b  c"


def test_max_forwards_above_255_counts_as_absent() -> None:
    assert scan(build(change={b"Max-Forwards": b"255"})).max_forwards == 255
    assert scan(build(change={b"Max-Forwards": b"300"})).max_forwards == -1
    assert scan(build(change={b"Max-Forwards": b"9" * 40})).max_forwards == -1
    assert scan(build(change={b"Max-Forwards": None})).max_forwards == -1


def test_star_contact_only_in_register() -> None:
    register = {b"CSeq": b"7 REGISTER", b"Contact": b" * "}
    message = scan(build(b"REGISTER sip:b SIP/2.0", register))
    assert message.value(grammar.H_CONTACT) == b"*"
    assert message.contact_uri() == b""
    assert refused(build(b"REGISTER sip:b SIP/2.0", {**register, b"Contact": b"*, *"}))[0] == 400
