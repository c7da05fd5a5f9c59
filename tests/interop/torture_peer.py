"""Sends a torture message as it is and reads what comes back; ACKs finals, CANCELs ringing.

Requests leave from 127.0.0.3:`reply_port`, which is the port in the message's top Via
(RFC 3261 §18.2.2 sends the reply to `received` at that port).
"""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

HOST = "127.0.0.3"
PROBE_HOST = "127.0.0.8"
_BYTES = 65_535
Address = tuple[str, int]


@dataclass(frozen=True)
class Answer:
    """One response: status, and the values of its headers by lower-case long name."""

    status: int
    headers: tuple[tuple[str, bytes], ...]

    def value(self, name: str) -> bytes:
        """First value of a header; b"" when there is none."""
        return next((value for own, value in self.headers if own == name), b"")


_LONG = {"v": "via", "f": "from", "t": "to", "i": "call-id", "l": "content-length",
         "m": "contact", "c": "content-type", "k": "supported"}


def fields(data: bytes) -> tuple[tuple[str, bytes], ...]:
    """Header fields of a message, unfolded, in order; broken lines are left out."""
    head = re.split(rb"\r\n\r\n", data, maxsplit=1)[0]
    lines = re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")[1:]
    found = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            short = name.strip().lower().decode("latin-1")
            found.append((_LONG.get(short, short), value.strip()))
    return tuple(found)


def answer_of(data: bytes) -> Answer | None:
    """The response in `data`; None when it is something else."""
    match = re.match(rb"SIP/2\.0 (\d{3}) ", data)
    return Answer(int(match[1]), fields(data)) if match else None


def own_call_id(request: bytes) -> bytes:
    """Call-ID of a torture request; b"" when it has none."""
    return dict(reversed(fields(request))).get("call-id", b"")


def follow_up(method: bytes, request: bytes, answer: Answer) -> bytes:
    """ACK of a final or CANCEL of a pending INVITE: same branch, hop by hop (§17.1.1.3, §9.1)."""
    uri = request.split(b"\r\n", 1)[0].split()[1]
    to = answer.value("to") if method == b"ACK" else dict(reversed(fields(request)))["to"]
    number = answer.value("cseq").split()[0]
    via = next(value for name, value in fields(request) if name == "via")
    return b"\r\n".join([
        method + b" " + uri + b" SIP/2.0", b"Via: " + via, b"Max-Forwards: 70",
        b"From: " + answer.value("from"), b"To: " + to, b"Call-ID: " + answer.value("call-id"),
        b"CSeq: " + number + b" " + method, b"Content-Length: 0", b"", b""])


def options(host: str, port: int, transport: str, target: str, ordinal: int) -> bytes:
    """A healthy OPTIONS request from host:port."""
    tag = f"{host}-{port}-{ordinal}".replace(".", "-")
    return (f"OPTIONS sip:{target} SIP/2.0\r\n"
            f"Via: SIP/2.0/{transport} {host}:{port};branch=z9hG4bKlive{tag}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:probe@{host}>;tag={tag}\r\nTo: <sip:{target}>\r\n"
            f"Call-ID: live-{tag}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode()


class Probe:
    """Asks from a socket of its own whether the server still answers, and how fast."""

    def __init__(self, server: Address) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((PROBE_HOST, 0))
        self._server, self._ordinal = server, 0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def alive(self, within_s: float) -> bool:
        """Whether an OPTIONS is answered 200 in time."""
        self._ordinal += 1
        port = self._socket.getsockname()[1]
        target = f"{self._server[0]}:{self._server[1]}"
        self._socket.sendto(options(PROBE_HOST, port, "UDP", target, self._ordinal),
                            self._server)
        self._socket.settimeout(within_s)
        wanted = b"live-%s-%d-%d" % (PROBE_HOST.replace(".", "-").encode(), port, self._ordinal)
        try:
            while True:
                data = self._socket.recv(_BYTES)
                if wanted in data:
                    return data.startswith(b"SIP/2.0 200 ")
        except TimeoutError:
            return False


def udp_answers(server: Address, request: bytes, reply_port: int, probe: Probe,
                wait_s: float, owed: bool) -> list[Answer]:
    """Responses to one datagram: until its final, else all that came before a probe's answer.

    The server takes datagrams in order: once a later OPTIONS is answered, what the message
    draws at once has been sent. Only then a missing final is waited for, up to wait_s; one that
    is owed from the start also when nothing has come yet.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((HOST, reply_port))
        sender.sendto(request, server)
        probe.alive(wait_s)
        found: list[Answer] = []
        for answer in _datagrams(sender, own_call_id(request), wait_s, owed):
            found.append(answer)
            reply = _reply(request, answer, len(found))
            if reply:
                sender.sendto(reply, server)
            if answer.status >= 200 and answer.value("cseq").split()[-1] != b"CANCEL":
                break
        return found


def _datagrams(receiver: socket.socket, call_id: bytes, wait_s: float, owed: bool
               ) -> Iterator[Answer]:
    """Responses with this Call-ID; waits only while a final is owed."""
    pending = owed
    while True:
        receiver.settimeout(wait_s if pending else 0.0)
        try:
            answer = answer_of(receiver.recv(_BYTES))
        except (TimeoutError, BlockingIOError):
            return
        if answer is not None and answer.value("call-id") == call_id:
            pending = answer.status < 200 or answer.value("cseq").endswith(b"CANCEL")
            yield answer


def _reply(request: bytes, answer: Answer, nth: int) -> bytes:
    """What a well-behaved caller sends next: ACK, CANCEL, or nothing."""
    method = answer.value("cseq").split()[-1:]
    if method != [b"INVITE"] or not request.startswith(b"INVITE "):
        return b""
    if answer.status >= 300:
        return follow_up(b"ACK", request, answer)
    return follow_up(b"CANCEL", request, answer) if answer.status < 200 and nth == 1 else b""


class Stream:
    """A TCP connection from 127.0.0.3 that frames what comes back by Content-Length."""

    def __init__(self, server: Address, wait_s: float) -> None:
        self._socket = socket.create_connection(server, timeout=wait_s, source_address=(HOST, 0))
        self._kept = b""
        self.closed = False

    def close(self) -> None:
        """Give the connection back."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Write; a connection that the server has closed is noted, not raised."""
        try:
            self._socket.sendall(data)
        except OSError:
            self.closed = True

    def finals(self, request: bytes, count: int = 1) -> list[Answer]:
        """The next `count` finals, fewer when the server closes or stays silent."""
        found: list[Answer] = []
        nth = 0
        while len(found) < count:
            data = self._message()
            answer = answer_of(data) if data else None
            if not data:
                return found
            if answer is None:
                continue
            nth += 1
            reply = _reply(request, answer, nth)
            if reply:
                self.send(reply)
            if answer.status >= 200 and answer.value("cseq").split()[-1] != b"CANCEL":
                found.append(answer)
        return found

    def alive(self, server: Address) -> bool:
        """Whether an OPTIONS on this connection is answered 200."""
        host, port = self._socket.getsockname()
        self.send(options(host, port, "TCP", f"{server[0]}:{server[1]}", 1))
        return [answer.status for answer in self.finals(b"OPTIONS ")] == [200]

    def wait_closed(self, wait_s: float) -> bool:
        """Whether the server closes within wait_s; what it sends meanwhile is read over."""
        self._socket.settimeout(wait_s)
        while not self.closed and self._message():
            pass
        return self.closed

    def _message(self) -> bytes:
        """The next whole message; b"" at the end or when the wait is over."""
        while True:
            head, blank, rest = self._kept.lstrip(b"\r\n").partition(b"\r\n\r\n")
            length = int(dict(fields(head + blank)).get("content-length", b"0") or 0)
            if blank and len(rest) >= length:
                self._kept = rest[length:]
                return head + blank + rest[:length]
            try:
                data = self._socket.recv(_BYTES)
            except TimeoutError:
                return b""
            except OSError:
                data = b""
            if not data:
                self.closed = True
                return b""
            self._kept += data
