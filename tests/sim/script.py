"""A peer made of raw bytes, for what no endpoint of ours would do: forks, silence, forgeries."""

from collections.abc import Callable
from typing import Any

from sip.message import Message
from sip.scan import scan
from sip.signals import Flow
from tests.sim.phones import ANSWER
from tests.sim.wire import Address

React = Callable[["Script", Message, Flow], None]


def reply(
    request: Message, status: int, tag: bytes = b"", body: bytes = b"", extra: bytes = b""
) -> bytes:
    """A response to a request, as a plain user agent writes it."""
    head = request.response_head(b"192.0.2.1", 5060)
    to = request.to_line()
    if tag and not request.to_tag:
        to += b";tag=" + tag
    kind = b"Content-Type: application/sdp\r\n" if body else b""
    return b"SIP/2.0 %d Reason\r\n%bTo: %b\r\n%b%bContent-Length: %d\r\n\r\n%b" % (
        status, head, to, extra, kind, len(body), body,
    )  # fmt: skip


def contact(address: Address, user: bytes = b"peer") -> bytes:
    """A Contact line."""
    return b"Contact: <sip:%b@%b:%d>\r\n" % (user, address[0].encode(), address[1])


class Script:
    """A party with the verbs of Party whose behaviour is one function."""

    def __init__(self, name: str, address: Address, react: React | None = None) -> None:
        self.name = name
        self.address = address
        self.react = react
        self.messages: list[Message] = []
        self.sends: list[Any] = []

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue bytes; World.flush or the next event puts them on the wire."""
        self.sends += [flow, data]

    def receive(self, data: bytes, flow: Flow, _now_ns: int) -> None:
        message = scan(data)
        self.messages.append(message)
        if self.react is not None:
            self.react(self, message, flow)

    def pump(self, _now_ns: int) -> list[Any]:
        sends, self.sends = self.sends, []
        return sends

    def expire(self, _now_ns: int) -> None:
        """A script has no timers."""

    def deadline(self) -> int | None:
        return None

    def got(self, method: bytes) -> list[Message]:
        """Requests of one method, in order of arrival."""
        return [m for m in self.messages if m.is_request and m.method_name == method]

    def statuses(self) -> list[int]:
        """Status of each response that came in."""
        return [m.status for m in self.messages if not m.is_request]


def answering(tags: tuple[bytes, ...] = (b"t1",), body: bytes = ANSWER) -> React:
    """A user agent that answers an INVITE 180 and 200 at once, once for each tag, and a BYE."""

    def react(script: Script, message: Message, flow: Flow) -> None:
        if message.method_name == b"INVITE":
            for tag in tags:
                script.send(flow, reply(message, 180, tag))
            for tag in tags:
                script.send(flow, reply(message, 200, tag, body, contact(script.address, tag)))
        elif message.is_request and message.method_name != b"ACK":
            script.send(flow, reply(message, 200))

    return react


def invite(address: Address, target: Address, branch: bytes = b"z9hG4bKa1", **over: bytes) -> bytes:
    """An INVITE. over: call_id, tag, cseq, uri, extra, body, to_tag, method, version, via."""
    field = {
        "call_id": b"c1", "tag": b"f1", "cseq": b"1", "extra": b"", "body": b"", "to_tag": b"",
        "method": b"INVITE", "version": b"SIP/2.0", "host": b"%b:%d" % (
            address[0].encode(), address[1]), "kind": b"application/sdp", "forwards": b"70",
        "uri": b"sip:+15550100@%b" % target[0].encode(),
    }  # fmt: skip
    field |= over
    field |= {
        "branch": branch,
        "to": b";tag=" + field["to_tag"] if field["to_tag"] else b"",
        "type": b"Content-Type: %b\r\n" % field["kind"] if field["body"] else b"",
        "size": b"%d" % len(field["body"]),
    }
    return (
        b"%(method)b %(uri)b %(version)b\r\n"
        b"Via: SIP/2.0/UDP %(host)b;branch=%(branch)b\r\n"
        b"Max-Forwards: %(forwards)b\r\n"
        b"From: <sip:alice@192.0.2.10>;tag=%(tag)b\r\n"
        b"To: <sip:+15550100@192.0.2.1>%(to)b\r\n"
        b"Call-ID: %(call_id)b\r\n"
        b"CSeq: %(cseq)b %(method)b\r\n"
        b"Contact: <sip:alice@%(host)b>\r\n"
        b"%(extra)b%(type)bContent-Length: %(size)b\r\n\r\n%(body)b"
    ) % {key.encode(): value for key, value in field.items()}
