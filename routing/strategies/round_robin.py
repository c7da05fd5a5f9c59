"""Smooth weighted round robin: turns in proportion to weight, without bursts.

Each turn every target in it gains its weight; the one with most wins and pays the sum of the
weights in the turn. Weights 5, 1, 1 give a a b a c a a, not a a a a a b c (the method of nginx,
Igor Sysoev 2012).

A target that ranked above the winner and yet did not win has no bid that stands; it takes no part
in the turn. So its credit stays where it is, and it cannot save up for a burst.

Heartbeats carry the credits that moved into the journal: a crash forgets a second of turns.
"""

from array import array

from routing.plan import Plan
from routing.plan_objects import Campaign
from routing.slots import Slots
from vocabulary.facts import Turn
from vocabulary.limits import score_max, targets_max

# A score is credit (2^40 ± 1,000 · targets) and a rank of 20 bits.
assert targets_max < 2**20
assert (2**40 + 1_000 * targets_max + 1) << 20 <= score_max

class Credits:
    """State of one campaign: credit by target slot, and the targets of the last scoring.

    eligible[:count]: the slots that were scored. told: the credits that the journal has; moved:
    whether some differ.
    """

    __slots__ = ("count", "credit", "eligible", "moved", "scores", "told", "weights")

    def __init__(self) -> None:
        self.credit = array("q")
        self.scores = array("q")
        self.eligible = array("i")
        self.weights = array("i")
        self.count = 0
        self.told = array("q")
        self.moved = False

    def resize(self, slots: int) -> None:
        """Room for more target slots."""
        more = slots - len(self.credit)
        if more > 0:
            self.credit.extend([0] * more)
            self.told.extend([0] * more)
            self.scores.extend([0] * more)
            self.eligible.extend([0] * more)

    def score(
        self, targets: "array[int]", verdicts: "array[int]", weights: "array[int]"
    ) -> None:
        """Scores in the order in which the targets' turns would come; ties by plan order."""
        self.resize(len(verdicts))
        self.weights = weights
        credits = self.credit
        scores = self.scores
        eligible = self.eligible
        gains = weights
        count = 0
        last = len(targets) - 1
        for index in range(len(targets)):
            slot = targets[index]
            if verdicts[slot] != 255:
                scores[slot] = 0
                continue
            eligible[count] = slot
            count += 1
            # 2^40 keeps scores above 0: a credit stays within the sum of all weights, 5 · 10^7.
            credit = 1_099_511_627_776 + credits[slot] + gains[slot]
            scores[slot] = (credit << 20) + last - index
        self.count = count

    def turn(self, winner: int) -> None:
        """The winner's turn, among the targets last scored at or below it.

        A winner of an earlier scoring that the last one did not hold is let go uncharged.
        """
        if winner >= len(self.scores) or self.scores[winner] == 0:
            return
        credits = self.credit
        scores = self.scores
        eligible = self.eligible
        gains = self.weights
        total = 0
        limit = scores[winner]
        for index in range(self.count):
            slot = eligible[index]
            if scores[slot] <= limit:
                credits[slot] += gains[slot]
                total += gains[slot]
        credits[winner] -= total
        self.moved = True

    def untold(self, most: int) -> list[int]:
        """Slots, at most so many, whose credit the journal does not have; they count as told."""
        found: list[int] = []
        for slot, credit in enumerate(self.credit):
            if credit != self.told[slot]:
                if len(found) == most:
                    return found
                self.told[slot] = credit
                found.append(slot)
        self.moved = False
        return found


class RoundRobin:
    """Credits of every campaign that uses the strategy."""

    __slots__ = ("_campaigns",)

    def __init__(self) -> None:
        self._campaigns: dict[str, Credits] = {}

    def scores(
        self, campaign: Campaign, plan: Plan, verdicts: "array[int]", key: int
    ) -> "array[int] | None":
        """A score for each eligible target of the campaign, by target slot."""
        credits = self._campaigns.get(campaign.id)
        if credits is None:
            credits = self._campaigns[campaign.id] = Credits()
        credits.score(campaign.targets, verdicts, plan.target_weight)
        return credits.scores

    def won(self, campaign: Campaign, target_slot: int) -> None:
        """The target has had its turn; none is kept for a campaign that was never scored here,
        as when a plan changed its strategy while the call was dialled."""
        credits = self._campaigns.get(campaign.id)
        if credits is not None:
            credits.turn(target_slot)

    def moved(self, slots: Slots, most: int) -> tuple[Turn, ...]:
        """The turns that the journal does not have yet, at most so many; the rest next time."""
        found: list[Turn] = []
        for campaign, credits in self._campaigns.items():
            if credits.moved:
                found += [
                    Turn(campaign, slots.target_ids[slot], credits.credit[slot])
                    for slot in credits.untold(most - len(found))
                ]
        return tuple(found)

    def restore(self, saved: dict[str, dict[str, int]], slots: Slots) -> None:
        """Take over what a replay found: campaign → target → credit."""
        for campaign, by_target in saved.items():
            credits = self._campaigns[campaign] = Credits()
            for target, credit in by_target.items():
                slot = slots.slot("target", target)
                credits.resize(slot + 1)
                credits.credit[slot] = credits.told[slot] = credit
