"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip import uri
from vocabulary.errors import RemoteProtocolError


def test_every_part() -> None:
    text = b"SIPS:al%69ce;d=x:s%65cret@[2001:DB8::1]:5070;Transport=TCP;lr;x=%41?Subject=a%20b&c=d"
    assert uri.parse_uri(text) == (
        b"sips",
        b"alice;d=x",
        b"secret",
        b"[2001:db8::1]",
        5070,
        {b"transport": b"TCP", b"lr": None, b"x": b"A"},
        ((b"subject", b"a b"), (b"c", b"d")),
    )


def test_few_parts() -> None:
    assert uri.parse_uri(b"sip:Host") == (b"sip", b"", b"", b"host", 0, {}, ())
    assert uri.parse_uri(b"sip:a:@h;") == (b"sip", b"a", b"", b"h", 0, {}, ())


def test_tel() -> None:
    parsed = uri.parse_uri(b"tel:+1-(202).555-0123;ext=7;phone-context=x.example")
    assert (parsed.scheme, parsed.user, parsed.host) == (b"tel", b"+12025550123", b"")
    assert parsed.params == {b"ext": b"7", b"phone-context": b"x.example"}
    for bad in (b"tel:", b"tel:+", b"tel:x", b"tel:1+2", b"tel:;ext=1", b"tel:(--)"):
        with pytest.raises(RemoteProtocolError) as caught:
            uri.parse_uri(bad)
        assert caught.value.status == 400


@pytest.mark.parametrize(
    "value",
    [b"", b":", b"sip", b":x", b"sip:", b"sip:@h", b"sip:a@", b"sip:a@b@c", b"sip:h:", b"sip:h:0",
     b"sip:h:70000", b"sip:h:p", b"sip:[::1", b"sip:[]", b"sip:2001:db8::10", b"sip:a b@h",
     b"sip:a@h>", b"sip:%4@h", b"sip:%zz@h", b"s p:x", b"sip:h;x=%4", b"sip:h?x=%z1", b"sip:a\r@h",
     b"sip:h h", b"sip:a@h/p"],
)  # fmt: skip
def test_malformed(value: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        uri.parse_uri(value)
    assert caught.value.status == 400
    assert uri.user_of(value) == b"" or value in (b"sip:a b@h", b"sip:a\r@h", b"sip:a@h>")


def test_unknown_scheme_is_416() -> None:
    for value in (b"http://x", b"urn:service:sos", b"isbn:2983792873"):
        with pytest.raises(RemoteProtocolError) as caught:
            uri.parse_uri(value)
        assert caught.value.status == 416
        assert uri.user_of(value) == b""
        assert uri.hostport_of(value) == (b"", 0, b"")


def test_user_of() -> None:
    assert uri.user_of(b"sip:+12025550123:pw@h;x") == b"+12025550123"
    assert uri.user_of(b"SIP:%2B1;phone-context=x@h") == b"+1;phone-context=x"
    assert uri.user_of(b"tel:+1-202-555-0123;x") == b"+12025550123"
    assert uri.user_of(b"sip:h") == b""


def test_hostport_of() -> None:
    assert uri.hostport_of(b"sip:a@H.example") == (b"h.example", 0, b"")
    want = (b"2001:db8::1", 5061, b"tls")
    assert uri.hostport_of(b"sips:a@[2001:DB8::1]:5061;lr;TRANSPORT=TLS?x=y") == want
    assert uri.hostport_of(b"sip:a@h?transport=tcp") == (b"h", 0, b"")
    assert uri.hostport_of(b"tel:+1") == (b"", 0, b"")
    assert uri.hostport_of(b"sip:") == (b"", 0, b"")


@given(st.binary(min_size=1))
def test_any_user_part_comes_back(user: bytes) -> None:
    text = b"sip:" + uri.escape_user(user) + b"@h"
    assert uri.parse_uri(text).user == user
    assert uri.user_of(text) == user
    assert not set(text) & set(b'\r\n\0 <>"')


# RFC 3261 §19.1.4
EQUAL = [
    (b"sip:%61lice@atlanta.com;transport=TCP", b"sip:alice@AtLanTa.CoM;Transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
     b"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"),
    (b"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
     b"sip:alice@atlanta.com?priority=urgent&subject=project%20x"),
    (b"tel:+1-201-555-0123", b"tel:+12015550123"),
]  # fmt: skip
DIFFERENT = [
    (b"SIP:ALICE@AtLanTa.CoM;Transport=udp", b"sip:alice@AtLanTa.CoM;Transport=UDP"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:6000;transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com?Subject=next%20meeting"),
    (b"sip:bob@phone21.boxesbybob.com", b"sip:bob@192.0.2.4"),
    (b"sip:a@b", b"sips:a@b"),
    (b"sip:a@b;x=1", b"sip:a@b;x=2"),
    (b"tel:+1", b"tel:+2"),
    (b"tel:1;phone-context=a", b"tel:1;phone-context=b"),
]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_equal(a: bytes, b: bytes) -> None:
    assert uri.same_uri(a, b)
    assert uri.same_uri(b, a)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different(a: bytes, b: bytes) -> None:
    assert not uri.same_uri(a, b)
    assert not uri.same_uri(b, a)
