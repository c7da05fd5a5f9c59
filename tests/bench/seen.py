"""What the callers saw, a call each, and what the record must therefore say of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.fleet import LOG_FILE, Fleet
from tests.bench.mix import QUALIFY_S, Kind, payout_micros, price_micros

_US = 1_000_000
_UNSURE_US = 500_000  # a talk so near to the threshold proves nothing about its charge


@dataclass(frozen=True)
class Seen:
    """One placed call. Times in Unix µs of this machine; 0 = never came there."""

    kind: Kind
    call_id: str
    placed_us: int
    talking_us: int = 0
    leaving_us: int = 0
    ended_us: int = 0

    @property
    def talk_us(self) -> int:
        """How long the caller talked; 0 for a call that was not answered or acknowledged."""
        return self.leaving_us - self.talking_us if self.leaving_us else 0

    @property
    def setup_us(self) -> int:
        """From the INVITE to the 200. Only for a call that was answered."""
        assert self.talking_us
        return self.talking_us - self.placed_us

    @property
    def unsure(self) -> bool:
        """Whether nobody can say from outside if it qualified."""
        return abs(self.talk_us - QUALIFY_S * _US) < _UNSURE_US


@dataclass(frozen=True)
class Due:
    """What the row of one call must say. buyer: who answered, charged or not; "" = nobody."""

    disposition: str
    refused: int
    buyer: str
    qualified: bool
    revenue_micros: int
    payout_micros: int


def due(kinds: Sequence[Kind], seen: Seen) -> Due:
    """The row of a call that ended as its kind's scenario says."""
    kind = seen.kind
    qualified = seen.talk_us >= QUALIFY_S * _US
    revenue = price_micros(kinds, kind, kind.answered) if qualified else 0
    return Due(kind.disposition, int(kind.refused), kind.payer, qualified, revenue,
               payout_micros(revenue))


def charges(kinds: Sequence[Kind], calls: Iterable[Seen]) -> dict[str, int]:
    """Micro-units that each buyer must have been charged, buyers without a charge included."""
    sums = {kind.target(place): 0 for kind in kinds for place in range(len(kind.ladder))}
    for seen in calls:
        owed = due(kinds, seen)
        if owed.revenue_micros:
            sums[owed.buyer] += owed.revenue_micros
    return sums


def read_calls(fleet: Fleet) -> list[Seen]:
    """All calls that the fleet's callers placed."""
    return [seen for kind in fleet.kinds if kind.name in fleet.callers
            for seen in read_log(kind, fleet.callers[kind.name].folder / LOG_FILE)]


def read_log(kind: Kind, path: Path) -> Iterator[Seen]:
    """Calls of one log. ValueError for an event of a call that was never placed."""
    times: dict[str, dict[str, int]] = {}
    for line in path.read_text().splitlines():
        call_id, event, stamp = line.split(";")
        if event == "placed":
            times[call_id] = {}
        elif call_id not in times:
            raise ValueError(f"{path}: {line!r} of a call that was not placed")
        times[call_id][f"{event}_us"] = _unix_us(stamp)
    for call_id, found in times.items():
        yield Seen(kind, call_id, **found)


def _unix_us(stamp: str) -> int:
    """Of SIPp's `date TAB time TAB seconds.micros`."""
    whole, _, part = stamp.rpartition("\t")[2].partition(".")
    return int(whole) * _US + int(part)
