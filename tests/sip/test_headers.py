"""Values of header fields: addresses, Via, CSeq, lists, quoting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import headers
from vocabulary.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("value", "display", "uri", "params"),
    [
        (b"sip:a@b", b"", b"sip:a@b", {}),
        (b"sip:a@b;tag=x;Q", b"", b"sip:a@b", {b"tag": b"x", b"q": None}),
        (b"<sip:a@b;lr>", b"", b"sip:a@b;lr", {}),
        (b"Bob  Smith <sip:a@b> ; x = y", b"Bob  Smith", b"sip:a@b", {b"x": b"y"}),
        (b'"a \\"b\\" \\\\c" <sip:a@b>', b'a "b" \\c', b"sip:a@b", {}),
        (b'"" <sip:a@b>;x="p;q\\"r"', b"", b"sip:a@b", {b"x": b'p;q"r'}),
        (b'"x"<tel:+1;phone-context=y>', b"x", b"tel:+1;phone-context=y", {}),
        (b"\xd0\xb4\xd0\xb0 <sip:a@b>", b"\xd0\xb4\xd0\xb0", b"sip:a@b", {}),
        (b"<sip:a@b>;x=1;X=2", b"", b"sip:a@b", {b"x": b"1"}),
        (b"<sip:a@b>;r=[2001:db8::1]", b"", b"sip:a@b", {b"r": b"[2001:db8::1]"}),
    ],
)
def test_name_addr(
    value: bytes, display: bytes, uri: bytes, params: dict[bytes, bytes | None]
) -> None:
    assert headers.parse_name_addr(value) == (display, uri, params)


@pytest.mark.parametrize(
    "value",
    [b"", b"*", b"<>", b"a", b"<a>", b"sip:", b"<sip:a", b'"a <sip:a>', b'"a" sip:a', b"<sip:a>,",
     b"<sip:a>, <sip:b>", b"<sip:a> x", b"<sip:a>;", b"<sip:a>;=x", b"<sip:a>;x=", b"<sip: a>",
     b"a;b <sip:c>", b"a\\b <sip:c>", b"sip:a b", b"<sip:a>;x y", b'<sip:a>;x="\\'],
)  # fmt: skip
def test_malformed_address(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        headers.parse_name_addr(value)
    assert caught.value.status == 400


def test_via() -> None:
    via = headers.parse_via(b"SIP/2.0/udp Host.Example:5061;branch=z9;rport;received=1.2.3.4")
    assert via.transport == b"UDP"
    assert (via.host, via.port) == (b"host.example", 5061)
    assert via.params == {b"branch": b"z9", b"rport": None, b"received": b"1.2.3.4"}
    assert headers.parse_via(b"SIP / 2.0 / TCP [::1] : 7") == (b"TCP", b"[::1]", 7, {})


@pytest.mark.parametrize(
    "value", [b"", b"SIP/2.0/UDP", b"SIP/2.0/UDP h x", b"UDP h", b"SIP/2.0/UDP h;", b"a/b/c [1"]
)
def test_malformed_via(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        headers.parse_via(value)


def test_cseq() -> None:
    assert headers.parse_cseq(b"0009 \t INVITE") == (9, b"INVITE")
    assert headers.parse_cseq(b"2147483647 x-y") == (2**31 - 1, b"x-y")
    for value in (b"", b"1", b"INVITE 1", b"2147483648 BYE", b"-1 BYE", b"1 BYE x", b"1 B(E"):
        with pytest.raises(RemoteProtocolError):
            headers.parse_cseq(value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"0", 0), (b"18000;duration=3600", 18000), (b"120 (busy; really)", 120), (b" 5 ", 5),
     (b"9" * 30, 2**32 - 1), (b"", -1), (b"-1", -1), (b"5 s", -1), (b"(5)", -1), (b"1.5", -1)],
)  # fmt: skip
def test_retry_after(value: bytes, seconds: int) -> None:
    assert headers.parse_retry_after(value) == seconds


def test_seconds() -> None:
    assert headers.parse_seconds(b"1800;refresher=uac") == 1800
    assert headers.parse_seconds(b"x") == -1


def test_split_list() -> None:
    assert headers.split_list(b"a, b ,,\tc,") == [b"a", b"b", b"c"]
    assert headers.split_list(b'"a,\\",b" <c,d>;e=",", f') == [b'"a,\\",b" <c,d>;e=","', b"f"]
    assert headers.split_list(b"") == []
    assert headers.split_list(b'a, "open, b') == [b"a", b'"open, b']
    assert headers.split_list(b"a, <open, b") == [b"a", b"<open, b"]


def test_params() -> None:
    assert headers.parse_params(b"") == {}
    assert headers.parse_params(b' ; A = "x" ; b') == {b"a": b"x", b"b": None}
    for value in (b"a=1", b";", b";a=", b';a="', b";a b"):
        with pytest.raises(RemoteProtocolError):
            headers.parse_params(value)


def test_tag_of() -> None:
    assert headers.tag_of(b"<sip:a;tag=no>;x;tag=yes") == b"yes"
    assert headers.tag_of(b"sip:a;TAG = yes") == b"yes"
    assert headers.tag_of(b"<sip:a>") == b""
    assert headers.tag_of(b'"broken <sip:a>;tag=x') == b""


def test_unquote() -> None:
    assert headers.unquote(b'"a\\b\\\\"') == b"ab\\"
    assert headers.unquote(b"plain") == b"plain"
    assert headers.unquote(b'"') == b'"'
    assert headers.unquote(b'""') == b""


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])))
def test_any_display_name_comes_back(text: str) -> None:
    quoted = headers.quote_display(text)
    assert headers.unquote(quoted) == text.encode()
    parsed = headers.parse_name_addr(quoted + b" <sip:a@b>;tag=x")
    assert parsed == (text.encode(), b"sip:a@b", {b"tag": b"x"})


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "\n", "\r", "a\0b"])
def test_line_ends_and_nul_never_enter_a_display_name(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        headers.quote_display(text)


@given(st.lists(st.text("abc-.!", min_size=1), max_size=9))
def test_split_list_undoes_join(words: list[str]) -> None:
    raw = [word.encode() for word in words]
    assert headers.split_list(b" , ".join(raw)) == raw
