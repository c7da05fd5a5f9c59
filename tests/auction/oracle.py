"""The auction once more, slowly: sort everything by tuple, then read the rules off the list."""

from dataclasses import dataclass

from auction.bid import BidTerms
from auction.score import bid_hash, tie_hash
from vocabulary.reasons import ELIGIBLE, REASON_BASE, Reason


@dataclass(frozen=True)
class Candidate:
    """One matched bid as the oracle sees it."""

    terms: BidTerms
    buyer: int
    target: int
    spent_micros: int
    last_won: int


@dataclass(frozen=True)
class Auction:
    """The inputs of one run beside its candidates."""

    verdicts: list[int]
    available: list[int]
    target_scores: list[int] | None
    floor_micros: int
    increment_micros: int
    second_price: bool
    wall_s: int
    ladder_max: int
    key: int


@dataclass(frozen=True)
class Decision:
    """What must come out. reasons: by bid id."""

    ladder: list[str]
    prices: list[int]
    runner_up: str | None
    reasons: dict[str, int]


def decide(candidates: list[Candidate], auction: Auction) -> Decision:
    """The decision by exchange rules 8, 9, 10 and 12."""
    reasons = {}
    standing = []
    for candidate in candidates:
        reason = _gate(candidate, auction)
        reasons[candidate.terms.bid_id] = reason
        if reason == Reason.OUTBID - REASON_BASE:
            standing.append(candidate)
    standing.sort(key=lambda candidate: _rank(candidate, auction))
    entered: list[Candidate] = []
    for candidate in standing:
        if not any((c.buyer, c.target) == (candidate.buyer, candidate.target) for c in entered):
            entered.append(candidate)
    ladder = entered[: auction.ladder_max]
    for candidate in ladder:
        reasons[candidate.terms.bid_id] = ELIGIBLE
    rest = entered[auction.ladder_max :]
    return Decision(
        [candidate.terms.bid_id for candidate in ladder],
        [_price(place, entered, auction) for place in range(len(ladder))],
        rest[0].terms.bid_id if rest else None,
        reasons,
    )


def _gate(candidate: Candidate, auction: Auction) -> int:
    terms = candidate.terms
    if auction.verdicts[candidate.target] != ELIGIBLE:
        return auction.verdicts[candidate.target]
    gates = (
        (terms.currency != "USD", Reason.CURRENCY),
        (terms.per != "call", Reason.PRICE_BASIS),
        (terms.expires_s and terms.expires_s <= auction.wall_s, Reason.EXPIRED),
        (terms.amount_micros < auction.floor_micros, Reason.BELOW_FLOOR),
        (0 <= terms.budget_micros < candidate.spent_micros + terms.amount_micros, Reason.BUDGET),
        (auction.available[candidate.buyer] < terms.amount_micros, Reason.FUNDS),
    )
    for fails, reason in gates:
        if fails:
            return reason - REASON_BASE
    return Reason.OUTBID - REASON_BASE


def _score(candidate: Candidate, auction: Auction) -> int:
    if auction.target_scores is not None:
        return auction.target_scores[candidate.target]
    return candidate.terms.amount_micros * candidate.terms.quality_ppm


def _rank(candidate: Candidate, auction: Auction) -> tuple[int, int, int]:
    return (
        -_score(candidate, auction),
        candidate.last_won,
        tie_hash(auction.key, bid_hash(candidate.terms.bid_id)),
    )


def _price(place: int, entered: list[Candidate], auction: Auction) -> int:
    winner = entered[place]
    if not auction.second_price:
        return winner.terms.amount_micros
    rivals = [rival for rival in entered[place + 1 :] if rival.buyer != winner.buyer]
    if not rivals:
        return auction.floor_micros
    score, quality = _score(rivals[0], auction), winner.terms.quality_ppm
    tie = -(-score // quality)
    return min(
        winner.terms.amount_micros, max(auction.floor_micros, tie + auction.increment_micros)
    )
