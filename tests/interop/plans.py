"""The plan of the interop tests: slots that never meet, so scenarios can run side by side.

A slot has two buyers, `first` (bids 20.00) and `second` (bids 10.00), each with an address
of its own for UDP and one for TCP, and three tracking numbers per transport:
  one    only `first` may be dialled
  two    `first`, then `second`
  quick  as `two`, but an attempt ends after 1 s without a response or 2 s of ringing
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.interop.ports import free_port

FIRST_HOST, SECOND_HOST, CALLER_HOST = "127.0.0.2", "127.0.0.4", "127.0.0.3"
KINDS = ("one", "two", "quick")
TRANSPORTS = ("udp", "tcp")


@dataclass(frozen=True)
class Slot:
    """Ports of one slot's buyers and its tracking numbers by (kind, transport)."""

    index: int
    first_port: int
    second_port: int

    def number(self, kind: str, transport: str) -> str:
        """Tracking number of one kind, +18005550NNN (fictional use only)."""
        place = (self.index * len(TRANSPORTS) + TRANSPORTS.index(transport)) * len(KINDS)
        return f"+18005550{place + KINDS.index(kind):03d}"

    def address(self, buyer: str) -> tuple[str, int]:
        """Host and port that a buyer's phone binds."""
        return ((FIRST_HOST, self.first_port) if buyer == "first"
                else (SECOND_HOST, self.second_port))


def slots(count: int) -> tuple[Slot, ...]:
    """`count` slots on ports that are free now."""
    return tuple(Slot(index, free_port(FIRST_HOST), free_port(SECOND_HOST))
                 for index in range(count))


def plan(chosen: Sequence[Slot]) -> dict[str, Any]:
    """The whole plan as its file holds it."""
    pairs = [(slot, transport) for slot in chosen for transport in TRANSPORTS]
    return {
        "version": 1, "currency": "USD",
        "trunks": [{"id": "lab", "networks": ["127.0.0.0/8"], "country": "US",
                    "number_from": "request_uri", "trusted": True}],
        "publishers": [{"id": "pub", "name": "Publisher", "zone": "America/New_York"}],
        "buyers": [{"id": name, "name": name, "credit_limit": "1000000.00",
                    "zone": "America/New_York"} for name in ("first", "second")],
        "targets": [_target(slot, transport, buyer) for slot, transport in pairs
                    for buyer in ("first", "second")],
        "campaigns": [_campaign(slot, transport, kind) for slot, transport in pairs
                      for kind in KINDS],
        "numbers": [{"number": slot.number(kind, transport), "publisher": "pub",
                     "campaign": f"{kind}-{slot.index}-{transport}"}
                    for slot, transport in pairs for kind in KINDS],
        "bids": [{"id": f"bid-{buyer}-{slot.index}-{transport}", "buyer": buyer,
                  "target": f"{buyer}-{slot.index}-{transport}", "amount": amount}
                 for slot, transport in pairs
                 for buyer, amount in (("first", "20.00"), ("second", "10.00"))],
    }


def _target(slot: Slot, transport: str, buyer: str) -> dict[str, Any]:
    host, port = slot.address(buyer)
    return {"id": f"{buyer}-{slot.index}-{transport}", "buyer": buyer,
            "uri": f"sip:buyer@{host}:{port};transport={transport}"}


def _campaign(slot: Slot, transport: str, kind: str) -> dict[str, Any]:
    buyers = ("first",) if kind == "one" else ("first", "second")
    quick = {"ring_s": 2, "no_response_s": 1} if kind == "quick" else {}
    return {"id": f"{kind}-{slot.index}-{transport}", "name": f"{kind} {transport}",
            "vertical": "insurance", "strategy": "auction", "price": "first", "floor": "1.00",
            "targets": [f"{buyer}-{slot.index}-{transport}" for buyer in buyers],
            "terms": {"qualify_s": 30}, "payout": {"kind": "none"}, **quick}
