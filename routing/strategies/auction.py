"""The auction: the engine ranks by its own score, bid × quality."""

from array import array

from routing.plan import Plan
from routing.plan_objects import Campaign


class Auction:
    """Gives no target scores, so that the engine's order stands."""

    __slots__ = ()

    def scores(
        self, campaign: Campaign, plan: Plan, verdicts: "array[int]", key: int
    ) -> "array[int] | None":
        """None: the engine's score."""
        return None

    def won(self, campaign: Campaign, target_slot: int) -> None:
        """An auction remembers nothing: least recently won is the book's own column."""
