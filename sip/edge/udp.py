"""UDP sockets: reading by readiness, batches in and out, ICMP errors.

The socket is watched through an epoll descriptor of its own. A queued ICMP error shows as
EPOLLERR, upon which libuv stops polling a descriptor for good; seen through a nested epoll
it is plain readability, on uvloop and on asyncio alike.
"""

import asyncio
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from sip.edge.address import literal
from sip.signals import Flow
from vocabulary.limits import (
    NS_PER_S,
    flows_cached_max,
    message_bytes_max,
    udp_batch_max,
    udp_datagrams_per_s_max,
    udp_empty_reads_max,
    udp_errors_per_wake_max,
    udp_moderation_max_ns,
    udp_moderation_min_ns,
    udp_receive_buffer_bytes,
    udp_tries_max,
    udp_wake_window_ns,
    udp_wakes_max,
)

IP_RECVERR = 11  # linux/in.h; the socket module does not name it
IPV6_RECVERR = 25  # linux/in6.h
RECVERR = ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR))
IP_MTU_DISCOVER = 10
IP_PMTUDISC_DONT = 0
SO_RCVBUFFORCE = 33
ORIGIN_ICMP = 2  # linux/errqueue.h, sock_extended_err.ee_origin
ORIGIN_ICMP6 = 3
# RFC 3261 §18.4: unreachable and parameter problem are failures; TTL exceeded, source quench
# and packet too big are not. Numbers: RFC 792, RFC 4443.
ICMP_FAILURES = {ORIGIN_ICMP: (3, 12), ORIGIN_ICMP6: (1, 4)}

MODERATION_S = udp_moderation_min_ns / NS_PER_S
BUSY_MODERATION_S = udp_moderation_max_ns / NS_PER_S
# Datagrams in one reading from which the longer pause begins, and below which it ends.
MANY = int(udp_datagrams_per_s_max * MODERATION_S)
FEW = int(udp_datagrams_per_s_max * BUSY_MODERATION_S * 0.75)
WINDOW_S = udp_wake_window_ns / NS_PER_S

LocalOf = Callable[[str], tuple[str, int]]
OnFailure = Callable[[Flow | None, int], bool]


class Udp(Protocol):
    """What a bound UDP socket can do, however it does it. Counters only ever grow."""

    received: int
    received_bytes: int
    sent: int
    sent_bytes: int
    again: int  # not sent: the send buffer was full (EAGAIN, ENOBUFS)
    failed: int  # not sent: any other error

    def receive(self, batch: list[object]) -> int:
        """Append data, flow, … of at most `udp_batch_max` datagrams; how many there were."""

    def send(self, sends: list[object]) -> list[object]:
        """Send [flow, data, …] of this socket in order; the rest, in order, is returned."""

    def flow_of(self, host: str, port: int) -> Flow:
        """The flow of a literal address; ValueError where it is none of this family."""

    def flows_cached(self) -> int:
        """Number of peers remembered; bounded."""

    def forget(self) -> None:
        """Drop every peer remembered: what Via and Contact say to them has changed."""


class PlainUdp:
    """A bound, non-blocking UDP socket by recvfrom and sendto: the plain twin of BatchUdp.

    local_of: remote host → what Via and Contact say to it. on_failure(flow or None, errno)
    is told of an error and returns True when the datagram in hand may be tried again.
    """

    __slots__ = (
        "_batch_max",
        "_by_address",
        "_family",
        "_flows_max",
        "_local_of",
        "_on_failure",
        "again",
        "failed",
        "listener",
        "received",
        "received_bytes",
        "sent",
        "sent_bytes",
        "socket",
    )

    def __init__(
        self,
        sock: socket.socket,
        listener: int,
        local_of: LocalOf,
        on_failure: OnFailure,
        flows_max: int = flows_cached_max,
        batch_max: int = udp_batch_max,
    ) -> None:
        self.socket = sock
        self.listener = listener
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self.again = self.failed = 0
        self._by_address: dict[tuple[object, ...], Flow] = {}
        self._family = sock.family
        self._flows_max = flows_max
        self._batch_max = batch_max
        self._local_of = local_of
        self._on_failure = on_failure

    def receive(self, batch: list[object]) -> int:
        """Append data, flow, data, flow … of what is waiting; number of datagrams."""
        count = 0
        while count < self._batch_max:
            try:
                data, address = self.socket.recvfrom(message_bytes_max)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._on_failure(None, error.errno or 0)
                break
            flow = self._by_address.get(address)
            batch.append(data)
            batch.append(self._remember(address) if flow is None else flow)
            self.received_bytes += len(data)
            count += 1
        self.received += count
        return count

    def send(self, sends: list[object]) -> list[object]:
        """Send what belongs to this socket; a list of the rest, in order."""
        rest: list[object] = []
        for i in range(0, len(sends) - 1, 2):
            flow, data = sends[i], sends[i + 1]
            assert isinstance(flow, Flow)
            assert isinstance(data, bytes)
            if flow.transport == "UDP" and flow.listener == self.listener:
                self._send_one(flow, data)
            else:
                rest.append(flow)
                rest.append(data)
        return rest

    def _send_one(self, flow: Flow, data: bytes) -> None:
        for tries in range(1, udp_tries_max + 1):
            try:
                family, host = literal(flow.host)
                if family != self._family or not 0 < flow.port < 65_536:
                    raise OSError(errno.EINVAL, "not an address of this socket's family")
                self.sent_bytes += self.socket.sendto(data, (host, flow.port))
                self.sent += 1
                return
            except (BlockingIOError, InterruptedError):
                self.again += 1
                return
            except (OSError, ValueError) as error:
                why = getattr(error, "errno", None) or errno.EINVAL
                if why == errno.ENOBUFS:
                    self.again += 1
                    return
                # It may be an earlier datagram's ICMP answer: then this one is sent again.
                if not self._on_failure(flow, why) or tries == udp_tries_max:
                    self.failed += 1
                    return

    def _remember(self, address: tuple[object, ...]) -> Flow:
        host, port = str(address[0]), address[1]
        assert isinstance(port, int)
        if len(address) == 4 and address[3]:
            host = f"{host.partition('%')[0]}%{address[3]}"
        local_host, local_port = self._local_of(host)
        flow = Flow("UDP", host, port, local_host, local_port, self.listener)
        if len(self._by_address) >= self._flows_max:
            del self._by_address[next(iter(self._by_address))]
        self._by_address[address] = flow
        return flow

    def flow_of(self, host: str, port: int) -> Flow:
        """The Flow of a literal address and port on this socket."""
        family, text = literal(host)
        if family != self._family or not 0 < port < 65_536:
            raise ValueError(f"{host} port {port}: not an address of this socket's family")
        digits, _, zone = text.partition("%")
        address: tuple[object, ...] = (digits, port)
        if family == socket.AF_INET6:
            address = (digits, port, 0, int(zone) if zone.isdecimal() else 0)
        return self._by_address.get(address) or self._remember(address)

    def flows_cached(self) -> int:
        """Number of peers held, at most `flows_max`."""
        return len(self._by_address)

    def forget(self) -> None:
        """Ask `local_of` again for every peer; flows handed out stay as they are."""
        self._by_address.clear()


def chosen() -> Callable[..., Udp]:
    """BatchUdp where it was compiled, else PlainUdp."""
    try:
        from sip.edge.udp_batch import BatchUdp
    except ImportError:
        return PlainUdp
    return BatchUdp


def bind(host: str, port: int, asked_bytes: int = udp_receive_buffer_bytes) -> socket.socket:
    """A bound, non-blocking UDP socket that queues ICMP errors. Raises OSError.

    An IPv6 socket serves IPv6 only: a host with both has two listeners, so that no peer
    appears as an IPv4-mapped address. Fragments may be made on the way (RFC 3261 §18.1.1).
    """
    family, text = literal(host)
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, asked_bytes)
            except PermissionError:  # FORCE is for root; the shortfall is told by granted_bytes
                continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, asked_bytes)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        sock.bind((text, port))
    except OSError:
        sock.close()
        raise
    return sock


def granted_bytes(sock: socket.socket) -> int:
    """Receive buffer the kernel gave, in the unit it was asked in (it reports the double)."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def icmp_answers(sock: socket.socket) -> tuple[int, list[tuple[str, int, int]]]:
    """Empty the error queue: (ICMP answers in it, [(host, port, errno) of failed addresses]).

    At most `udp_errors_per_wake_max` entries a call; what remains shows as readiness again.
    Entries of local origin (a datagram too long) are dropped: the call that failed knows.
    """
    answers = 0
    failed: list[tuple[str, int, int]] = []
    for _ in range(udp_errors_per_wake_max):
        try:
            _, controls, _, address = sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for level, kind, value in controls:
            if (level, kind) not in RECVERR:
                continue
            why, origin, icmp_type = struct.unpack_from("=IBB", value)
            answers += origin in ICMP_FAILURES
            if icmp_type in ICMP_FAILURES.get(origin, ()):
                failed.append((address[0], address[1], why))
    return answers, failed


class UdpListener:
    """One UDP socket on the loop: batches up, failures of addresses told once per turn.

    Readiness serves a quiet socket at once. A busy one, woken many times in a few milliseconds,
    is read on a timer instead, until some readings on end find nothing: what a wake-up costs is
    then paid once for all that came in some milliseconds (as network cards moderate interrupts).
    """

    def __init__(
        self,
        sock: socket.socket,
        listener: int,
        local_of: LocalOf,
        on_batch: Callable[[list[object]], None],
        on_lost: Callable[[Flow, str], None],
        loop: asyncio.AbstractEventLoop,
        make: Callable[..., Udp] | None = None,
    ) -> None:
        self.socket = sock
        self.udp = (make or chosen())(sock, listener, local_of, self._failure)
        self.udp_index = listener
        self.refused = 0
        self._on_batch = on_batch
        self._on_lost = on_lost
        self._loop = loop
        self._lost: dict[Flow, str] = {}
        self._window_s = 0.0
        self._wakes = 0
        self._empty = 0
        self._pause_s = MODERATION_S
        self._more = False
        self._poll: asyncio.TimerHandle | None = None
        self._epoll = select.epoll()
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        loop.add_reader(self._epoll.fileno(), self._readable)

    def _readable(self) -> None:
        if not self._read():
            self._read_errors()
        now_s = self._loop.time()
        if now_s - self._window_s > WINDOW_S:
            self._window_s = now_s
            self._wakes = 0
        self._wakes += 1
        if self._wakes >= udp_wakes_max:
            self._wakes = self._empty = 0
            self._loop.remove_reader(self._epoll.fileno())
            self._pause_s = MODERATION_S
            self._poll = self._loop.call_later(MODERATION_S, self._poll_once)

    def _read(self) -> int:
        """One batch up; how many datagrams there were."""
        batch: list[object] = []
        count = self.udp.receive(batch)
        if count:
            self._on_batch(batch)
        return count

    def _poll_once(self) -> None:
        """Read by the timer; back to readiness once nothing came."""
        if self._poll is None:  # closed in this turn
            return
        count = self._read()
        self._empty = 0 if count else self._empty + 1
        if self._empty >= udp_empty_reads_max:
            self._poll = None
            self._loop.add_reader(self._epoll.fileno(), self._readable)
        elif self._poll is not None:
            if not self._more:  # else this was the rest of a reading that was full
                enough = FEW if self._pause_s == BUSY_MODERATION_S else MANY
                self._pause_s = BUSY_MODERATION_S if count >= enough else MODERATION_S
            self._more = count >= udp_batch_max
            delay_s = 0.0 if self._more else self._pause_s
            self._poll = self._loop.call_later(delay_s, self._poll_once)

    def _failure(self, flow: Flow | None, why: int) -> bool:
        """An error of the socket: True when it was an ICMP answer to an earlier datagram."""
        if self._read_errors():
            return True
        if flow is not None:
            self._lose(flow, why)
        return False

    def _read_errors(self) -> int:
        answers, failed = icmp_answers(self.socket)
        for host, port, why in failed:
            self.refused += 1
            self._lose(self.udp.flow_of(host, port), why)
        return answers

    def _lose(self, flow: Flow, why: int) -> None:
        # Told in a turn of its own: whoever is sending now is not re-entered.
        if not self._lost:
            self._loop.call_soon(self._tell)
        self._lost[flow] = os.strerror(why)

    def _tell(self) -> None:
        lost, self._lost = self._lost, {}
        for flow, reason in lost.items():
            self._on_lost(flow, reason)

    def close(self) -> None:
        """Stop reading and close the socket."""
        if self._poll is None:
            self._loop.remove_reader(self._epoll.fileno())
        else:
            self._poll.cancel()
            self._poll = None
        self._epoll.close()
        self.socket.close()
