"""The link: request and response between our processes over a Unix socket.

```
frame = u32 length, big-endian │ MessagePack [id, Request]   →
                               │ MessagePack [id, Response]  ←   answers in any order
```
Requests and responses are the tagged unions of vocabulary.commands, bounded by
limits.frame_bytes_max. A request that cannot be read is answered by a Refusal under its id; a
frame whose id cannot be read, or that is too long, closes the connection.
"""

import asyncio
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from vocabulary import limits
from vocabulary.commands import Refusal, Request, Response
from vocabulary.errors import CommandRefused, ExchangeError

Handler = Callable[[Request], Awaitable[Response]]

HEAD_BYTES = 4
_ENCODER = msgspec.msgpack.Encoder()
_ENVELOPE = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_REQUEST: "msgspec.msgpack.Decoder[Request]" = msgspec.msgpack.Decoder(Request)
_RESPONSE: "msgspec.msgpack.Decoder[Response]" = msgspec.msgpack.Decoder(Response)

log = logging.getLogger("dce.link")


class LinkDown(ExchangeError):
    """The other process cannot be reached, or did not answer in time.

    sent: the request may have been carried out; ask again with the same idempotency key.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class FrameInvalid(ExchangeError):
    """A peer sent a frame that is too long or holds no id."""


def encode_frame(number: int, value: Request | Response) -> bytes:
    """One frame. Raises FrameInvalid if it would exceed limits.frame_bytes_max."""
    body = _ENCODER.encode((number, value))
    if len(body) > limits.frame_bytes_max:
        raise FrameInvalid(f"frame of {len(body)} bytes, at most {limits.frame_bytes_max}")
    return len(body).to_bytes(HEAD_BYTES, "big") + body


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, msgspec.Raw] | None:
    """(id, undecoded value) of the next frame; None at a clean end of the stream.

    Raises FrameInvalid, or asyncio.IncompleteReadError for an end inside a frame.
    """
    try:
        head = await reader.readexactly(HEAD_BYTES)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    length = int.from_bytes(head, "big")
    if length > limits.frame_bytes_max:
        raise FrameInvalid(f"frame of {length} bytes, at most {limits.frame_bytes_max}")
    try:
        return _ENVELOPE.decode(await reader.readexactly(length))
    except msgspec.MsgspecError as error:
        raise FrameInvalid(f"frame without an id: {error}") from None


class LinkServer:
    """Answers requests on a Unix socket; one handler call each, many at a time."""

    def __init__(self, path: str | os.PathLike[str], handler: Handler) -> None:
        self._path = os.fspath(path)
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError if the path is in use by a living process or not writable."""
        _remove_stale(self._path)
        mask = os.umask(0o177)  # the socket is its owner's alone from its first instant
        try:
            self._server = await asyncio.start_unix_server(
                self._accept, self._path, limit=2**16, backlog=limits.link_connections_max
            )
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Stop listening, end every connection, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        with suppress(FileNotFoundError):
            os.unlink(self._path)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= limits.link_connections_max:
            log.warning("link: connection refused, %d are open", len(self._connections))
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        answers: set[asyncio.Task[None]] = set()
        try:
            await self._serve(reader, writer, answers)
        except (FrameInvalid, asyncio.IncompleteReadError, ConnectionError) as error:
            log.warning("link: connection ended: %s", error)
        except asyncio.CancelledError:
            pass  # stop() ends us; the streams' own callback would log a cancellation
        finally:
            for answer in answers:
                answer.cancel()
            self._connections.discard(task)
            writer.close()

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: set[asyncio.Task[None]],
    ) -> None:
        """Read frames until the end; at the bound of requests in flight, reading waits."""
        room = asyncio.Semaphore(limits.link_requests_max)
        while (frame := await read_frame(reader)) is not None:
            await room.acquire()
            answer = asyncio.create_task(self._answer(frame, writer))
            answers.add(answer)
            answer.add_done_callback(answers.discard)
            answer.add_done_callback(lambda _: room.release())

    async def _answer(
        self, frame: tuple[int, msgspec.Raw], writer: asyncio.StreamWriter
    ) -> None:
        number, raw = frame
        response = await self._respond(raw)
        try:
            data = encode_frame(number, response)
        except FrameInvalid as error:
            data = encode_frame(number, Refusal("answer_too_large", str(error)))
        with suppress(ConnectionError):
            writer.write(data)
            await writer.drain()

    async def _respond(self, raw: msgspec.Raw) -> Response:
        try:
            return await self._handler(_REQUEST.decode(raw))
        except msgspec.MsgspecError as error:
            return Refusal("request_invalid", str(error))
        except CommandRefused as error:
            return Refusal(error.code, error.detail, error.retry)
        except Exception:
            log.exception("link: a request failed")
            return Refusal("fault", "the request failed inside the worker, see its log")


class LinkClient:
    """Asks over a Unix socket. Connects when first asked and again after a loss."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._waiting: dict[int, asyncio.Future[Response]] = {}
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether a connection stands now."""
        return self._writer is not None

    async def ask(self, request: Request, *, timeout_s: float = 5.0) -> Response:
        """The answer to one request; a Refusal is an answer.

        Raises LinkDown if the peer is away, is full, or takes longer than timeout_s.
        """
        if len(self._waiting) >= limits.link_requests_max:
            raise LinkDown(f"{len(self._waiting)} requests are waiting already", sent=False)
        self._number += 1
        number = self._number
        data = encode_frame(number, request)
        try:
            async with asyncio.timeout(timeout_s):
                writer = await self._connection()
                future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
                self._waiting[number] = future
                writer.write(data)
                return await future
        except TimeoutError:
            sent = number in self._waiting
            raise LinkDown(f"no answer on {self._path} in {timeout_s} s", sent=sent) from None
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """End the connection; waiting requests raise LinkDown."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._lose("the link was closed")

    async def _connection(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is not None:
                return self._writer
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=2**16)
            except OSError as error:
                reason = f"no connection to {self._path}: {error.strerror or error}"
                raise LinkDown(reason, sent=False) from None
            self._writer = writer
            self._reading = asyncio.create_task(self._read(reader, writer))
            return writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reason = "the peer closed the link"
        try:
            while (frame := await read_frame(reader)) is not None:
                self._settle(frame[0], frame[1])
        except (FrameInvalid, asyncio.IncompleteReadError, ConnectionError) as error:
            reason = f"the link broke: {error}"
        finally:
            if self._writer is writer:
                self._lose(reason)

    def _settle(self, number: int, raw: msgspec.Raw) -> None:
        """Hand an answer to who waits for it; one that came too late has nobody."""
        future = self._waiting.get(number)
        if future is None or future.done():
            return
        try:
            future.set_result(_RESPONSE.decode(raw))
        except msgspec.MsgspecError as error:
            future.set_exception(LinkDown(f"an answer that cannot be read: {error}", sent=True))

    def _lose(self, reason: str) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LinkDown(reason, sent=True))


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody serves any more. Raises OSError if somebody does."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(f"{path} exists and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise FileExistsError(f"{path} is served by a running process")
