"""Calls for the compiler: `python -m tests.bench.training` drives a build that takes profiles.

One bridged call after the other through the whole engine of a signal worker (scanner, endpoint,
desk, 100,000 standing bids, pump, journal encoding) in one process, without sockets: what it
executes, and how often, is what gcc's -fprofile-use lays out for speed. One call in eight is
refused by the first buyer and one in eight is cancelled, so that those paths count as warm.
"""

import sys
import time
from typing import Any

from auction.bid import BidTerms
from dce.pump import Pump
from exchange.desk import Desk
from exchange.market import Market
from exchange.signals import AddressesChanged, SwapPlan
from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan_build import build_plan
from routing.plan_source import load
from sip.endpoint import Endpoint
from sip.signals import Flow
from storage.fact_types import FACT_TYPES
from storage.sealing import Sealer
from tests.bench.load import BUYER_HOST
from tests.bench.plan import NUMBER, plan
from vocabulary.codec import fact_encoder
from vocabulary.number import DialRule

CALLS = 3_000
BUYER_PORT = 5090
CALLER = ("127.0.0.3", 5091)
US = ("127.0.0.1", 5070)
GAP_NS = 500_000
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.3\r\ns=-\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


class Steady:
    """A clock that moves when told, and a loop that never calls back."""

    def __init__(self) -> None:
        self.instant_ns = 1_000_000_000
        self.offset_ns = time.time_ns() - self.instant_ns

    def now_ns(self) -> int:
        """Engine time in ns."""
        return self.instant_ns

    def call_later(self, delay_s: float, call: Any) -> "Steady":
        """The timer that the pump arms; the next batch serves what is due."""
        return self

    def cancel(self) -> None:
        """Nothing was going to run."""


class Bench:
    """A signal worker's engine with the bench plan, a caller and a buyer as lines of text."""

    def __init__(self) -> None:
        self.clock = Steady()
        self.sent: list[Any] = []
        self.seq = 0
        clock: Any = self.clock
        self.desk = Desk(Market(), secret=b"s" * 32, pepper=b"p" * 32, next_seq=1,
                         offset_ns=clock.offset_ns)
        sealer = Sealer({1: b"k" * 32}, 1, 1, 0)
        self.pump = Pump(clock, clock, Endpoint(b"e" * 32), self.desk, send=self.sent.extend,
                         append=self._append, encode=fact_encoder(sealer.seal).encode,
                         kinds=dict(FACT_TYPES))
        self.caller = Flow("UDP", *CALLER, *US)
        self.buyer = Flow("UDP", BUYER_HOST, BUYER_PORT, *US)
        self._take_plan()

    def _append(self, seq: int, kind: int, payload: bytes) -> None:
        self.seq = seq

    def _take_plan(self) -> None:
        file, bids, _ = compile_plan(
            load(plan(BUYER_PORT)), now_s=int(time.time()), version=1, areas=bundled_areas(),
            dial_rules={"US": DialRule()},
        )
        terms = tuple(
            BidTerms(*[getattr(bid, name) for name in BidTerms.__struct_fields__]) for bid in bids
        )
        self.pump.perform(SwapPlan(build_plan(file, self.desk.market.slots), terms, b"d"))
        for key in self.desk.market.gateway_keys():
            self.pump.tell(AddressesChanged(key, (self.buyer,)))

    def feed(self, data: bytes, flow: Flow) -> list[bytes]:
        """One datagram in, what leaves for it."""
        self.clock.instant_ns += GAP_NS
        self.sent.clear()
        self.pump.batch([data, flow])
        return self.sent[1::2]

    def call(self, number: int) -> None:
        """One call, with the outcome that its number says."""
        caller = b"a%d" % number
        sent = self.feed(request(b"INVITE", URI, caller, 1, TO, SDP), self.caller)
        invite = sent[-1]
        if number % 8 == 1:
            self.feed(response(invite, b"486 Busy Here"), self.buyer)
            invite = next(line for line in self.sent[1::2] if line.startswith(b"INVITE"))
        self.feed(response(invite, b"100 Trying"), self.buyer)
        self.feed(response(invite, b"180 Ringing"), self.buyer)
        if number % 8 == 2:
            self.feed(request(b"CANCEL", URI, caller, 1, TO), self.caller)
            self.feed(response(invite, b"487 Request Terminated"), self.buyer)
            return
        self.feed(response(invite, b"200 OK", SDP), self.buyer)
        self.sent.clear()
        self.pump.journal_durable(self.seq)
        answer = self.sent[1]
        to, uri = header(answer, b"To"), header(answer, b"Contact").strip(b"<>")
        self.feed(request(b"ACK", uri, caller, 1, to), self.caller)
        bye = self.feed(request(b"BYE", uri, caller, 2, to), self.caller)[-1]
        self.feed(response(bye, b"200 OK"), self.buyer)


URI = b"sip:%b@127.0.0.1:5070" % NUMBER.encode()
TO = b"<%b>" % URI


def request(method: bytes, uri: bytes, caller: bytes, cseq: int, to: bytes, body: bytes = b""
            ) -> bytes:
    """A caller's request. The branch names call, CSeq and, for an ACK, itself."""
    branch = b"%b-%d" % (caller, 9 if method == b"ACK" else cseq)
    kind = b"Content-Type: application/sdp\r\n" if body else b""
    return (
        b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3:5091;branch=z9hG4bK-%b\r\n"
        b"Max-Forwards: 70\r\nFrom: <sip:+12125550123@127.0.0.3:5091>;tag=%b\r\nTo: %b\r\n"
        b"Call-ID: %b@127.0.0.3\r\nCSeq: %d %b\r\nContact: <sip:caller@127.0.0.3:5091>\r\n"
        b"%bContent-Length: %d\r\n\r\n%b"
    ) % (method, uri, branch, caller, to, caller, cseq, method, kind, len(body), body)


def header(message: bytes, name: bytes) -> bytes:
    """Value of the first line of a header."""
    return message.split(b"\r\n%b: " % name, 1)[1].split(b"\r\n", 1)[0]


def response(message: bytes, status: bytes, body: bytes = b"") -> bytes:
    """A buyer's response to a request of ours."""
    kept = {
        name: header(message, name) for name in (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
    }
    if b";tag=" not in kept[b"To"]:
        kept[b"To"] += b";tag=b" + kept[b"Call-ID"][:8]
    lines = b"".join(b"%b: %b\r\n" % line for line in kept.items())
    kind = b"Content-Type: application/sdp\r\n" if body else b""
    contact = b"Contact: <sip:agent@%b:%d>\r\n" % (BUYER_HOST.encode(), BUYER_PORT)
    return b"SIP/2.0 %b\r\n%b%b%bContent-Length: %d\r\n\r\n%b" % (
        status, lines, contact, kind, len(body), body)


def main() -> int:
    """Play the calls. Exit status 1 unless each ended as its number says."""
    bench = Bench()
    begun_ns = time.thread_time_ns()
    for number in range(CALLS):
        bench.call(number)
    spent_us = (time.thread_time_ns() - begun_ns) / 1_000 / CALLS
    counted = bench.desk.statistics()
    print(f"{CALLS} calls, {spent_us:.1f} us of CPU each with both ends")
    wanted = {"calls_completed": CALLS * 7 // 8, "calls_canceled": CALLS // 8, "faults": 0,
              "calls_live": 0, "attempts_failed": 0}
    wrong = {name: counted[name] for name in wanted if counted[name] != wanted[name]}
    if wrong:
        print(f"not as planned: {wrong}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
