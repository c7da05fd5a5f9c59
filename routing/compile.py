"""A written plan → the flat file that a signal worker runs by, the bids apart, and warnings."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from routing.address import parse_host_port, parse_sip_uri
from routing.area import AreaTable
from routing.plan_file import (
    NONE,
    AreaEntry,
    BuyerEntry,
    CampaignEntry,
    GatewayEntry,
    NumberEntryFile,
    PlanFile,
    PublisherEntry,
    ScheduleEntry,
    StandingBid,
    TargetEntry,
    TrunkEntry,
    ZoneEntry,
    section,
)
from routing.plan_warnings import plan_warnings
from routing.source_structs import (
    BidSource,
    CampaignSource,
    CapsSource,
    PlanSource,
    ScheduleSource,
    TargetSource,
    TrunkSource,
)
from routing.trunk import parse_network
from routing.weekly import hours_mask, open_intervals, week_spans
from routing.written_checks import amount_micros
from routing.written_time import parse_date, parse_instant_s
from vocabulary import limits
from vocabulary.errors import PlanRefused
from vocabulary.instants import S_PER_DAY, expand_zone, local_midnights
from vocabulary.number import DialRule, format_outward

ATTESTATION_BITS = {"A": 1, "B": 2, "C": 4}
NS_PER_S = limits.NS_PER_S
ZONES_KEPT = 512


def compile_plan(
    source: PlanSource,
    *,
    now_s: int,
    version: int,
    areas: AreaTable,
    dial_rules: Mapping[str, DialRule],
) -> tuple[PlanFile, tuple[StandingBid, ...], list[str]]:
    """The plan's file, its standing bids, and warnings as "path: message".

    source: as `plan_source.load` gave it. now_s: Unix second around which zones are expanded.
    dial_rules: country → how it dials. Raises PlanRefused for a country without a rule.
    """
    work = _Compilation(source, now_s, areas)
    rules = _trunk_rules(source.trunks, dial_rules)
    file = PlanFile(
        version=version,
        currency=source.currency,
        compiled_s=now_s,
        zones=work.zone_entries(),
        areas=work.area_entries(areas),
        trunks=section([_trunk(t, r) for t, r in zip(source.trunks, rules, strict=True)]),
        publishers=section(
            [PublisherEntry(p.id, p.name, p.status == "active") for p in source.publishers]
        ),
        buyers=section(
            [
                BuyerEntry(b.id, b.name, b.status == "active", amount_micros(b.credit_limit))
                for b in source.buyers
            ]
        ),
        gateways=section(
            [
                GatewayEntry(g.id, g.host, g.port, g.transport, g.number_format, g.prefix)
                for g in source.gateways
            ]
        ),
        schedules=section([work.schedule(entry) for entry in source.schedules]),
        targets=section([work.target(entry) for entry in source.targets]),
        campaigns=section([work.campaign(entry) for entry in source.campaigns]),
        numbers=section(
            [
                NumberEntryFile(n.number, work.campaigns[n.campaign], work.publishers[n.publisher])
                for n in source.numbers
            ]
        ),
    )
    bids = tuple(work.bid(bid) for bid in source.bids)
    return file, bids, plan_warnings(source, areas, now_s)


class _Compilation:
    """Indexes of everything that entries refer to, and the expanded zones."""

    def __init__(self, source: PlanSource, now_s: int, areas: AreaTable) -> None:
        self._source = source
        today_s = now_s // S_PER_DAY * S_PER_DAY
        self._from_s = today_s - limits.schedule_days_back * S_PER_DAY
        self._to_s = today_s + (limits.schedule_days_ahead + 1) * S_PER_DAY
        self._buyers = {entry.id: index for index, entry in enumerate(source.buyers)}
        self._buyer_zones = {entry.id: entry.zone for entry in source.buyers}
        self._gateways = {entry.id: index for index, entry in enumerate(source.gateways)}
        self._schedules = {entry.id: index for index, entry in enumerate(source.schedules)}
        self._schedule_zones = {entry.id: entry.zone for entry in source.schedules}
        self._targets = {entry.id: index for index, entry in enumerate(source.targets)}
        self.campaigns = {entry.id: index for index, entry in enumerate(source.campaigns)}
        self.publishers = {entry.id: index for index, entry in enumerate(source.publishers)}
        # Areas first, so that an area's zone index is the same in every plan.
        self._zones = {name: index for index, name in enumerate(areas.zones)}
        for name in self._zone_names():
            self._zones.setdefault(name, len(self._zones))

    def _zone_names(self) -> list[str]:
        names = ["UTC", *self._buyer_zones.values(), *self._schedule_zones.values()]
        names += [owner.caps.zone for owner in self._source.targets if owner.caps.zone]
        names += [owner.caps.zone for owner in self._source.campaigns if owner.caps.zone]
        for bid in self._source.bids:
            hours = bid.criteria.hours
            if hours is not None and hours.zone not in ("caller", "buyer"):
                names.append(hours.zone)
        return names

    def zone_entries(self) -> tuple[ZoneEntry, ...]:
        """Every zone of the plan at its index."""
        return tuple(_zone(name, self._from_s, self._to_s) for name in self._zones)

    def area_entries(self, areas: AreaTable) -> tuple[AreaEntry, ...]:
        """Every area code."""
        return tuple(
            AreaEntry(area.code, area.state, area.country, area.hour_zone)
            for area in areas.areas()
        )

    def schedule(self, entry: ScheduleSource) -> ScheduleEntry:
        """A schedule as the intervals in which it is open."""
        intervals = open_intervals(
            _zone(entry.zone, self._from_s, self._to_s).table,
            week_spans(entry.open),
            frozenset(parse_date(date) for date in entry.closed),
            self._to_s,
        )
        return ScheduleEntry(
            entry.id,
            tuple(start for start, _ in intervals),
            tuple(end for _, end in intervals),
        )

    def target(self, entry: TargetSource) -> TargetEntry:
        """A target with its Request-URIs."""
        gateways = [self._source.gateways[self._gateways[name]] for name in entry.gateways]
        uris: tuple[bytes, ...]
        if entry.uri is not None:
            uris = (entry.uri.encode(),)
            host = parse_sip_uri(entry.uri).host
        else:
            assert entry.number is not None, "the check of targets wants one of both"
            uris = tuple(
                _gateway_uri(
                    format_outward(entry.number, gateway.number_format, gateway.prefix),
                    gateway.host,
                    gateway.port,
                    gateway.transport,
                )
                for gateway in gateways
            )
            host = ""
        return TargetEntry(
            id=entry.id,
            buyer=self._buyers[entry.buyer],
            uris=uris,
            number=entry.number or "",
            gateways=tuple(self._gateways[name] for name in entry.gateways),
            host=host,
            schedule=self._schedule_index(entry.schedule),
            concurrency=_or_none(entry.concurrency),
            hour_cap=_or_none(entry.caps.hour),
            day_cap=_or_none(entry.caps.day),
            cap_zone=self._cap_zone(entry.caps, self._buyer_zones[entry.buyer]),
            ring_ns=(entry.ring_s or 0) * NS_PER_S,
            priority=entry.priority,
            weight=entry.weight,
            active=entry.status == "active",
        )

    def campaign(self, entry: CampaignSource) -> CampaignEntry:
        """A campaign with its terms as integers."""
        payout = entry.payout
        own_zone = self._schedule_zones[entry.schedule] if entry.schedule else "UTC"
        return CampaignEntry(
            id=entry.id,
            name=entry.name,
            vertical=entry.vertical,
            strategy=entry.strategy,
            second_price=entry.price == "second",
            increment_micros=amount_micros(entry.increment),
            floor_micros=amount_micros(entry.floor),
            targets=None
            if entry.targets == "all"
            else tuple(self._targets[name] for name in entry.targets),
            schedule=self._schedule_index(entry.schedule),
            concurrency=_or_none(entry.concurrency),
            hour_cap=_or_none(entry.caps.hour),
            day_cap=_or_none(entry.caps.day),
            cap_zone=self._cap_zone(entry.caps, own_zone),
            active=entry.status == "active",
            ladder=entry.ladder,
            ring_ns=entry.ring_s * NS_PER_S,
            no_response_ns=entry.no_response_s * NS_PER_S,
            ladder_ns=entry.ladder_s * NS_PER_S,
            setup_ns=entry.setup_s * NS_PER_S,
            qualify_s=entry.terms.qualify_s,
            payout_kind=payout.kind,
            payout_micros=amount_micros(payout.amount or 0),
            payout_basis_points=payout.basis_points or 0,
            payout_qualify_s=entry.terms.qualify_s
            if payout.qualify_s is None
            else payout.qualify_s,
        )

    def bid(self, bid: BidSource) -> StandingBid:
        """A bid with money, hours and expiry as integers."""
        criteria = bid.criteria
        mask, zone = 0, "caller"
        if criteria.hours is not None:
            mask, zone = hours_mask(criteria.hours.open), criteria.hours.zone
        return StandingBid(
            bid_id=bid.id,
            buyer=bid.buyer,
            target=bid.target,
            amount_micros=amount_micros(bid.amount),
            per=bid.per,
            currency=bid.currency or self._source.currency,
            states=tuple(criteria.states),
            area_codes=tuple(criteria.area_codes),
            hours=(mask, self._buyer_zones[bid.buyer] if zone == "buyer" else zone),
            verticals=tuple(criteria.verticals),
            attestation=sum(ATTESTATION_BITS[level] for level in set(criteria.attestation)),
            budget_micros=NONE if bid.budget is None else amount_micros(bid.budget),
            expires_s=0 if bid.expires is None else parse_instant_s(bid.expires),
            quality_ppm=bid.quality_ppm,
            active=bid.status == "active",
        )

    def _schedule_index(self, plan_id: str | None) -> int:
        return NONE if plan_id is None else self._schedules[plan_id]

    def _cap_zone(self, caps: CapsSource, default: str) -> int:
        return self._zones[caps.zone or default]


@lru_cache(maxsize=ZONES_KEPT)
def _zone(name: str, from_s: int, to_s: int) -> ZoneEntry:
    """A zone over the span; every plan that is compiled on one day asks for the same."""
    table = expand_zone(name, from_s, to_s)
    midnights = local_midnights(table, from_s, to_s)
    return ZoneEntry(table, tuple(start for _, start in midnights))


def _or_none(count: int | None) -> int:
    return NONE if count is None else count


def _gateway_uri(user: str, host: str, port: int, transport: str) -> bytes:
    where = f"[{host}]" if ":" in host and not host.startswith("[") else host
    suffix = ";transport=tcp" if transport == "tcp" else ""
    return f"sip:{user}@{where}:{port}{suffix}".encode()


def _trunk_rules(
    trunks: list[TrunkSource], dial_rules: Mapping[str, DialRule]
) -> list[DialRule]:
    """Dial rule of each trunk: its country's, with its own strip and add."""
    missing = [
        (f"trunks[{index}].country", f"no dialling rules for {trunk.country!r}")
        for index, trunk in enumerate(trunks)
        if trunk.country not in dial_rules
    ]
    if missing:
        raise PlanRefused(missing)
    return [
        msgspec.structs.replace(dial_rules[trunk.country], strip=trunk.strip, add=trunk.add)
        for trunk in trunks
    ]


def _trunk(trunk: TrunkSource, rule: DialRule) -> TrunkEntry:
    networks = []
    for written in trunk.networks:
        version, address, length = parse_network(written)
        networks.append((version, address.to_bytes(16, "big"), length))
    return TrunkEntry(
        id=trunk.id,
        networks=tuple(networks),
        rule=rule,
        number_from=trunk.number_from,
        trusted=trunk.trusted,
        may_dial=tuple(trunk.may_dial),
        tags=tuple(trunk.tags.items()),
        advertise=None if trunk.advertise is None else parse_host_port(trunk.advertise),
    )
