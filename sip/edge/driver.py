"""The sockets of the SIP endpoint: bytes and Flows in, bytes and Flows out.

    UdpListener ─┐  on_batch([data, flow, data, flow, …])      ┌─► pump ─► Endpoint
    Streams ─────┴──────────────────────────────────────────────┘
    send([flow, data, flow, data, …]) ─► the socket or connection each Flow names
    on_lost(flow, reason): a refused address or a closed connection, in a turn of its own

A listener's index in the list it was opened from is the `listener` of its Flows.
"""

import asyncio
import resource
import socket
from collections.abc import Callable, Sequence

from msgspec import Struct

from sip.edge import stream, udp
from sip.edge.address import (
    WILDCARDS,
    AdvertisedTo,
    LocalAddress,
    literal,
    route_source,
    split_host_port,
)
from sip.edge.port_owner import bind_error
from sip.edge.stream import StreamLimits, Streams
from sip.edge.udp import Udp, UdpListener
from sip.signals import Flow
from vocabulary.errors import CommandRefused, ConfigError
from vocabulary.limits import stream_connections_max, udp_receive_buffer_bytes

DEFAULT_PORT = 5060
DEFAULT_LIMITS = StreamLimits()
FILES_BESIDE = 256  # open files that are not connections: journal, link, listeners, libraries


class ListenSpec(Struct, frozen=True):
    """One listener. transport: "UDP" or "TCP". host: a literal address, wildcards included.

    port: 0 lets the kernel choose. key: the setting that asked for it, named in errors.
    """

    transport: str
    host: str
    port: int
    key: str


def listen_spec(text: str, key: str) -> ListenSpec:
    """`udp:127.0.0.1:5060` or `tcp:[::]:5060` as a ListenSpec; no port is 5060.

    Raises ConfigError naming `key` and what was expected.
    """
    transport, _, rest = text.partition(":")
    try:
        host, port = split_host_port(rest)
        if transport.lower() not in ("udp", "tcp"):
            raise ValueError(f"{transport!r} is neither udp nor tcp")
        _, host = literal(host)
    except ValueError as error:
        raise ConfigError(f"{key}: {text!r}: {error}; like udp:127.0.0.1:5060") from None
    return ListenSpec(transport.upper(), host, port or DEFAULT_PORT, key)


class Sockets:
    """Every socket of one signal worker. Made by `open`; used on its loop only.

    warnings: text for the operator, such as a receive buffer smaller than asked for.
    """

    def __init__(
        self,
        on_batch: Callable[[list[object]], None],
        on_lost: Callable[[Flow, str], None],
        loop: asyncio.AbstractEventLoop,
        stream_limits: StreamLimits,
    ) -> None:
        self.warnings: list[str] = []
        self._on_batch = on_batch
        self._on_lost = on_lost
        self._loop = loop
        self._locals: dict[int, LocalAddress] = {}
        self._bound: list[tuple[str, str, int]] = []
        self._udp: list[UdpListener] = []
        self._streams = Streams(on_batch, on_lost, loop, stream_limits)
        self._granted_bytes = udp_receive_buffer_bytes

    @classmethod
    async def open(
        cls,
        listen: Sequence[ListenSpec],
        advertise: str,
        on_batch: Callable[[list[object]], None],
        on_lost: Callable[[Flow, str], None],
        loop: asyncio.AbstractEventLoop,
        make_udp: Callable[..., Udp] | None = None,
        stream_limits: StreamLimits = DEFAULT_LIMITS,
    ) -> "Sockets":
        """Bind every listener, or none: ConfigError names the setting and the port's owner.

        advertise: `sip.advertise`, host or host:port told to every peer instead of our own
        address, or "". make_udp: a UDP implementation; the fastest that is built by default.
        """
        sockets = cls(on_batch, on_lost, loop, stream_limits)
        try:
            for index, spec in enumerate(listen):
                if spec.transport == "UDP":
                    sockets._open_udp(index, spec, advertise, make_udp)
                else:
                    await sockets._open_tcp(index, spec, advertise)
        except BaseException:
            sockets.close()
            raise
        return sockets

    def _open_udp(
        self, index: int, spec: ListenSpec, advertise: str, make: Callable[..., Udp] | None
    ) -> None:
        sock = _bound_socket(udp.bind, spec)
        local = self._told(index, spec, sock, advertise)
        granted = udp.granted_bytes(sock)
        self._granted_bytes = min(self._granted_bytes, granted)
        self._warn(buffer_warning(spec.key, granted))
        self._udp.append(
            UdpListener(sock, index, local, self._on_batch, self._on_lost, self._loop, make)
        )

    async def _open_tcp(self, index: int, spec: ListenSpec, advertise: str) -> None:
        sock = _bound_socket(stream.bind, spec)
        local = self._told(index, spec, sock, advertise)
        try:
            await self._streams.listen(index, sock, local)
        except OSError as error:  # another socket of this port listens already
            sock.close()
            raise bind_error(spec.key, spec.transport, spec.host, spec.port, error) from error
        self._warn(files_warning(raise_files_max()))

    def _told(
        self, index: int, spec: ListenSpec, sock: socket.socket, advertise: str
    ) -> LocalAddress:
        """Note a bound socket and what it tells its peers; closes it on a wrong setting."""
        port = sock.getsockname()[1]
        try:
            local = LocalAddress(spec.host, port, advertise)
        except ConfigError:
            sock.close()
            raise
        self._locals[index] = local
        self._bound.append((spec.transport, spec.host, port))
        return local

    def _warn(self, text: str) -> None:
        if text and text not in self.warnings:
            self.warnings.append(text)

    def advertise_by(self, advertised_to: AdvertisedTo) -> None:
        """Tell a peer what advertised_to(its literal host) gives; where that is None, as before.

        It is asked once for each peer, then again after the next call of this. Flows already
        handed out, and connections, keep what they told.
        """
        for local in self._locals.values():
            local.advertise_by(advertised_to)
        for listener in self._udp:
            listener.udp.forget()

    def addresses(self) -> list[tuple[str, str, int]]:
        """(transport, host, port) of each listener as bound, in the order it was asked for."""
        return list(self._bound)

    def flow_to(self, transport: str, host: str, port: int) -> Flow:
        """The Flow on which to dial a literal address; generation 0 on TCP.

        The listener is one of the transport and family: bound to the route's source address,
        else to a wildcard, else the first. Raises CommandRefused (`listener_missing`,
        `address_invalid`).
        """
        try:
            family, text = literal(host)
        except ValueError as error:
            raise CommandRefused("address_invalid", str(error)) from None
        if not 0 < port < 65_536:
            raise CommandRefused("address_invalid", f"port {port} is not 1 to 65535")
        index = self._listener_for(transport, family, text)
        for listener in self._udp:
            if listener.udp_index == index:
                return listener.udp.flow_of(text, port)
        local_host, local_port = self._locals[index](text)
        return Flow(transport, text, port, local_host, local_port, index)

    def _listener_for(self, transport: str, family: int, host: str) -> int:
        fitting = [
            index
            for index, bound in enumerate(self._bound)
            if bound[0] == transport and literal(bound[1])[0] == family
        ]
        if not fitting:
            raise CommandRefused(
                "listener_missing", f"sip.listen has no {transport} listener to reach {host} from"
            )
        if len(fitting) == 1:
            return fitting[0]
        source = route_source(host)
        exact = [index for index in fitting if self._bound[index][1] == source]
        wildcard = [index for index in fitting if self._bound[index][1] in WILDCARDS]
        return (exact or wildcard or fitting)[0]

    def send(self, sends: list[object]) -> None:
        """Send [flow, data, flow, data, …]; the order within a flow is kept.

        What cannot be sent is counted and told by on_lost, never raised.
        """
        rest = sends
        for listener in self._udp:
            rest = listener.udp.send(rest)
            if not rest:
                return
        for flow in self._streams.send(rest)[::2]:
            assert isinstance(flow, Flow)
            self._streams.lose(flow, "no such listener")

    def statistics(self) -> dict[str, int]:
        """Counters since the start, and the receive buffer granted (smallest last)."""
        udps = [listener.udp for listener in self._udp]
        return {
            "datagrams_in": sum(each.received for each in udps),
            "datagrams_out": sum(each.sent for each in udps),
            "datagram_bytes_in": sum(each.received_bytes for each in udps),
            "datagram_bytes_out": sum(each.sent_bytes for each in udps),
            "send_again": sum(each.again for each in udps),
            "send_failed": sum(each.failed for each in udps),
            "send_refused": sum(listener.refused for listener in self._udp),
            **self._streams.statistics(),
            "flows_cached": sum(each.flows_cached() for each in udps),
            "receive_buffer_bytes": self._granted_bytes,
            "receive_buffer_asked_bytes": udp_receive_buffer_bytes,
        }

    def close(self) -> None:
        """Close every socket; nothing is called back afterwards.

        Bytes queued on connections still leave while the loop runs: see `wait_closed`.
        """
        for listener in self._udp:
            listener.close()
        self._streams.close()

    async def wait_closed(self) -> None:
        """After `close`: wait for queued bytes to leave, at most a second a connection."""
        await self._streams.wait_closed()


def _bound_socket(bind: Callable[[str, int], socket.socket], spec: ListenSpec) -> socket.socket:
    try:
        return bind(spec.host, spec.port)
    except OSError as error:
        raise bind_error(spec.key, spec.transport, spec.host, spec.port, error) from error


def raise_files_max(wanted: int = stream_connections_max + FILES_BESIDE) -> int:
    """Raise this process's soft limit of open files to what is wanted, as far as the hard one
    allows; the soft limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


def files_warning(files: int) -> str:
    """What to tell the operator about a limit of open files; "" when connections fit in."""
    if files >= stream_connections_max + FILES_BESIDE:
        return ""
    return (
        f"sip.listen: {files} open files allowed, {stream_connections_max} connections planned: "
        "raise the hard limit (ulimit -Hn, LimitNOFILE)"
    )


def buffer_warning(key: str, granted: int, asked: int = udp_receive_buffer_bytes) -> str:
    """What to tell the operator about a receive buffer in bytes; "" when it is as asked."""
    if granted >= asked:
        return ""
    return (
        f"{key}: receive buffer {granted} of {asked} bytes granted: bursts may be lost; "
        f"raise net.core.rmem_max to {asked}"
    )
