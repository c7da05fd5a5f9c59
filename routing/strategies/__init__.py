"""Strategies: which of a campaign's eligible targets comes first (exchange rule 26)."""

from routing.strategies.auction import Auction
from routing.strategies.priority_weight import PriorityWeight
from routing.strategies.round_robin import RoundRobin
from routing.strategies.strategy import Strategy

__all__ = ["Auction", "PriorityWeight", "RoundRobin", "Strategy", "make_strategies"]


def make_strategies() -> dict[str, Strategy]:
    """One instance of each, by the name that campaigns use in a plan."""
    return {
        "auction": Auction(),
        "priority_weight": PriorityWeight(),
        "round_robin": RoundRobin(),
    }
