"""Trunks: whose call is it, by the address it came from. Longest matching network wins.

```
"198.51.100.7" ─► memo ─hit─► Trunk
                   └miss─► /32 {…} ─► /28 {…} ─► /24 {198.51.100.0: Trunk} ─► …  ─► memo
```
One dict for each prefix length in use, tried from the longest; the memo makes a known address
one dict look-up. It is emptied when full, so a flood from many addresses cannot grow it.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from msgspec.structs import replace

from routing.plan_file import TrunkEntry
from routing.prefix import PrefixTable
from vocabulary import limits
from vocabulary.number import DialRule

ADDRESS_BITS = {4: 32, 6: 128}


def parse_network(text: str) -> tuple[int, int, int]:
    """(IP version, network address, prefix length) of CIDR text or one address.

    IPv4 inside IPv6 (::ffff:0:0/96) counts as IPv4. Raises ValueError: not a network, or bits
    set below the prefix.
    """
    network = ip_network(text)
    address = int(network.network_address)
    if network.version == 6 and network.prefixlen >= 96 and address >> 32 == 0xFFFF:
        return 4, address & 0xFFFF_FFFF, network.prefixlen - 96
    return network.version, address, network.prefixlen


class Trunk:
    """A carrier's way in, as the screen reads it.

    rule: how dialled numbers are read; caller_rule: how the caller's is, without strip and add.
    headers, uri_parameters: (lower-case name, tag name); advertise: (host, port) or None.
    """

    __slots__ = (
        "_prefixes",
        "advertise",
        "caller_rule",
        "headers",
        "id",
        "number_from",
        "rule",
        "trusted",
        "uri_parameters",
    )

    def __init__(self, entry: TrunkEntry) -> None:
        self.id: str = entry.id
        self.rule: DialRule = entry.rule
        self.caller_rule: DialRule = replace(entry.rule, strip="", add="")
        self.number_from: str = entry.number_from
        self.trusted: bool = entry.trusted
        self.advertise: tuple[str, int] | None = entry.advertise
        self.headers = tuple(
            (name.lower(), tag) for name, tag in entry.tags if not name.startswith("uri:")
        )
        self.uri_parameters = tuple(
            (name[4:].lower(), tag) for name, tag in entry.tags if name.startswith("uri:")
        )
        self._prefixes = PrefixTable()
        for prefix in entry.may_dial:
            self._prefixes.insert(prefix[1:], 1)

    def may_dial(self, e164: str) -> bool:
        """Whether this trunk may call that number; without prefixes every number."""
        return self._prefixes.entries == 0 or self._prefixes.longest(e164) >= 0


class TrunkTable:
    """Source address → Trunk."""

    __slots__ = ("_lengths", "_memo", "_networks")

    def __init__(self) -> None:
        self._memo: dict[str, Trunk | None] = {}
        self._networks: dict[tuple[int, int], dict[int, Trunk]] = {}
        self._lengths: dict[int, list[int]] = {4: [], 6: []}

    def insert(self, version: int, address: int, length: int, trunk: Trunk) -> None:
        """Add a network of a trunk. The plan's check has refused the same network twice."""
        by_address = self._networks.setdefault((version, length), {})
        assert by_address.get(address, trunk) is trunk
        by_address[address] = trunk
        self._lengths[version] = sorted({*self._lengths[version], length}, reverse=True)
        self._memo.clear()

    def trunk_of(self, host: str) -> Trunk | None:
        """Trunk of a source address, None if no network holds it. host: IP address as text."""
        found = self._memo.get(host)
        if found is not None or host in self._memo:
            return found
        if len(self._memo) >= limits.sources_remembered_max:
            self._memo.clear()
        found = self._look_up(host)
        self._memo[host] = found
        return found

    def _look_up(self, host: str) -> Trunk | None:
        try:
            address: IPv4Address | IPv6Address = ip_address(host.strip("[]").partition("%")[0])
        except ValueError:
            return None
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        version, value = address.version, int(address)
        for length in self._lengths[version]:
            low_bits = ADDRESS_BITS[version] - length
            found = self._networks[version, length].get(value >> low_bits << low_bits)
            if found is not None:
                return found
        return None
