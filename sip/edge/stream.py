"""TCP connections of the SIP endpoint (RFC 3261 §18, RFC 5626 §3.5.1 keep-alive).

    accepted ──► Connection ── framer ──► on_batch([message, flow, …])
    dialled  ──► Connection ◄── send ──── by generation, or by (listener, host, port)

Every connection has a generation of its own, so a Flow names one connection and never its
successor. A Flow of generation 0 names whatever connection leads to its address: the one that
was dialled before, else a new one. Time limits are lanes, one dict per duration: what is put in
last falls due last, and one timer serves the head of each.
"""

import asyncio
import socket
from collections.abc import Callable

from msgspec import Struct

from sip.edge.address import WILDCARDS, LocalAddress, literal
from sip.edge.connection import Connection
from sip.edge.lane import Lane
from sip.scan import scan
from sip.signals import Flow
from vocabulary import limits
from vocabulary.errors import RemoteProtocolError

SIP_PORT = 5060
COUNTED = (
    "accepted", "bytes_in", "bytes_out", "dialled", "evicted", "failed", "faults",
    "messages_in", "messages_out", "over_source", "reopened", "timed_out", "write_bound",
)  # fmt: skip


class StreamLimits(Struct, frozen=True):
    """Bounds of the connections of one process; the defaults are those of limits.py."""

    connections_max: int = limits.stream_connections_max
    per_source_max: int = limits.stream_per_source_max
    write_bytes_max: int = limits.stream_write_bytes_max
    idle_ns: int = limits.stream_idle_ns
    message_ns: int = limits.stream_message_ns
    connect_ns: int = limits.stream_connect_ns


class StreamCounters:
    """What happened on connections since the start; each only ever grows."""

    __slots__ = COUNTED

    accepted: int
    bytes_in: int
    bytes_out: int
    dialled: int
    evicted: int  # oldest connection that carried no call, closed for a newer one
    failed: int  # could not be dialled
    faults: int  # closed because the stream could not be framed
    messages_in: int
    messages_out: int
    over_source: int  # refused: its source has per_source_max connections
    reopened: int  # responses whose connection was gone (RFC 3261 §18.2.2)
    timed_out: int  # idle, or a message not finished in time
    write_bound: int  # closed: the peer does not read

    def __init__(self) -> None:
        for name in COUNTED:
            setattr(self, name, 0)


class Streams:
    """All TCP connections of one process, those of every listener.

    on_batch, on_lost: as in Sockets. A connection that carried a call (see
    Connection.proven) may be silent for as long as it lives; any other is closed when it is
    idle, and the oldest of those goes first when the table is full.
    """

    def __init__(
        self,
        on_batch: Callable[[list[object]], None],
        on_lost: Callable[[Flow, str], None],
        loop: asyncio.AbstractEventLoop,
        bounds: StreamLimits,
    ) -> None:
        self.bounds = bounds
        self.counters = StreamCounters()
        self.on_batch = on_batch
        self.loop = loop
        self.closed = False
        self._on_lost = on_lost
        self._locals: dict[int, LocalAddress] = {}
        self._servers: list[asyncio.Server] = []
        self._live: dict[int, Connection] = {}  # by generation
        self._dialled: dict[tuple[int, str, int], Connection] = {}
        self._per_source: dict[bytes, int] = {}
        self._generation = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = Lane(loop, bounds.idle_ns, "idle too long", self._timed_out)
        self._unfinished = Lane(loop, bounds.message_ns, "unfinished message", self._timed_out)

    async def listen(self, index: int, sock: socket.socket, local: LocalAddress) -> None:
        """Accept connections on a bound socket (see `bind`) as listener `index`."""
        self._locals[index] = local
        server = await self.loop.create_server(
            lambda: Connection(self, index),
            sock=sock,
            backlog=limits.stream_backlog_max,
        )
        self._servers.append(server)

    # Connections tell what happens to them

    def admit(self, connection: Connection, host: str, port: int) -> Flow | None:
        """A Flow for a connection that was made, or None: it must be aborted."""
        if self.closed:
            return None
        if connection.dialled is None:
            source = source_key(host)
            held = self._per_source.get(source, 0)
            if held >= self.bounds.per_source_max:
                self.counters.over_source += 1
                return None
            if len(self._live) >= self.bounds.connections_max and not self._evict():
                return None
            self._per_source[source] = held + 1
            connection.source = source
            self.counters.accepted += 1
        self._generation += 1
        self._live[self._generation] = connection
        if not connection.proven:
            self._idle.start(connection)
        local_host, local_port = self._locals[connection.listener](host)
        return Flow(
            "TCP", host, port, local_host, local_port, connection.listener, self._generation
        )

    def heard(self, connection: Connection, messages: int, pending: bool) -> None:
        """Move time limits after a read: `messages` were complete, one may be `pending`."""
        if messages and not connection.proven:
            self._idle.start(connection)
        if not pending:
            self._unfinished.stop(connection)
        elif messages or connection not in self._unfinished:
            self._unfinished.start(connection)

    def prove(self, connection: Connection) -> None:
        """The connection carries a call: it may be silent from now on."""
        self._idle.stop(connection)

    def gone(self, connection: Connection, reason: str) -> None:
        """A connection ended or could not be made: forget it, tell every Flow that meant it."""
        self._idle.stop(connection)
        self._unfinished.stop(connection)
        flow = connection.flow
        if flow is not None:
            del self._live[flow.generation]
        if connection.source:
            held = self._per_source.pop(connection.source) - 1
            if held:
                self._per_source[connection.source] = held
        if connection.dialled is not None:
            key = key_of(connection.dialled)
            if self._dialled.get(key) is connection:
                del self._dialled[key]
        if self.closed:
            return
        for lost in (flow, connection.dialled, *connection.waiting):
            if lost is not None:
                self._on_lost(lost, reason)

    # Sending

    def send(self, sends: list[object]) -> list[object]:
        """Send [flow, data, …] of TCP flows in order; the rest, in order, is returned."""
        rest: list[object] = []
        for i in range(0, len(sends) - 1, 2):
            flow, data = sends[i], sends[i + 1]
            assert isinstance(flow, Flow)
            assert isinstance(data, bytes)
            if flow.transport != "TCP" or flow.listener not in self._locals:
                rest.append(flow)
                rest.append(data)
                continue
            connection = self._live.get(flow.generation)
            if connection is not None:
                connection.write(data)
            elif flow.generation == 0:
                self._write_dialled(flow, data)
            else:
                self._reopen(flow, data)
        return rest

    def _write_dialled(self, flow: Flow, data: bytes, waiting: Flow | None = None) -> None:
        """Write to the connection that leads to an address, dialling it first if need be."""
        connection = self._dialled.get(key_of(flow))
        if connection is None:
            full = len(self._live) + len(self._tasks) >= self.bounds.connections_max
            if full and not self._evict():
                self.lose(flow, "too many connections")
                return
            connection = Connection(self, flow.listener, flow)
            self._dialled[key_of(flow)] = connection
            task = self.loop.create_task(self._dial(connection, flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if waiting is not None and connection.flow is None:
            connection.waiting.add(waiting)
        connection.write(data)

    async def _dial(self, connection: Connection, flow: Flow) -> None:
        bound = self._locals[flow.listener].bound_host
        source = None if bound in WILDCARDS else (bound, 0)
        try:
            async with asyncio.timeout(self.bounds.connect_ns / limits.NS_PER_S):
                await self.loop.create_connection(
                    lambda: connection,
                    flow.host,
                    flow.port,
                    local_addr=source,
                )
            self.counters.dialled += 1
        except TimeoutError:
            self._not_dialled(connection, "connecting took too long")
        except OSError as error:
            self._not_dialled(connection, error.strerror or str(error))

    def _not_dialled(self, connection: Connection, reason: str) -> None:
        self.counters.failed += 1
        if connection.flow is None:
            self.gone(connection, reason)
        else:  # it was made in the same turn as the time ran out
            connection.abort(reason)

    def _reopen(self, flow: Flow, data: bytes) -> None:
        """A response whose connection is gone: to the source, port of the top Via (§18.2.2).

        A request is not moved to another connection: the flow is lost, its owner decides.
        """
        if not data.startswith(b"SIP/2.0 "):
            self.lose(flow, "connection closed")
            return
        try:
            port = scan(data).sent_port or SIP_PORT
        except RemoteProtocolError as error:
            self.lose(flow, error.reason)
            return
        self.counters.reopened += 1
        to = Flow("TCP", flow.host, port, flow.local_host, flow.local_port, flow.listener)
        self._write_dialled(to, data, waiting=flow)

    def lose(self, flow: Flow, reason: str) -> None:
        """Tell of a lost flow in a turn of its own, so that no sender is re-entered."""
        self.loop.call_soon(self._tell_lost, flow, reason)

    def _tell_lost(self, flow: Flow, reason: str) -> None:
        if not self.closed:
            self._on_lost(flow, reason)

    # Time and room

    def _evict(self) -> bool:
        """Close the oldest connection that carried no call; False if there is none."""
        oldest = self._idle.pop()
        if oldest is None:
            return False
        self.counters.evicted += 1
        oldest.abort("evicted for a newer connection")
        return True

    def _timed_out(self) -> None:
        self.counters.timed_out += 1

    def statistics(self) -> dict[str, int]:
        """Counters since the start by `stream_…` names, and the connections open now."""
        counted = {f"stream_{name}": getattr(self.counters, name) for name in COUNTED}
        return {**counted, "stream_connections": len(self._live)}

    def close(self) -> None:
        """Stop accepting and close every connection once its bytes are out."""
        self.closed = True
        self._idle.close()
        self._unfinished.close()
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._live.values()):
            connection.finish("closed")

    async def wait_closed(self) -> None:
        """Wait until every connection has ended; those that do not in a second are aborted."""
        for connection in list(self._live.values()):
            try:
                async with asyncio.timeout(1):
                    await connection.ended.wait()
            except TimeoutError:
                connection.abort("closed")
                await connection.ended.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()


def key_of(flow: Flow) -> tuple[int, str, int]:
    """What a dialled connection is found by."""
    return flow.listener, flow.host, flow.port


def source_key(host: str) -> bytes:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 address."""
    family, text = literal(host)
    return socket.inet_pton(family, text.partition("%")[0])[:8]


def bind(host: str, port: int) -> socket.socket:
    """A bound, non-blocking TCP socket, not yet listening. IPv6 only on IPv6. Raises OSError."""
    family, text = literal(host)
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((text, port))
    except OSError:
        sock.close()
        raise
    return sock
