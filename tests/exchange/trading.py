"""The whole exchange on an emulated wire: real plan, auction, desk and endpoint, emulated disk.

      caller 192.0.2.10 ── exchange 192.0.2.1 ── buyers 192.0.2.20, .21, …
                               │
                             Disk: facts become durable disk_ns after they were emitted
"""

from typing import Any

from auction.bid import BidTerms
from exchange.desk import Desk
from exchange.market import Market
from exchange.recover import Replay, cap_key
from exchange.signals import (
    AddressesChanged,
    Beat,
    ClockChanged,
    Durable,
    JournalFailed,
    SwapPlan,
)
from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan_build import build_plan
from routing.plan_source import load
from sip.signals import Dial, Flow
from tests.routing.plans import DIAL_RULES, NOW_S, Document, written_plan
from tests.sim.phones import OFFER, SDP, Buyer, Caller
from tests.sim.wire import MS, Party, S, Wire, World
from vocabulary.codec import fact_decoder, fact_encoder
from vocabulary.commands import TopUp
from vocabulary.facts import CallClosed, Fact, Started

CALLER = ("192.0.2.10", 5060)
US = ("192.0.2.1", 5060)
NUMBER = b"+12125550100"
OFFSET_NS = NOW_S * S
MICROS = 1_000_000
AREAS = bundled_areas()
PATH_SEEDS = 50  # of each path, unless SEEDS says otherwise


def buyer_address(index: int) -> tuple[str, int]:
    """Where buyer 0, 1, … answers."""
    return (f"192.0.2.{20 + index}", 5060)


def document(buyers: int = 3, transport: str = "UDP", **changes: Any) -> Document:
    """A plan of buyers that bid 10, 9, 8 … dollars, so that buyer 0 is dialled first."""
    suffix = "" if transport == "UDP" else ";transport=tcp"
    written = {
        "uri": lambda buyer, target: "sip:agents@{}:{}".format(*buyer_address(buyer)) + suffix,
        "amount": lambda buyer, bid: f"{10 - buyer}.00",
        "networks": ("192.0.2.10/32",),
        "campaign": {"floor": "1.00", "ladder": 5, "terms": {"qualify_s": 10},
                     "payout": {"kind": "share", "basis_points": 7000, "qualify_s": 10}},
    }
    campaign = {**written["campaign"], **changes.pop("campaign", {})}
    return written_plan(buyers, **{**written, **changes, "campaign": campaign})


def gateway_document(buyers: int = 1, gateways: int = 2, **changes: Any) -> Document:
    """A plan whose targets are numbers; gateway k is where buyer k would answer."""
    plan = document(buyers, **changes)
    names = [f"gw-{index}" for index in range(gateways)]
    plan["gateways"] = [
        {"id": name, "host": buyer_address(index)[0], "port": 5060}
        for index, name in enumerate(names)
    ]
    for index, target in enumerate(plan["targets"]):
        del target["uri"]
        target |= {"number": f"+1312555010{index}", "gateways": names}
    return plan


def rough(seed: int) -> Wire:
    """A wire that loses one datagram in ten, doubles some and lets some overtake others."""
    return Wire(seed, loss=0.1, duplicate=0.1, reorder=0.2, jitter_ns=5 * MS)


def swap_in(desk: Desk, plan: Document, now_ns: int) -> Any:
    """Swap in a plan and give every literal address its flow."""
    market = desk.market
    file, bids, _ = compile_plan(
        load(plan), now_s=NOW_S, version=market.version + 1, areas=AREAS, dial_rules=DIAL_RULES
    )
    terms = tuple(BidTerms(*[getattr(bid, name) for name in BidTerms.__struct_fields__])
                  for bid in bids)
    running = build_plan(file, market.slots, market.plan)
    answer = desk.perform(SwapPlan(running, terms, b"digest"), now_ns)
    for key in market.gateway_keys():
        flow = Flow(key[0], key[1], key[2], *US, 0, 0 if key[0] == "UDP" else 1)
        desk.receive(AddressesChanged(key, (flow,)), now_ns)
    return answer


class DeskWithDisk:
    """The real desk, with its facts kept and made durable after a while.

    disk_ns: how long an fsync takes; None: it never comes back.
    """

    def __init__(self, plan: Document, disk_ns: int | None = 2 * MS) -> None:
        self.disk_ns = disk_ns
        self.facts: list[tuple[int, Fact]] = []
        self.durable: list[tuple[int, int]] = []  # (instant, seq)
        self.desk = Desk(
            Market(), secret=b"s" * 32, pepper=b"p" * 32, next_seq=1, offset_ns=OFFSET_NS
        )
        self.encoder = fact_encoder(lambda personal: b"sealed")
        self.decoder = fact_decoder()
        self.desk.emit(Started(S, 0, 1, OFFSET_NS + S, "test"))
        self.desk.receive(ClockChanged(OFFSET_NS), S)
        self.apply(plan, S)

    def apply(self, plan: Document, now_ns: int) -> Any:
        """Swap in a plan; returns the answer."""
        answer = swap_in(self.desk, plan, now_ns)
        self.keep(now_ns)
        return answer

    def top_up(self, account: str, dollars: int, now_ns: int = S) -> None:
        """Put money on a buyer's balance."""
        self.desk.perform(
            TopUp(account, dollars * MICROS, "USD", f"key-{account}-{dollars}-{now_ns}"), now_ns
        )
        self.keep(now_ns)

    def beat(self, now_ns: int) -> None:
        """The heartbeat of this second."""
        self.receive(Beat(), now_ns)

    def fail(self, now_ns: int, reason: str = "input/output error") -> None:
        """The journal takes nothing any more."""
        self.disk_ns = None
        self.durable.clear()
        self.receive(JournalFailed(reason), now_ns)

    def receive(self, notice: Any, now_ns: int) -> None:
        self.desk.receive(notice, now_ns)
        self.keep(now_ns)

    def expire(self, now_ns: int) -> None:
        while self.durable and self.durable[0][0] <= now_ns:
            self.desk.receive(Durable(self.durable.pop(0)[1]), now_ns)
        self.desk.expire(now_ns)
        self.keep(now_ns)

    def deadline(self) -> int | None:
        dues = [] if not self.durable else [self.durable[0][0]]
        due = self.desk.deadline()
        return min([*dues, due]) if due is not None else (dues[0] if dues else None)

    def keep(self, now_ns: int) -> None:
        """Number the facts among the outputs as the journal would."""
        seq = self.desk.seq - self.desk.emitted
        self.desk.emitted = 0
        for output in self.desk.out:
            if isinstance(output, Fact):
                seq += 1
                self.facts.append((seq, self.decoder.decode(self.encoder.encode(output))))
                if self.disk_ns is not None:
                    self.durable.append((now_ns + self.disk_ns, seq))
        self.desk.out = [output for output in self.desk.out if not isinstance(output, Fact)]

    def drain(self) -> list[Any]:
        return self.desk.drain()

    def of(self, kind: type) -> list[Any]:
        """Facts of one kind, in order."""
        return [fact for _, fact in self.facts if isinstance(fact, kind)]

    def closed(self) -> CallClosed:
        """The one CallClosed there is."""
        (fact,) = self.of(CallClosed)
        return fact

    def replayed(self) -> Replay:
        """What a restart would find."""
        replay = Replay()
        for seq, fact in self.facts:
            replay.apply(seq, fact)
        return replay


class Floor:
    """A caller, the exchange and some buyers on one wire."""

    def __init__(
        self,
        buyers: list[Any] | None = None,
        *,
        plan: Document | None = None,
        wire: Wire | None = None,
        caller: Caller | None = None,
        disk_ns: int | None = 2 * MS,
        transport: str = "UDP",
        funded: bool = True,
        exchange: DeskWithDisk | None = None,
    ) -> None:
        phones = [Buyer() for _ in range(3)] if buyers is None else buyers
        self.world = World(wire or Wire(1), transport)
        self.caller = self.world.add(Party("caller", CALLER, caller or Caller(talk_ns=30 * S)))
        self.exchange = exchange or DeskWithDisk(
            plan or document(len(phones), transport), disk_ns
        )
        self.party = self.world.add(Party("exchange", US, self.exchange))
        self.buyers = [
            self.world.add(Party(f"buyer{index}", buyer_address(index), phone))
            for index, phone in enumerate(phones)
        ]
        if funded:
            for buyer in self.exchange.desk.market.plan.buyers:
                self.exchange.top_up(buyer, 1_000)

    def call(
        self, number: bytes = NUMBER, leg: int = 1, from_user: bytes = b"+12125550199",
        body: bytes = OFFER,
    ) -> None:
        """The caller dials a tracking number."""
        dial = Dial(
            leg=leg, flow=self.world.flow(CALLER, US), uri=b"sip:%b@192.0.2.1" % number,
            from_user=from_user, body=body, content_type=SDP if body else b"",
        )
        self.world.perform(self.caller, dial)

    def run(self) -> CallClosed:
        """Let everything happen; assert that nothing is left; the one closed call."""
        self.settle()
        return self.exchange.closed()

    def settle(self) -> None:
        """Let everything happen; nothing may be left alive, held or out of balance."""
        self.world.assert_clean()
        self.assert_empty()

    def assert_empty(self) -> None:
        """No call, hold, unit, timer, waiting answer; Σ postings 0; faults 0."""
        found = self.exchange.desk.statistics()
        for name in ("calls_live", "legs_live", "units_live", "timers_live", "holds_live",
                     "answers_waiting", "faults"):
            assert found[name] == 0, (name, found, self.world.drawing())
        market = self.exchange.desk.market
        assert not any(market.caps.live)
        assert not any(market.balances.held)
        assert market.caps.hour.granted == market.caps.hour.committed
        assert market.caps.day.granted == market.caps.day.committed
        for fact in self.exchange.of(CallClosed):
            assert sum(line.amount_micros for line in fact.postings) == 0
        ids = [fact.call_id for fact in self.exchange.of(CallClosed)]
        assert len(ids) == len(set(ids)), "a call was closed twice"
        self.assert_replay_agrees()

    def assert_replay_agrees(self) -> None:
        """A restart from the journal finds the same balances, caps and no open call."""
        market = self.exchange.desk.market
        state = self.exchange.replayed().state
        assert not state.open
        for buyer, slot in market.slots.buyers.items():
            assert state.balances.get(buyer, 0) == market.balances.balance[slot]
        assert state.pending == market.balances.pending
        windows = {cap_key(use): units for use, units in market.caps.snapshot()}
        assert {key: state.caps.get(key, 0) for key in windows} == windows
        book = market.book
        for bid_id, bid in state.bids.items():
            slot = book.slot_of(bid_id)
            _, spent, won = book.past[bid_id] if slot < 0 else (
                0, book.spent_micros(slot), book.last_won(slot))
            assert bid.removed == (slot < 0)
            assert bid.spent_micros == spent
            assert bid.last_won_ns == won
