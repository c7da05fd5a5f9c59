"""The bench plan: 500 buyers × 200 bids = 100,000 standing bids, of which 1,000 pass.

Callers come from area code 212 (New York). Each buyer has one bid for the state NY and one
for the area code 212 in all hours of the week: the 2 that pass the index. Its other 198 ask
for other states or other area codes, one in three of them in working hours only. All targets
are the one SIPp buyer. A target takes 50 calls at a time, so that held calls spread over
many buyers and the concurrency reason is at work. Amounts differ by bid, without chance.
"""

from typing import Any

from tests.bench.load import BUYER_HOST

BUYERS, BIDS_PER_BUYER, PASSING = 500, 200, 1_000
NUMBER = "+18005550100"
CALLER_STATE, CALLER_AREA = "NY", 212
OTHER_STATES = ("CA", "TX", "FL", "PA", "IL", "OH", "GA", "NC", "MI", "NJ", "VA", "WA", "AZ",
                "MA", "TN", "IN", "MO", "MD", "WI", "CO", "MN", "SC", "AL", "LA", "KY", "OR")
OTHER_AREAS = (213, 214, 305, 215, 312, 216, 404, 704, 313, 201, 703, 206, 602, 617, 615, 317,
               314, 410, 414, 303, 612, 803, 205, 504, 502, 503)
_ALL_WEEK = {"zone": "caller", "open": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}]}
_WORKING = {"zone": "caller", "open": [{"days": "mon-fri", "from": "08:00", "to": "20:00"}]}
_CENTS_LEAST, _CENTS_SPAN = 500, 2_000


def plan(buyer_port: int, buyers: int = BUYERS, bids_per_buyer: int = BIDS_PER_BUYER
         ) -> dict[str, Any]:
    """The plan as its file holds it; smaller counts serve tests of this file."""
    names = [f"b{index:03d}" for index in range(buyers)]
    return {
        "version": 1, "currency": "USD",
        "trunks": [{"id": "load", "networks": ["127.0.0.0/8"], "country": "US",
                    "number_from": "request_uri", "trusted": True}],
        "publishers": [{"id": "pub", "name": "Publisher", "zone": "America/New_York"}],
        "buyers": [{"id": name, "name": name, "credit_limit": "10000000.00",
                    "zone": "America/New_York"} for name in names],
        "targets": [{"id": f"t-{name}", "buyer": name, "concurrency": 50,
                     "uri": f"sip:{name}@{BUYER_HOST}:{buyer_port};transport=udp",
                     "caps": {"hour": 10_000_000, "day": 10_000_000}} for name in names],
        "campaigns": [{"id": "bench", "name": "Bench", "vertical": "insurance",
                       "strategy": "auction", "price": "second", "increment": "0.01",
                       "floor": "1.00", "targets": "all", "terms": {"qualify_s": 30},
                       "payout": {"kind": "share", "basis_points": 7_000, "qualify_s": 30}}],
        "numbers": [{"number": NUMBER, "campaign": "bench", "publisher": "pub"}],
        "bids": [_bid(buyer, name, ordinal) for buyer, name in enumerate(names)
                 for ordinal in range(bids_per_buyer)],
    }


def _bid(buyer: int, name: str, ordinal: int) -> dict[str, Any]:
    cents = _CENTS_LEAST + (buyer * 7_919 + ordinal * 104_729) % _CENTS_SPAN
    return {"id": f"{name}-{ordinal:03d}", "buyer": name, "target": f"t-{name}",
            "amount": f"{cents // 100}.{cents % 100:02d}", "criteria": _criteria(ordinal)}


def _criteria(ordinal: int) -> dict[str, Any]:
    if ordinal == 0:
        return {"states": [CALLER_STATE], "verticals": ["insurance"]}
    if ordinal == 1:
        return {"area_codes": [CALLER_AREA], "hours": _ALL_WEEK}
    wanted: dict[str, Any] = (
        {"states": [OTHER_STATES[ordinal % len(OTHER_STATES)]]} if ordinal % 2
        else {"area_codes": [OTHER_AREAS[ordinal % len(OTHER_AREAS)]]})
    return {**wanted, "hours": _WORKING} if ordinal % 3 == 0 else wanted
