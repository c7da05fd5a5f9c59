"""A mix of calls as people make them: kinds with their share, their phones and their plan.

```
kind ─► tracking number ─► campaign ─► ladder: one target for each phone, the first bids most
```
Each target has a buyer of its own, so a charge tells which phone of which kind was paid for.
What a call of a kind must leave in the record stands here, written from the rules of the
exchange and not from its code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vocabulary.reasons import Refused

PHONE_HOST, CALLER_HOST = "127.0.0.2", "127.0.0.3"
QUALIFY_S, SHARE_BASIS_POINTS = 3, 7_000
TALK_MS, SHORT_MS = 5_000, 300  # far on either side of QUALIFY_S
PHONES = ("answers", "hangs_up", "busy", "rings", "vanishes", "silent")
PUBLISHER = "pub"
LOSSY = "lossy"  # the kind whose caller loses what it sends, now and then
MEASURED = "talks"  # the kind whose set-up times are taken
MICROS = 1_000_000
_CENTS_LEAST, _CENTS_STEP = 150, 7
_OPEN = {"ring_s": 2, "no_response_s": 2}


@dataclass(frozen=True)
class Kind:
    """Calls of one kind. caller: its scenario; ladder: phones in the order they are dialled.

    share: of 1,000 calls. status: what a refused caller hears. answered: place on the ladder of
    the phone that answers, -1 for none. campaign: keys over the plan's usual ones.
    """

    name: str
    share: int
    caller: str
    ladder: tuple[str, ...]
    disposition: str
    answered: int = -1
    hold_ms: int = 0
    status: int = 0
    refused: Refused = Refused.NONE
    campaign: Mapping[str, object] = field(default_factory=dict)

    def target(self, place: int) -> str:
        """Id of the target at a place of the ladder, and of its buyer."""
        return f"{self.name}-{place}"

    @property
    def payer(self) -> str:
        """Who is charged if the call qualifies; "" for nobody."""
        return self.target(self.answered) if self.answered >= 0 else ""


_ANSWERED = "completed"
SOAK = (
    Kind("talks", 370, "caller_stays", ("answers",), _ANSWERED, 0, TALK_MS),
    Kind("short", 130, "caller_stays", ("answers",), _ANSWERED, 0, SHORT_MS),
    Kind("busy-next", 120, "caller_stays", ("busy", "answers"), _ANSWERED, 1, TALK_MS),
    Kind("rings-next", 80, "caller_stays", ("rings", "answers"), _ANSWERED, 1, SHORT_MS),
    Kind("silent-next", 20, "caller_stays", ("silent", "answers"), _ANSWERED, 1, TALK_MS),
    Kind("hung-up", 80, "caller_hung_up", ("hangs_up",), _ANSWERED, 0, TALK_MS),
    Kind("canceled", 70, "caller_cancels", ("rings",), "canceled"),
    Kind("unsold", 40, "caller_refused", ("answers",), "unsold", status=480,
         refused=Refused.NO_BID, campaign={"floor": "9000.00"}),
    Kind("closed", 30, "caller_refused", ("answers",), "blocked", status=480,
         refused=Refused.CAMPAIGN_SCHEDULE, campaign={"schedule": "never"}),
    Kind("all-busy", 20, "caller_refused", ("busy", "busy"), "busy", status=486,
         refused=Refused.LADDER_EMPTY),
    Kind(LOSSY, 20, "caller_stays", ("answers",), _ANSWERED, 0, TALK_MS),
    Kind("vanished", 10, "caller_stays", ("vanishes",), _ANSWERED, 0, TALK_MS),
    Kind("unheard", 10, "caller_unacked", ("answers",), "no_ack", 0),
)
OUTAGE = (
    Kind("talks", 300, "caller_stays", ("answers",), _ANSWERED, 0, TALK_MS),
    Kind("short", 500, "caller_stays", ("answers",), _ANSWERED, 0, SHORT_MS),
    Kind("busy-next", 150, "caller_stays", ("busy", "answers"), _ANSWERED, 1, TALK_MS),
    Kind("canceled", 50, "caller_cancels", ("rings",), "canceled"),
)


def number(index: int) -> str:
    """Tracking number of the kind at this place, +1800555NNNN (fictional use only)."""
    return f"+1800555{1_000 + index}"


def price_micros(kinds: Sequence[Kind], kind: Kind, place: int) -> int:
    """What the target at this place of the ladder bids, and pays at first price."""
    cents = _CENTS_LEAST + kinds.index(kind) * _CENTS_STEP - place
    return cents * MICROS // 100


def payout_micros(revenue: int) -> int:
    """The publisher's share of a charge, rounded down."""
    return revenue * SHARE_BASIS_POINTS // 10_000


def plan(kinds: Sequence[Kind], ports: Mapping[str, int]) -> dict[str, Any]:
    """The plan as its file holds it. ports: of each phone on PHONE_HOST."""
    places = [(kind, place) for kind in kinds for place in range(len(kind.ladder))]
    return {
        "version": 1, "currency": "USD",
        "trunks": [{"id": "mix", "networks": ["127.0.0.0/8"], "country": "US",
                    "number_from": "request_uri", "trusted": True}],
        "publishers": [{"id": PUBLISHER, "name": "Publisher"}],
        "schedules": [{"id": "never", "zone": "UTC", "open": []}],
        "buyers": [{"id": kind.target(place), "name": kind.name, "credit_limit": "100000000.00"}
                   for kind, place in places],
        "targets": [{"id": kind.target(place), "buyer": kind.target(place), "concurrency": 5_000,
                     "uri": f"sip:{kind.target(place)}@{PHONE_HOST}:{ports[kind.ladder[place]]}"
                            ";transport=udp",
                     "caps": {"hour": 10_000_000, "day": 10_000_000}}
                    for kind, place in places],
        "campaigns": [_campaign(kind) for kind in kinds],
        "numbers": [{"number": number(index), "campaign": kind.name, "publisher": PUBLISHER}
                    for index, kind in enumerate(kinds)],
        "bids": [{"id": f"bid-{kind.target(place)}", "buyer": kind.target(place),
                  "target": kind.target(place),
                  "amount": _amount(price_micros(kinds, kind, place))}
                 for kind, place in places],
    }


def _amount(micros: int) -> str:
    return f"{micros // MICROS}.{micros % MICROS * 100 // MICROS:02d}"


def _campaign(kind: Kind) -> dict[str, Any]:
    share = {"kind": "share", "basis_points": SHARE_BASIS_POINTS, "qualify_s": QUALIFY_S}
    return {"id": kind.name, "name": kind.name, "vertical": "insurance", "strategy": "auction",
            "price": "first", "floor": "1.00", "terms": {"qualify_s": QUALIFY_S},
            "payout": share, **_OPEN, **kind.campaign,
            "targets": [kind.target(place) for place in range(len(kind.ladder))]}
