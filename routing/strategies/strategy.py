"""What a strategy is: it scores targets, and is told which one won."""

from array import array
from typing import Protocol

from routing.plan import Plan
from routing.plan_objects import Campaign


class Strategy(Protocol):
    """A score plug-in of the one pipeline (exchange rule 26). One instance serves all campaigns.

    All of a call's scoring and its `won` happen in one turn, so a strategy may keep what it
    scored last.
    """

    def scores(
        self, campaign: Campaign, plan: Plan, verdicts: "array[int]", key: int
    ) -> "array[int] | None":
        """A score by target slot, higher first, above 0 where verdicts is 255; None: the bid's.

        key: 63 bits that depend on the auction only: the strategy's chance. The array is the
        strategy's own and holds until its next call.
        """

    def won(self, campaign: Campaign, target_slot: int) -> None:
        """The first ladder entry of the auction last scored for this campaign is reserved."""
