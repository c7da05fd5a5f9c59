"""What a strategy is: it scores targets, and is told which one won."""

from array import array
from typing import Protocol

from routing.plan import Plan
from routing.plan_objects import Campaign


class Strategy(Protocol):
    """A score plug-in of the one pipeline (exchange rule 26). One instance serves all campaigns.

    The first entry of a ladder is reserved in the turn that scored it; a further entry, after a
    failed attempt, in a later turn, when other calls were scored and perhaps another plan runs.
    """

    def scores(
        self, campaign: Campaign, plan: Plan, verdicts: "array[int]", key: int
    ) -> "array[int] | None":
        """A score by target slot, higher first, above 0 where verdicts is 255; None: the bid's.

        key: 63 bits that depend on the auction only: the strategy's chance. The array is the
        strategy's own and holds until its next call.
        """

    def won(self, campaign: Campaign, target_slot: int) -> None:
        """A ladder entry of a call of this campaign is reserved: this target had its turn."""
