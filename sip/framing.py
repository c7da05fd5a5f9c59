"""Cutting a TCP or TLS stream into messages (RFC 3261 §18.3, §7.5; RFC 5626 §3.5.1).

    …CRLF CRLF | start line, headers CRLF CRLF | body of Content-Length octets | CRLF | start…
    ^ a ping     ^ head, measured by the scanner itself, so that both agree about the end

What is incomplete waits in one buffer, bounded by the largest message. A head whose length
cannot be told ends the connection, since nobody knows where the next message starts; messages
that were complete before it are still delivered.
"""

from sip.scan import measure
from vocabulary import limits
from vocabulary.errors import RemoteProtocolError

PING = b""  # stands in the list for a CRLFCRLF that asks for a CRLF in return


class StreamFramer:
    """One direction of one connection.

    fault: None, or why the connection must be closed after what `feed` returned has been
    answered. Its last item is then the head that could not be framed, so that the endpoint
    can refuse it by `scan_stream` (400 where it is a request that can be answered).
    """

    __slots__ = ("_buffer", "_ready", "_searched", "fault")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no end of headers starts before this index
        self._ready = 0  # octets of the message at the front once measured, 0 before
        self.fault: RemoteProtocolError | None = None

    @property
    def pending(self) -> bool:
        """Whether a message has begun that is not complete: the read timer runs."""
        return len(self._buffer) > 3 or bool(self._buffer.strip(b"\r\n"))

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order; PING for each keep-alive ping.

        Never raises for what a peer sends: see `fault`. After a fault nothing is returned.
        """
        found: list[bytes] = []
        if self.fault is not None:
            return found
        self._buffer += data
        while self._skip_line_ends(found) and self._measured(found):
            if len(self._buffer) < self._ready:
                break
            found.append(bytes(self._buffer[: self._ready]))
            del self._buffer[: self._ready]
            self._ready = self._searched = 0
        return found

    def _skip_line_ends(self, found: list[bytes]) -> bool:
        """Take CRLFs off the front, two of them are a ping. Whether a message has begun."""
        if self._ready:
            return True
        buffer = self._buffer
        while buffer[:2] == b"\r\n":
            if buffer[:4] == b"\r\n\r\n":
                found.append(PING)
                del buffer[:4]
            elif len(buffer) < 4 and b"\r\n\r\n".startswith(buffer):
                return False  # half a ping, or a pong; the next octets tell
            else:
                del buffer[:2]
        return bool(buffer) and buffer != b"\r"

    def _measured(self, found: list[bytes]) -> bool:
        """Whether the size of the message at the front is known; on a fault it never is."""
        if self._ready:
            return True
        at = self._buffer.find(b"\r\n\r\n", self._searched)
        size = at + 4 if at >= 0 else len(self._buffer)
        if size > limits.message_bytes_max:
            return self._fail(RemoteProtocolError("Message Too Large", 513), found, b"")
        if at < 0:
            self._searched = max(0, size - 3)
            return False
        head = bytes(self._buffer[:size])
        try:
            size += measure(head)
        except RemoteProtocolError as fault:
            return self._fail(fault, found, head)
        if size > limits.message_bytes_max:
            return self._fail(RemoteProtocolError("Message Too Large", 513), found, head)
        self._ready = size
        return True

    def _fail(self, fault: RemoteProtocolError, found: list[bytes], head: bytes) -> bool:
        """Give up the stream: hand out the head, keep nothing, remember why."""
        if head:
            found.append(head)
        self._buffer.clear()
        self.fault = fault
        return False
