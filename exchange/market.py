# cython: boundscheck=False
"""Everything the calls compete for: plan, book, caps, balances, addresses. Owned by the desk.

```
            read only               mutable, kept over plans
auction     plan ── candidates ──►  caps, book, strategies' turns
reserve     plan.targets            caps ─► concurrency ─► money ─► budget   one step, or nothing
dial        uris, gateways          addresses by (transport, host, port), resting gateways
```
"""

from __future__ import annotations

from array import array
from typing import Any

from accounts.holds import Balances
from accounts.terms import PayoutKind, Terms
from auction.bid import BidTerms, decode_terms
from auction.book import Book
from auction.engine import Engine, Outcome
from exchange.call import Call, Reservation
from exchange.recover import ReplayState
from exchange.ways import GatewayKey, Way, ways_of
from routing import strategies
from routing.area import Area
from routing.candidates import evaluate
from routing.caps import Caps, campaign_owner, target_owner
from routing.plan import Plan
from routing.plan_objects import Campaign, NumberEntry, Target
from routing.slots import Slots
from sip.signals import Flow
from vocabulary import limits
from vocabulary.facts import CapUse, LadderEntry, Turn
from vocabulary.limits import NS_PER_S
from vocabulary.reasons import Refused

PAYOUTS = {"none": PayoutKind.NONE, "fixed": PayoutKind.FIXED, "share": PayoutKind.SHARE}
NO_WAYS: tuple[Way, ...] = ()


class Market:
    """See the module's drawing. One instance for the life of a worker."""

    __slots__ = (
        "addresses", "balances", "book", "caps", "engine", "frozen", "matched", "packed", "plan",
        "resting",
        "slots", "strategies", "targets_by_key", "verdicts", "version", "ways", "zone_hours",
        "zone_slots",
    )

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.version = 0
        self.slots = Slots()
        self.caps = Caps(self.slots)
        self.book = Book()
        self.engine = Engine()
        self.balances = Balances()
        self.strategies: dict[str, Any] = strategies.make_strategies()
        self.matched = array("i", bytes(4 * limits.candidates_max))
        self.verdicts = array("B")
        self.zone_hours = array("i")
        self.zone_slots: list[int] = []  # book's zone → the plan's zone index, −1 unknown
        self.addresses: dict[GatewayKey, tuple[Flow, ...]] = {}
        self.targets_by_key: dict[GatewayKey, list[int]] = {}
        self.resting: dict[GatewayKey, int] = {}
        self.ways: dict[str, tuple[Way, ...]] = {}
        self.frozen: dict[str, Terms] = {}  # terms by campaign of the plan in force
        self.packed: dict[str, tuple[int, int, int, int, int]] = {}  # as their facts carry them

    # Deciding

    def area_of(self, e164: str) -> Area:
        """The caller's place by area code."""
        assert self.plan is not None
        return self.plan.area_of(e164)

    def admit(self, call: Call, entry: NumberEntry, now_ns: int) -> Refused:
        """Take the campaign's own caps and concurrency for a call, or say why not."""
        campaign = entry.campaign
        if not entry.publisher.active:
            return Refused.PUBLISHER_PAUSED
        if not campaign.active:
            return Refused.CAMPAIGN_PAUSED
        wall_s = call.wall_ns // NS_PER_S
        if campaign.schedule is not None and not campaign.schedule.is_open(wall_s):
            return Refused.CAMPAIGN_SCHEDULE
        owners = (campaign_owner(campaign.slot),)
        if self.caps.acquire(owners):
            return Refused.CAMPAIGN_CONCURRENCY
        granted, _, uses = self.caps.reserve(owners, wall_s)
        if not granted:
            self.caps.vacate(owners)
            return Refused.CAMPAIGN_CAP
        call.campaign_unit = True
        call.campaign_caps = uses
        return Refused.NONE

    def release_campaign(self, call: Call, committed: bool) -> None:
        """Give back the campaign's concurrency; its caps stay used if the call was answered."""
        if not call.campaign_unit:
            return
        call.campaign_unit = False
        self.caps.vacate((campaign_owner(self.slots.campaigns[call.campaign]),))
        for use in call.campaign_caps:
            if committed:
                self.caps.commit(use)
            else:
                self.caps.release(use)

    def terms(self, campaign: Campaign) -> Terms:
        """The campaign's terms as they stand now; made once a plan."""
        found = self.frozen.get(campaign.id)
        if found is None:
            found = self.frozen[campaign.id] = terms_of(campaign)
            self.packed[campaign.id] = found.packed()
        return found

    def auction(self, campaign: Campaign, area: Area, wall_s: int, key: int) -> Outcome:
        """Match, evaluate and clear the standing bids of one call. No wait, no allocation a bid."""
        plan = self.plan
        assert plan is not None
        hours = plan.zone_hours(wall_s)
        for zone, index in enumerate(self.zone_slots):
            self.zone_hours[zone] = hours[index] if index >= 0 else -1
        matched = self.book.match(
            campaign.vertical, area.state, area.code, plan.hour_of_week(area.hour_zone, wall_s),
            0, self.zone_hours, self.matched,
        )
        count = min(matched, limits.candidates_max)
        evaluate(plan, campaign, self.caps, wall_s, self.verdicts)
        scores = self.strategies[campaign.strategy].scores(campaign, plan, self.verdicts, key)
        return self.engine.run(
            self.book, count, self.matched, self.verdicts, self.balances.available, scores,
            campaign.floor_micros, campaign.increment_micros, campaign.second_price,
            wall_s + limits.connect_expected_s, campaign.ladder, key,
        )

    def entry_of(self, slot: int, score: int, price_micros: int) -> LadderEntry:
        """A bid slot as the record names it."""
        book = self.book
        return LadderEntry(
            book.id_of(slot),
            self.slots.buyer_ids[book.buyer_of(slot)],
            self.slots.target_ids[book.target_of(slot)],
            score,
            book.amount_micros(slot),
            price_micros,
        )

    def ladder_entry(self, outcome: Outcome, place: int) -> LadderEntry:
        """One place of a cleared ladder."""
        return self.entry_of(
            outcome.ladder[place], outcome.scores[place], outcome.prices[place]
        )

    # Reserving

    def paused(self, call: Call) -> Refused:
        """Whether publisher or campaign were paused or removed while the call went on."""
        plan = self.plan
        assert plan is not None
        publisher = plan.publishers.get(call.publisher)
        if publisher is None or not publisher.active:
            return Refused.PUBLISHER_PAUSED
        campaign = plan.campaigns.get(call.campaign)
        return Refused.NONE if campaign is not None and campaign.active else Refused.CAMPAIGN_PAUSED

    def standing(self, entry: LadderEntry, slot: int, wall_s: int) -> int:
        """Bid slot of a ladder entry while it may be dialled, else −1 (rule 14).

        Every attempt asks again: the bid may have been withdrawn, paused, moved or have come
        near its end since the auction; target and buyer paused, or out of hours. slot: where
        the auction found the bid.
        """
        plan = self.plan
        assert plan is not None
        target = plan.targets.get(entry.target)
        if target is None or not self._stands(target, wall_s):
            return -1
        return self.book.dialable(
            entry.bid_id, slot, target.buyer_slot, target.slot,
            wall_s + limits.connect_expected_s,
        )

    def reserve(
        self, entry: LadderEntry, slot: int, campaign_id: str, wall_s: int
    ) -> Reservation | None:
        """Caps, concurrency, money and budget for one ladder entry in one step, or None."""
        plan = self.plan
        assert plan is not None
        slot = self.standing(entry, slot, wall_s)
        if slot < 0:
            return None
        target = plan.targets[entry.target]
        if 0 <= self.book.budget_left_micros(slot) < entry.price_micros:
            return None
        owners = (target_owner(target.slot),)
        if self.caps.acquire(owners):
            return None
        granted, _, uses = self.caps.reserve(owners, wall_s)
        if not granted:
            self.caps.vacate(owners)
            return None
        if not self.balances.hold(target.buyer_slot, entry.price_micros):
            self._give_back(owners, uses)
            return None
        self.book.spend(slot, entry.price_micros)
        campaign = plan.campaigns.get(campaign_id)
        if campaign is not None:
            self.strategies[campaign.strategy].won(campaign, target.slot)
        return Reservation(
            entry.target, target.buyer_slot, entry.bid_id, slot, entry.price_micros,
            entry.price_micros, uses,
        )

    def mark_won(self, held: Reservation, dialled_ns: int) -> None:
        """A reservation was dialled: its bid goes behind the others of its rank (rule 8)."""
        self.book.mark_won(held.bid_slot, dialled_ns)

    def _stands(self, target: Target, wall_s: int) -> bool:
        """Pause switches and the target's own hours, read live (rule 31)."""
        plan = self.plan
        assert plan is not None
        buyer = plan.buyers.get(target.buyer)
        if buyer is None or not buyer.active or not target.active:
            return False
        return target.schedule is None or target.schedule.is_open(wall_s)

    def _give_back(self, owners: tuple[int, ...], uses: tuple[CapUse, ...]) -> None:
        self.caps.vacate(owners)
        for use in uses:
            self.caps.release(use)

    def release(self, held: Reservation) -> None:
        """A reservation that was not used: caps, money and budget go back."""
        for use in held.caps:
            self.caps.release(use)
        self.balances.release(held.buyer_slot, held.hold_micros)
        self.book.unspend(held.bid_id, held.price_micros, held.bid_slot)

    def commit(self, held: Reservation, charge_micros: int) -> None:
        """An answered call ended: caps stay used, the charge leaves the hold, the rest is free."""
        for use in held.caps:
            self.caps.commit(use)
        self.balances.commit(held.buyer_slot, held.hold_micros, charge_micros)
        if charge_micros < held.price_micros:
            self.book.unspend(
                held.bid_id, held.price_micros - charge_micros, held.bid_slot
            )

    def take_unit(self, target_id: str) -> bool:
        """One more concurrency unit of a target, for a further leg to it."""
        return self.caps.acquire((target_owner(self.slots.targets[target_id]),)) == 0

    def give_unit(self, target_id: str) -> None:
        """A leg to the target ended."""
        self.caps.vacate((target_owner(self.slots.targets[target_id]),))

    # Ways and addresses

    def ways_to(self, target_id: str) -> tuple[Way, ...]:
        """The ways to a target in dialling order, () if the plan no longer has it."""
        found = self.ways.get(target_id)
        if found is None:
            assert self.plan is not None
            target = self.plan.targets.get(target_id)
            found = NO_WAYS if target is None else ways_of(target)
            self.ways[target_id] = found
        return found

    def ring_ns(self, target_id: str) -> int:
        """The target's own ring limit, 0 for the campaign's."""
        assert self.plan is not None
        target = self.plan.targets.get(target_id)
        return 0 if target is None else target.ring_ns

    def flow_of(self, key: GatewayKey, now_ns: int) -> Flow | None:
        """An address of a gateway, None while it rests or has none."""
        if self.resting and self.resting.get(key, 0) > now_ns:
            return None
        flows = self.addresses.get(key)
        return flows[0] if flows else None

    def rest_gateway(self, key: GatewayKey, until_ns: int) -> None:
        """503 with Retry-After: leave the gateway alone until then."""
        if len(self.resting) >= limits.gateways_max:
            self.resting.clear()
        self.resting[key] = until_ns

    def set_addresses(self, key: GatewayKey, flows: tuple[Flow, ...]) -> None:
        """A host was resolved, or cannot be any more; its targets become (un)reachable."""
        self.addresses[key] = flows
        self._refresh_reachable(self.targets_by_key.get(key, ()))

    def gateway_keys(self) -> list[GatewayKey]:
        """Every address the plan dials, to be resolved."""
        return list(self.targets_by_key)

    def _refresh_reachable(self, slots: Any) -> None:
        plan = self.plan
        if plan is None:
            return
        for slot in slots:
            target = plan.target_by_slot[slot]
            if target is not None:
                plan.target_reachable[slot] = int(
                    any(self.addresses.get(way.key) for way in self.ways_to(target.id))
                )

    # Plans and recovery

    def take_plan(self, plan: Plan) -> None:
        """Make a compiled plan the one in force; counters and book stay."""
        self.plan = plan
        self.version = plan.version
        self.caps.adopt(plan)
        self.balances.grow(len(self.slots.buyers))
        for buyer in plan.buyers.values():
            self.balances.set_credit(buyer.slot, buyer.credit_limit_micros)
        self.book.sell_in(plan.currency, "call")
        self.ways = {}
        self.frozen = {}
        self.packed = {}
        self.targets_by_key = {}
        for target in plan.targets.values():
            for way in self.ways_to(target.id):
                self.targets_by_key.setdefault(way.key, []).append(target.slot)
        for slots in self.targets_by_key.values():
            self._refresh_reachable(slots)

    def refresh_columns(self) -> None:
        """After any change of book or plan: room for every target slot, zones of bid hours."""
        plan = self.plan
        assert plan is not None
        # Bids may name targets that only another plan has; candidates fill those with 533.
        self.verdicts = array("B", bytes(len(self.slots.targets)))
        self.balances.grow(len(self.slots.buyers))
        self.zone_slots = [plan.zone_index.get(name, -1) for name in self.book.zones]
        self.zone_hours = array("i", bytes(4 * len(self.zone_slots)))

    def put_bid(self, terms: BidTerms, seq: int) -> None:
        """Place a bid. Raises CommandRefused as auction.book does."""
        self.book.put(
            terms,
            self.slots.slot("buyer", terms.buyer),
            self.slots.slot("target", terms.target),
            seq,
        )

    def restore(self, state: ReplayState) -> None:
        """Take over what a replay found: balances, pending payouts, the book, whose turn it is."""
        for buyer in state.balances:
            self.slots.slot("buyer", buyer)
        self.balances.grow(len(self.slots.buyers))
        for buyer, micros in state.balances.items():
            self.balances.credit_balance(self.slots.buyers[buyer], micros)
        self.balances.pending.update(state.pending)
        self.strategies["round_robin"].restore(state.turns, self.slots)
        self.book.reserve(len(state.bids))
        for bid_id, bid in state.bids.items():
            if not bid.terms:
                continue
            terms = decode_terms(bid.terms)
            buyer_slot = self.slots.slot("buyer", terms.buyer)
            self.book.past[bid_id] = (buyer_slot, bid.spent_micros, bid.last_won_ns)
            if not bid.removed:
                target_slot = self.slots.slot("target", terms.target)
                self.book.place(terms, bid.terms, buyer_slot, target_slot, state.seq)
        self.balances.grow(len(self.slots.buyers))

    def moved_turns(self) -> tuple[Turn, ...]:
        """Round-robin turns that the journal does not have yet, as many as a heartbeat carries."""
        turns: tuple[Turn, ...] = self.strategies["round_robin"].moved(
            self.slots, limits.turns_per_heartbeat_max
        )
        return turns

    def recount_caps(self, state: ReplayState) -> None:
        """Units that answered calls used before the restart; after the first plan was taken."""
        for key, used in state.caps.items():
            owner, kind, start = key.rsplit("|", 2)
            self.caps.recount(CapUse(owner, kind, int(start), state.cap_ends.get(key, 0)), used)


def terms_of(campaign: Campaign) -> Terms:
    """The campaign's terms as they stand now."""
    return Terms(
        campaign.qualify_s * NS_PER_S,
        PAYOUTS[campaign.payout_kind],
        campaign.payout_micros,
        campaign.payout_basis_points,
        campaign.payout_qualify_s * NS_PER_S,
    )
