"""Names: a name server of our own on 127.0.0.1, and no clock to wait for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from sip.edge.resolve import ResolveLimits, Resolver, hosts_listed
from vocabulary.limits import NS_PER_MS, NS_PER_S

from .wires import WAIT_S

QUICK = ResolveLimits(query_ns=200 * NS_PER_MS, ttl_min_ns=1, retry_ns=10 * NS_PER_MS)
SLOW = ResolveLimits(query_ns=200 * NS_PER_MS)
NO_FILE = Path("/nonexistent")


class Names(asyncio.DatagramProtocol):
    """A name server. records: (name, type) → (ttl_s, addresses); silent: it does not answer."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.rcode = dns.rcode.NOERROR
        self.silent = False
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn the port."""
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer from the records; NXDOMAIN where a name has none of any type."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text().rstrip(".")
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.silent:
            return
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        reply.set_rcode(self.rcode)
        if (name, kind) in self.records:
            ttl_s, addresses = self.records[name, kind]
            reply.answer.append(dns.rrset.from_text(question.name, ttl_s, "IN", kind, *addresses))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(reply.to_wire(), addr)  # type: ignore[attr-defined]


class Changes:
    """on_change, recorded so that it can be awaited."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[tuple[str, Sequence[str], str]] = asyncio.Queue()

    def __call__(self, host: str, addresses: Sequence[str], reason: str) -> None:
        self.seen.put_nowait((host, addresses, reason))

    async def next(self) -> tuple[str, Sequence[str], str]:
        """The next change."""
        return await asyncio.wait_for(self.seen.get(), WAIT_S)


@pytest.fixture
async def names() -> AsyncIterator[Names]:
    """The name server, on a free port."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        Names, local_addr=("127.0.0.1", 0)
    )
    yield server
    transport.close()


@contextlib.contextmanager
def resolving(
    names: Names, bounds: ResolveLimits = SLOW, hosts_file: Path = NO_FILE
) -> Iterator[Resolver]:
    """A resolver that asks the name server of the test."""
    loop = asyncio.get_running_loop()
    resolver = Resolver(loop, ["127.0.0.1"], names.port, bounds, hosts_file)
    try:
        yield resolver
    finally:
        resolver.close()


async def test_a_literal_needs_no_query(names: Names) -> None:
    changes = Changes()
    with resolving(names) as resolver:
        resolver.watch(["127.0.0.1", "[2001:DB8::1]"], changes)
        assert changes.seen.get_nowait() == ("127.0.0.1", ("127.0.0.1",), "")
        assert changes.seen.get_nowait() == ("[2001:DB8::1]", ("2001:db8::1",), "")
    assert names.asked == []


async def test_both_kinds_are_asked_and_sorted_ipv4_first(names: Names) -> None:
    names.records["buyer.example", "A"] = (300, ["192.0.2.10", "192.0.2.9"])
    names.records["buyer.example", "AAAA"] = (60, ["2001:db8::1"])
    changes = Changes()
    with resolving(names) as resolver:
        resolver.watch(["buyer.example"], changes)
        expected = ("192.0.2.9", "192.0.2.10", "2001:db8::1")
        assert await changes.next() == ("buyer.example", expected, "")
        assert resolver.known("buyer.example") == (expected, "")
        resolver.watch(["buyer.example"], changes)  # known: told at once, nothing asked
        assert changes.seen.get_nowait() == ("buyer.example", expected, "")
    assert sorted(names.asked) == [("buyer.example", "A"), ("buyer.example", "AAAA")]


async def test_a_record_that_runs_out_is_refreshed(names: Names) -> None:
    names.records["buyer.example", "A"] = (0, ["192.0.2.1"])
    changes = Changes()
    with resolving(names, QUICK) as resolver:
        resolver.watch(["buyer.example"], changes)
        assert (await changes.next())[1] == ("192.0.2.1",)
        names.records["buyer.example", "A"] = (0, ["192.0.2.2"])
        assert (await changes.next())[1] == ("192.0.2.2",)
        names.records.clear()
        assert await changes.next() == ("buyer.example", (), "no such name")
        names.records["buyer.example", "A"] = (3600, ["192.0.2.3"])  # and back again
        assert (await changes.next())[1] == ("192.0.2.3",)
    assert changes.seen.empty()


async def test_unresolvable_has_its_reason(names: Names) -> None:
    names.records["empty.example", "TXT"] = (60, [])
    names.records["odd.example", "A"] = (60, ["0.0.0.0", "224.0.0.1"])
    changes = Changes()
    with resolving(names) as resolver:
        resolver.watch(["none.example", "empty.example", "odd.example", "a..b"], changes)
        reasons = {host: reason for host, _, reason in [await changes.next() for _ in range(4)]}
    assert reasons == {
        "none.example": "no such name",
        "empty.example": "no A or AAAA record",
        "odd.example": "only unusable addresses",
        "a..b": "not a name: EmptyLabel",
    }


async def test_a_silent_server_costs_a_bounded_time_and_keeps_what_was_known(
    names: Names,
) -> None:
    changes = Changes()
    with resolving(names, QUICK) as resolver:
        names.silent = True
        resolver.watch(["buyer.example"], changes)
        assert (await changes.next())[1:] == ((), "the name servers did not answer in time")
        names.silent = False
        names.records["buyer.example", "A"] = (0, ["192.0.2.1"])
        assert (await changes.next())[1] == ("192.0.2.1",)
        names.rcode = dns.rcode.SERVFAIL
        failures = resolver.failures
        while resolver.failures < failures + 2:
            await asyncio.wait_for(asyncio.sleep(0), WAIT_S)
        assert resolver.known("buyer.example") == (("192.0.2.1",), "")
        assert changes.seen.empty()


async def test_stale_addresses_are_given_up_in_the_end(names: Names) -> None:
    bounds = ResolveLimits(
        query_ns=NS_PER_S, ttl_min_ns=1, retry_ns=NS_PER_MS, stale_ns=50 * NS_PER_MS
    )
    names.records["buyer.example", "A"] = (0, ["192.0.2.1"])
    changes = Changes()
    with resolving(names, bounds) as resolver:
        resolver.watch(["buyer.example"], changes)
        assert (await changes.next())[1] == ("192.0.2.1",)
        names.rcode = dns.rcode.SERVFAIL
        assert await changes.next() == ("buyer.example", (), "the name servers failed")


async def test_names_no_longer_wanted_are_forgotten(names: Names) -> None:
    names.records["old.example", "A"] = (0, ["192.0.2.1"])
    names.records["new.example", "A"] = (0, ["192.0.2.2"])
    changes = Changes()
    with resolving(names, QUICK) as resolver:
        resolver.watch(["old.example"], changes)
        await changes.next()
        resolver.watch(["new.example"], changes)
        assert (await changes.next())[0] == "new.example"
        names.records["new.example", "A"] = (0, ["192.0.2.3"])
        names.asked.clear()
        assert (await changes.next())[1] == ("192.0.2.3",)
        assert {name for name, _ in names.asked} == {"new.example"}
        assert resolver.known("old.example")[0] == ()


async def test_the_hosts_file_comes_first(names: Names, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost # us\nnonsense here\n::1 localhost ip6\n\n#x\n")
    assert hosts_listed(path) == {"localhost": ["127.0.0.1", "::1"], "ip6": ["::1"]}
    changes = Changes()
    with resolving(names, hosts_file=path) as resolver:
        resolver.watch(["LocalHost"], changes)
        assert await changes.next() == ("LocalHost", ("127.0.0.1", "::1"), "")
    assert names.asked == []


async def test_many_names_are_asked_a_few_at_a_time(names: Names) -> None:
    bounds = ResolveLimits(queries_max=2, query_ns=NS_PER_S)
    hosts = [f"h{number}.example" for number in range(40)]
    for host in hosts:
        names.records[host, "A"] = (60, ["192.0.2.1"])
    changes = Changes()
    with resolving(names, bounds) as resolver:
        resolver.watch(hosts, changes)
        got = {(await changes.next())[0] for _ in hosts}
    assert got == set(hosts)
