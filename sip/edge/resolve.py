"""Addresses of host names: A and AAAA, kept fresh by their TTL, off the call path.

    watch(hosts) ──► literal, known ──────────────────────────► on_change at once
                └──► /etc/hosts, else A ‖ AAAA (at most dns_queries_max names at a time)
                         │ answered: addresses, due again after the TTL
                         │ no such name: none, with the reason; due after dns_retry_ns
                         └ no answer in time: what was known stays for dns_stale_ns

A call only ever sees what is known at that moment; it never waits for a name server.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.resolver
from msgspec import Struct

from sip.edge.address import literal
from sip.edge.dns_socket import Backend
from vocabulary import limits

HOSTS_FILE = Path("/etc/hosts")
NOT_WATCHED = "not asked for yet"

OnChange = Callable[[str, Sequence[str], str], None]


class ResolveLimits(Struct, frozen=True):
    """Bounds and durations of name resolution; the defaults are those of limits.py."""

    query_ns: int = limits.dns_query_ns
    queries_max: int = limits.dns_queries_max
    addresses_max: int = limits.dns_addresses_max
    ttl_min_ns: int = limits.dns_ttl_min_ns
    ttl_max_ns: int = limits.dns_ttl_max_ns
    retry_ns: int = limits.dns_retry_ns
    stale_ns: int = limits.dns_stale_ns


class Lookup(Struct, frozen=True):
    """The outcome of asking for one name.

    addresses: sorted, IPv4 first. reason: why there are none, "" when there are.
    certain: the servers gave an answer; else what was known before may be kept.
    """

    addresses: tuple[str, ...]
    reason: str
    ttl_ns: int
    certain: bool


class Host:
    """What is known of one name. good_s: when its addresses were last confirmed."""

    __slots__ = ("addresses", "good_s", "known", "reason", "stopped", "task", "timer")

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        self.reason = NOT_WATCHED
        self.known = False
        self.stopped = False
        self.good_s = 0.0
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """No further look-ups, also if the one under way does not notice its cancellation."""
        self.stopped = True
        if self.timer is not None:
            self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


class Resolver:
    """Watches a set of names. Used on its loop only.

    nameservers, port: instead of those of /etc/resolv.conf, which is read anew by each `watch`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        nameservers: Sequence[str] = (),
        port: int = 53,
        bounds: ResolveLimits | None = None,
        hosts_file: Path = HOSTS_FILE,
    ) -> None:
        self.bounds = bounds or ResolveLimits()
        self.queries = 0
        self.failures = 0
        self._loop = loop
        self._nameservers = list(nameservers)
        self._port = port
        self._hosts_file = hosts_file
        self._hosts: dict[str, Host] = {}
        self._room = asyncio.Semaphore(self.bounds.queries_max)
        self._on_change: OnChange = lambda host, addresses, reason: None
        self._servers: dns.asyncresolver.Resolver | None = None
        self._backend = Backend()

    def watch(self, hosts: Iterable[str], on_change: OnChange) -> None:
        """Watch these names from now on, and no others.

        on_change(host, addresses, reason) is called for a literal or a known name before this
        returns, for any other once it was looked up, and whenever its addresses change.
        addresses: literal, sorted, IPv4 first; empty with the reason where it has none.
        """
        wanted = dict.fromkeys(hosts)
        self._on_change = on_change
        self._servers = self._configured()
        for gone in self._hosts.keys() - wanted.keys():
            self._hosts.pop(gone).stop()
        for host in wanted:
            self._watch_one(host)

    def _watch_one(self, host: str) -> None:
        try:
            _, address = literal(host)
        except ValueError:
            pass
        else:
            self._on_change(host, (address,), "")
            return
        state = self._hosts.get(host)
        if state is None:
            self._hosts[host] = state = Host()
            self._look_up(host, state)
        elif state.known:
            self._on_change(host, state.addresses, state.reason)

    def _configured(self) -> dns.asyncresolver.Resolver | None:
        """A resolver for the servers given, else for those of the system; None without any."""
        if self._nameservers:
            servers = dns.asyncresolver.Resolver(configure=False)
            servers.nameservers = list(self._nameservers)
            servers.port = self._port
            return servers
        try:
            return dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            return None

    def _look_up(self, host: str, state: Host) -> None:
        state.timer = None
        state.task = self._loop.create_task(self._refresh(host, state))

    async def _refresh(self, host: str, state: Host) -> None:
        async with self._room:
            found = await self._ask(host)
        self.queries += 1
        self.failures += not found.addresses
        if state.stopped:
            return
        state.task = None
        state.timer = self._loop.call_later(
            found.ttl_ns / limits.NS_PER_S, self._look_up, host, state
        )
        self._learn(host, state, found)

    def _learn(self, host: str, state: Host, found: Lookup) -> None:
        now_s = self._loop.time()
        if found.addresses:
            state.good_s = now_s
        elif not found.certain and state.addresses:
            age_s = now_s - state.good_s
            if age_s < self.bounds.stale_ns / limits.NS_PER_S:
                return
        changed = not state.known or state.addresses != found.addresses
        state.known = True
        state.addresses, state.reason = found.addresses, found.reason
        if changed:
            self._on_change(host, state.addresses, state.reason)

    async def _ask(self, host: str) -> Lookup:
        listed = hosts_listed(self._hosts_file).get(host.rstrip(".").lower())
        if listed:
            return self._found(listed, self.bounds.retry_ns)
        if self._servers is None:
            return Lookup((), "no name server is configured", self.bounds.retry_ns, True)
        four, six = await asyncio.gather(
            self._ask_kind(self._servers, host, "A"), self._ask_kind(self._servers, host, "AAAA")
        )
        if not four.addresses and not six.addresses:
            worse = four if not four.certain else six
            return Lookup((), worse.reason, self.bounds.retry_ns, four.certain and six.certain)
        answers = [each.ttl_ns for each in (four, six) if each.addresses or not each.certain]
        return self._found(four.addresses + six.addresses, min(answers))

    def _found(self, addresses: Sequence[str], ttl_ns: int) -> Lookup:
        usable = {each for each in addresses if is_reachable_kind(each)}
        if not usable:
            return Lookup((), "only unusable addresses", self.bounds.retry_ns, True)
        ordered = sorted(usable, key=lambda each: (":" in each, ipaddress.ip_address(each).packed))
        ttl_ns = max(self.bounds.ttl_min_ns, min(ttl_ns, self.bounds.ttl_max_ns))
        return Lookup(tuple(ordered[: self.bounds.addresses_max]), "", ttl_ns, True)

    async def _ask_kind(
        self, servers: dns.asyncresolver.Resolver, host: str, kind: str
    ) -> Lookup:
        retry_ns = self.bounds.retry_ns
        try:
            answer = await servers.resolve(
                host,
                kind,
                search=True,
                lifetime=self.bounds.query_ns / limits.NS_PER_S,
                backend=self._backend,
            )
        except dns.resolver.NXDOMAIN:
            return Lookup((), "no such name", retry_ns, True)
        except dns.resolver.NoAnswer:
            return Lookup((), "no A or AAAA record", retry_ns, True)
        except dns.resolver.LifetimeTimeout:
            return Lookup((), "the name servers did not answer in time", retry_ns, False)
        except dns.resolver.NoNameservers:
            return Lookup((), "the name servers failed", retry_ns, False)
        except (dns.exception.DNSException, UnicodeError, ValueError) as error:
            return Lookup((), f"not a name: {type(error).__name__}", retry_ns, True)
        except OSError as error:
            return Lookup((), f"no name server reached: {error.strerror}", retry_ns, False)
        ttl_s = int(answer.chaining_result.minimum_ttl)
        return Lookup(
            tuple(str(record.address) for record in answer), "", ttl_s * limits.NS_PER_S, True
        )

    def known(self, host: str) -> tuple[tuple[str, ...], str]:
        """(addresses, reason) of a watched name as known now; nothing is asked."""
        state = self._hosts.get(host)
        return (state.addresses, state.reason) if state is not None else ((), NOT_WATCHED)

    def close(self) -> None:
        """Stop every look-up."""
        for state in self._hosts.values():
            state.stop()
        self._hosts.clear()


def is_reachable_kind(address: str) -> bool:
    """Whether an address can be one peer: neither unspecified nor multicast nor broadcast."""
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_unspecified or parsed.is_multicast or address == "255.255.255.255")


def hosts_listed(path: Path) -> dict[str, list[str]]:
    """Lower-case names of a hosts file (hosts(5)) with their addresses; {} without the file."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return {}
    listed: dict[str, list[str]] = {}
    for line in text.splitlines():
        fields = line.partition("#")[0].split()
        try:
            address = literal(fields[0])[1]
        except (IndexError, ValueError):
            continue
        for name in fields[1:]:
            listed.setdefault(name.lower(), []).append(address)
    return listed
