# cython: boundscheck=False, wraparound=False
"""UDP by recvmmsg and sendmmsg: the compiled twin of `sip.edge.udp.PlainUdp`.

One system call moves up to `batch_max` datagrams. A sender that is known costs one hash of
its 16-byte or 28-byte address and a comparison; no Python address tuple is built for it:

    sockaddr ──hash──► row of 4 Peers ──► Peer(flow, sockaddr) ◄──dict── Flow
                       (round robin within a row: a flood of forged sources
                        overwrites, it never grows)
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, EINVAL, ENOBUFS, errno
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from sip.signals import Flow
from vocabulary.limits import flows_cached_max, message_bytes_max, udp_batch_max, udp_tries_max

cdef int TRIES_MAX = udp_tries_max


cdef extern from "arpa/inet.h" nogil:
    const char *inet_ntop(int family, const void *source, char *target, unsigned int size)
    int inet_pton(int family, const char *source, void *target)
    unsigned short htons(unsigned short value)
    unsigned short ntohs(unsigned short value)

cdef extern from "sys/socket.h" nogil:
    ctypedef unsigned int socklen_t
    ctypedef unsigned short sa_family_t
    enum:
        AF_INET
        AF_INET6
        MSG_DONTWAIT
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, void *timeout)
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags)

cdef extern from "netinet/in.h" nogil:
    struct in_addr:
        unsigned int s_addr
    struct sockaddr_in:
        sa_family_t sin_family
        unsigned short sin_port
        in_addr sin_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in6:
        sa_family_t sin6_family
        unsigned short sin6_port
        unsigned int sin6_flowinfo
        in6_addr sin6_addr
        unsigned int sin6_scope_id

cdef enum:
    ROW = 4  # peers that share one hash


cdef enum:
    NEAR = 256  # a power of two


cdef class Peer:
    """One remote address and the Flow that stands for it."""

    cdef object flow
    cdef sockaddr_in6 address
    cdef socklen_t address_bytes


cdef unsigned int hash_of(const sockaddr_in6 *address) noexcept nogil:
    """Mixed bits of family, port and address; equal addresses give equal values."""
    cdef unsigned int words[4]
    cdef unsigned int mixed
    cdef const sockaddr_in *four
    if address.sin6_family == AF_INET:
        four = <const sockaddr_in *> address
        mixed = four.sin_addr.s_addr
    else:
        memcpy(words, &address.sin6_addr, 16)
        mixed = words[0] ^ (words[1] * 31u) ^ (words[2] * 961u) ^ (words[3] * 29791u)
    mixed = (mixed ^ (<unsigned int> address.sin6_port << 16)) * 0x9E3779B1u
    mixed ^= mixed >> 15
    mixed = (mixed + address.sin6_port) * 0x85EBCA77u
    return mixed ^ (mixed >> 13)


cdef bint same_address(const sockaddr_in6 *a, const sockaddr_in6 *b) noexcept nogil:
    """Whether two socket addresses name one peer (flow labels do not count)."""
    if a.sin6_family != b.sin6_family or a.sin6_port != b.sin6_port:
        return False
    if a.sin6_family == AF_INET:
        return (<const sockaddr_in *> a).sin_addr.s_addr == (
            <const sockaddr_in *> b
        ).sin_addr.s_addr
    return (
        memcmp(&a.sin6_addr, &b.sin6_addr, 16) == 0 and a.sin6_scope_id == b.sin6_scope_id
    )


cdef class BatchUdp:
    """A bound, non-blocking UDP socket that moves datagrams by the batch.

    The interface, attributes and counters are those of `sip.edge.udp.PlainUdp`; its
    docstrings hold for both and one set of tests runs on both.
    """

    cdef readonly object socket
    cdef readonly int listener
    cdef object local_of
    cdef object on_failure
    cdef int fd
    cdef int family
    cdef unsigned int batch_max
    cdef unsigned int row_mask
    cdef unsigned int flows_max
    cdef list rows
    cdef dict by_flow
    cdef list near_flows  # by the low bits of a Flow's address: the object itself …
    cdef list near_peers  # … and its peer, so that a send hashes no Flow
    cdef unsigned int turn
    cdef char *space
    cdef mmsghdr *inbox
    cdef mmsghdr *outbox
    cdef iovec *vectors
    cdef sockaddr_in6 *names
    cdef readonly long long received
    cdef readonly long long received_bytes
    cdef readonly long long sent
    cdef readonly long long sent_bytes
    cdef readonly long long again
    cdef readonly long long failed

    def __cinit__(
        self,
        sock,
        int listener,
        local_of,
        on_failure,
        unsigned int flows_max=flows_cached_max,
        unsigned int batch_max=udp_batch_max,
    ):
        cdef unsigned int rows = 1
        assert flows_max >= ROW and batch_max >= 1
        while rows * 2 * ROW <= flows_max:
            rows *= 2
        self.socket = sock
        self.fd = sock.fileno()
        self.family = int(sock.family)
        self.listener = listener
        self.local_of = local_of
        self.on_failure = on_failure
        self.batch_max = batch_max
        self.row_mask = rows - 1
        self.flows_max = flows_max
        self.rows = [None] * (rows * ROW)
        self.by_flow = {}
        self.near_flows = [None] * NEAR
        self.near_peers = [None] * NEAR
        self.space = <char *> malloc(<size_t> batch_max * message_bytes_max)
        self.inbox = <mmsghdr *> calloc(batch_max, sizeof(mmsghdr))
        self.outbox = <mmsghdr *> calloc(batch_max, sizeof(mmsghdr))
        self.vectors = <iovec *> calloc(2 * batch_max, sizeof(iovec))
        self.names = <sockaddr_in6 *> calloc(2 * batch_max, sizeof(sockaddr_in6))
        if not (self.space and self.inbox and self.outbox and self.vectors and self.names):
            raise MemoryError()
        self.point()

    def __dealloc__(self):
        free(self.space)
        free(self.inbox)
        free(self.outbox)
        free(self.vectors)
        free(self.names)

    cdef void point(self) noexcept:
        """Point each message header at its buffer and its address, once."""
        cdef unsigned int i
        cdef size_t room = message_bytes_max
        for i in range(self.batch_max):
            self.vectors[i].iov_base = self.space + i * room
            self.vectors[i].iov_len = room
            self.inbox[i].msg_hdr.msg_iov = &self.vectors[i]
            self.inbox[i].msg_hdr.msg_iovlen = 1
            self.inbox[i].msg_hdr.msg_name = &self.names[i]
            self.inbox[i].msg_hdr.msg_namelen = sizeof(sockaddr_in6)
            self.outbox[i].msg_hdr.msg_iov = &self.vectors[self.batch_max + i]
            self.outbox[i].msg_hdr.msg_iovlen = 1
            self.outbox[i].msg_hdr.msg_name = &self.names[self.batch_max + i]

    def receive(self, list batch not None):
        """Append data, flow, data, flow … of what is waiting; number of datagrams."""
        cdef int count, i
        cdef mmsghdr *message
        cdef Peer peer
        count = recvmmsg(self.fd, self.inbox, self.batch_max, MSG_DONTWAIT, NULL)
        if count <= 0:
            if count < 0 and errno != EAGAIN and errno != EINTR:
                self.on_failure(None, errno)
            return 0
        for i in range(count):
            message = &self.inbox[i]
            peer = self.peer_at(&self.names[i], message.msg_hdr.msg_namelen)
            message.msg_hdr.msg_namelen = sizeof(sockaddr_in6)
            batch.append(
                PyBytes_FromStringAndSize(<char *> self.vectors[i].iov_base, message.msg_len)
            )
            batch.append(peer.flow)
            self.received_bytes += message.msg_len
        self.received += count
        return count

    def send(self, list sends not None):
        """Send what belongs to this socket; a list of the rest, in order."""
        cdef Py_ssize_t i
        cdef unsigned int n = 0
        cdef list pending = []
        cdef list rest = []
        cdef size_t near
        cdef Peer peer
        cdef bytes data
        cdef iovec *vector
        for i in range(0, len(sends) - 1, 2):
            flow = sends[i]
            data = sends[i + 1]
            near = (<size_t> <void *> flow >> 4) & (NEAR - 1)
            if self.near_flows[near] is flow:
                peer = <Peer> self.near_peers[near]
            else:
                found = self.by_flow.get(flow)
                if found is None:
                    found = self.peer_of(flow, rest, data)
                    if found is None:
                        continue
                peer = <Peer> found
                self.near_flows[near] = flow
                self.near_peers[near] = peer
            vector = self.outbox[n].msg_hdr.msg_iov
            vector.iov_base = PyBytes_AS_STRING(data)
            vector.iov_len = PyBytes_GET_SIZE(data)
            memcpy(self.outbox[n].msg_hdr.msg_name, &peer.address, peer.address_bytes)
            self.outbox[n].msg_hdr.msg_namelen = peer.address_bytes
            pending.append(data)
            pending.append(flow)
            n += 1
            if n == self.batch_max:
                self.flush(n, pending)
                pending.clear()
                n = 0
        if n:
            self.flush(n, pending)
        return rest

    cdef int flush(self, unsigned int count, list pending) except -1:
        """Hand `count` prepared messages to the kernel; one that fails too often is dropped."""
        cdef unsigned int at = 0
        cdef int tries = 0
        cdef int done, i, why
        while at < count:
            done = sendmmsg(self.fd, self.outbox + at, count - at, MSG_DONTWAIT)
            if done > 0:
                for i in range(done):
                    self.sent_bytes += self.outbox[at + i].msg_len
                self.sent += done
                at += done
                tries = 0
                continue
            why = errno
            if why == EINTR:
                continue
            if why == EAGAIN or why == ENOBUFS:
                self.again += count - at
                return 0
            # The error may be an earlier datagram's ICMP answer: then this one is sent again,
            # and meets the next such answer if there are several.
            tries += 1
            if self.on_failure(pending[2 * at + 1], why) and tries < TRIES_MAX:
                continue
            self.failed += 1
            at += 1
            tries = 0
        return 0

    cdef Peer peer_at(self, sockaddr_in6 *address, socklen_t size):
        """The peer of an address, from its row or made and put there."""
        cdef Py_ssize_t row = (hash_of(address) & self.row_mask) * ROW
        cdef Py_ssize_t i
        cdef Peer peer
        for i in range(row, row + ROW):
            found = self.rows[i]
            if found is None:
                break
            peer = <Peer> found
            if same_address(&peer.address, address):
                return peer
        else:
            self.turn += 1
            i = row + self.turn % ROW
        peer = self.new_peer(address, size)
        self.rows[i] = peer
        return peer

    cdef Peer new_peer(self, sockaddr_in6 *address, socklen_t size):
        """A peer with its Flow, known by that Flow too; the eldest such entry may go."""
        cdef Peer peer = Peer.__new__(Peer)
        cdef char text[64]
        cdef const void *bits
        memset(&peer.address, 0, sizeof(sockaddr_in6))
        memcpy(&peer.address, address, size)
        peer.address_bytes = size
        if address.sin6_family == AF_INET:
            bits = &(<sockaddr_in *> address).sin_addr
        else:
            bits = &address.sin6_addr
        if inet_ntop(address.sin6_family, bits, text, 64) == NULL:
            raise OSError(errno, "inet_ntop")
        host = (<bytes> text).decode("ascii")
        if address.sin6_family == AF_INET6 and address.sin6_scope_id:
            host = f"{host}%{address.sin6_scope_id}"
        local_host, local_port = self.local_of(host)
        peer.flow = Flow(
            "UDP", host, ntohs(address.sin6_port), local_host, local_port, self.listener
        )
        if len(self.by_flow) >= self.flows_max:
            del self.by_flow[next(iter(self.by_flow))]
        self.by_flow[peer.flow] = peer
        return peer

    cdef object peer_of(self, flow, list rest, bytes data):
        """The peer of a flow not seen before; None when it is not for this socket."""
        cdef sockaddr_in6 address
        cdef socklen_t size
        cdef Peer peer
        if flow.transport != "UDP" or flow.listener != self.listener:
            rest.append(flow)
            rest.append(data)
            return None
        size = self.parse(flow.host, flow.port, &address)
        if size == 0:
            self.failed += 1
            self.on_failure(flow, EINVAL)
            return None
        peer = self.peer_at(&address, size)
        if peer.flow != flow:  # the advertised address differs: the same peer on the wire
            if len(self.by_flow) >= self.flows_max:
                del self.by_flow[next(iter(self.by_flow))]
        self.by_flow[flow] = peer
        return peer

    cdef socklen_t parse(self, str host, int port, sockaddr_in6 *address) except? 0:
        """Fill `address` from a literal of this socket's family; its size, or 0."""
        cdef sockaddr_in *four = <sockaddr_in *> address
        memset(address, 0, sizeof(sockaddr_in6))
        literal, _, zone = host.partition("%")
        raw = literal.encode("utf-8")
        if not 0 < port < 65_536:
            return 0
        if self.family == AF_INET:
            four.sin_family = AF_INET
            four.sin_port = htons(port)
            return sizeof(sockaddr_in) if inet_pton(AF_INET, raw, &four.sin_addr) == 1 else 0
        address.sin6_family = AF_INET6
        address.sin6_port = htons(port)
        if zone:
            address.sin6_scope_id = int(zone) if zone.isdecimal() else 0
        return sizeof(sockaddr_in6) if inet_pton(AF_INET6, raw, &address.sin6_addr) == 1 else 0

    def flow_of(self, str host not None, int port):
        """The Flow of a literal address and port on this socket."""
        cdef sockaddr_in6 address
        cdef socklen_t size = self.parse(host, port, &address)
        if size == 0:
            raise ValueError(f"{host} port {port}: not an address of this socket's family")
        return self.peer_at(&address, size).flow

    def flows_cached(self):
        """Number of peers held, at most `flows_max`."""
        return len(self.by_flow)

    def forget(self):
        """Ask `local_of` again for every peer; flows handed out stay as they are."""
        self.rows = [None] * len(self.rows)
        self.by_flow.clear()
        self.near_flows = [None] * NEAR
        self.near_peers = [None] * NEAR
