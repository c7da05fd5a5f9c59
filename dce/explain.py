"""Who the candidates of a recorded auction were: names for the ordinals of its reason vector.

```
plan file, bids file of the version ─► market ─match(place, hour, …)─► bids, in book order
reason vector of the auction ────────────────────────────────────────► one reason each
```
The record keeps no row for a candidate that never came near the ladder; they are found again with
the code that found them at the call. The names are given only if they fit what was recorded: as
many candidates as then, and every bid of the ladder among those that stood.
"""

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from auction import reasons
from auction.bid import BidTerms
from dce import plan_files
from dce.book_order import read_order
from exchange.market import Market
from routing.area import Area
from routing.plan_build import build_plan
from storage.sealing import read_keys
from vocabulary import limits
from vocabulary.errors import CommandRefused, ExchangeError
from vocabulary.limits import NS_PER_S
from vocabulary.money import format_micros
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason, openrtb_code

MARKETS_KEPT = 2

Row = Mapping[str, Any]


class Explainer:
    """Names candidates; keeps the books of the last few plan versions that were asked for."""

    def __init__(self, plans_dir: Path, keys_dir: Path) -> None:
        self._plans_dir = plans_dir
        self._keys_dir = keys_dir
        self._markets: OrderedDict[tuple[int, int], Market] = OrderedDict()
        self._busy = asyncio.Lock()

    async def candidates(
        self, call: Row, auction: Row, bids: Sequence[Row]
    ) -> list[dict[str, Any]] | None:
        """Each candidate with its reason ("eligible" where it stood); None if it cannot be said.

        call, auction, bids: rows of the record. At most limits.candidates_named_max are named.
        """
        async with self._busy:
            return await asyncio.to_thread(self._candidates, call, auction, bids)

    def _candidates(
        self, call: Row, auction: Row, bids: Sequence[Row]
    ) -> list[dict[str, Any]] | None:
        if not auction["reasons"]:
            return [] if not auction["candidates"] else None
        try:
            vector = reasons.decode(auction["reasons"])
            market = self._market(auction["plan_version"], auction["book_seq"])
            slots = self._matched(market, call, auction)
        except (ExchangeError, OSError, ValueError):
            return None
        if len(slots) != len(vector) or not _fits(market, slots, vector, bids):
            return None
        return [
            _named(market, slot, ordinal)
            for slot, ordinal in zip(slots[:limits.candidates_named_max], vector, strict=False)
        ]

    def _market(self, version: int, book_seq: int) -> Market:
        """Plan and book as they were; built at most once per version and sequence."""
        key = (version, book_seq)
        if key not in self._markets:
            self._markets[key] = self._build(version, book_seq)
            while len(self._markets) > MARKETS_KEPT:
                self._markets.popitem(last=False)
        self._markets.move_to_end(key)
        return self._markets[key]

    def _build(self, version: int, book_seq: int) -> Market:
        file, _ = plan_files.read_plan(plan_files.plan_path(self._plans_dir, version))
        market = Market()
        market.take_plan(build_plan(file, market.slots))
        chunks = plan_files.read_bids(plan_files.bids_path(self._plans_dir, version))
        standing = [terms for chunk in chunks for terms in chunk]
        for seq, terms in enumerate(_in_order(standing, read_order(self._plans_dir, book_seq))):
            market.put_bid(terms, seq)
        return market

    def _matched(self, market: Market, call: Row, auction: Row) -> list[int]:
        """Slots that the index returned for the call, in order."""
        plan = market.plan
        assert plan is not None
        campaign = plan.campaigns.get(call["campaign"])
        if campaign is None:
            raise CommandRefused("campaign_unknown", "the plan no longer has the campaign")
        area = self._area(market, call)
        wall_s = auction["received_at"] // NS_PER_S
        hours = plan.zone_hours(wall_s)
        known = [plan.zone_index.get(name, -1) for name in market.book.zones]
        zone_hours = array("i", [hours[index] if index >= 0 else -1 for index in known])
        count = market.book.match(
            campaign.vertical, area.state, area.code,
            plan.hour_of_week(area.hour_zone, wall_s), auction["attestation"],
            zone_hours, market.matched,
        )
        return list(market.matched[: min(count, limits.candidates_max)])

    def _area(self, market: Market, call: Row) -> Area:
        """The caller's place: the number is opened for that and goes no further."""
        keys = read_keys(self._keys_dir)
        plain = keys.open(call["personal"]) if keys is not None else None
        if plain is None:
            raise CommandRefused("sealed", "no key opens the caller's number")
        return market.area_of(plain[0])


def _in_order(standing: Iterable[BidTerms], order: list[str] | None) -> list[BidTerms]:
    """Bids in the order that the book held them; as the plan lists them if that is unknown."""
    by_id = {terms.bid_id: terms for terms in standing}
    if order is None:
        return list(by_id.values())
    known = [by_id.pop(bid_id) for bid_id in order if bid_id in by_id]
    return [*known, *by_id.values()]


def _fits(
    market: Market, slots: Sequence[int], vector: Sequence[int], bids: Sequence[Row]
) -> bool:
    """Whether every bid on the ladder is among the candidates that stood."""
    stood = {
        market.book.id_of(slot)
        for slot, ordinal in zip(slots, vector, strict=True)
        if ordinal == ELIGIBLE
    }
    return all(row["bid_id"] in stood for row in bids if not row["runner_up"])


def _named(market: Market, slot: int, ordinal: int) -> dict[str, Any]:
    book = market.book
    row: dict[str, Any] = {
        "bid": book.id_of(slot),
        "buyer": market.slots.buyer_ids[book.buyer_of(slot)],
        "target": market.slots.target_ids[book.target_of(slot)],
        "amount": format_micros(book.amount_micros(slot)),
    }
    if ordinal == ELIGIBLE:
        return {**row, "reason": "eligible", "reason_id": None, "openrtb": None}
    reason = Reason(ordinal + REASON_BASE)
    return {
        **row, "reason": reason.name.lower(), "reason_id": int(reason),
        "openrtb": openrtb_code(reason),
    }
