"""A desk begun anew from a replay, in the order in which a signal worker starts."""

from exchange.desk import Desk
from exchange.market import Market
from exchange.recover import Replay
from tests.exchange.trading import swap_in
from tests.routing.plans import Document
from vocabulary.facts import CallClosed


def close_all(replay: Replay, now_ns: int) -> list[CallClosed]:
    """The closings of the calls that the crash ended, applied as the worker journals them."""
    closings = replay.close_open(now_ns)
    for fact in closings:
        replay.apply(replay.state.seq + 1, fact)
    return closings


def restart(replay: Replay, plan: Document) -> Desk:
    """Close what was open, restore, take the plan, count the caps again."""
    now_ns = replay.state.at_ns + 1
    close_all(replay, now_ns)
    desk = Desk(Market(), secret=b"r" * 32, pepper=b"p" * 32, next_seq=replay.state.seq + 1,
                offset_ns=replay.state.offset_ns)
    desk.market.restore(replay.state)
    desk.top_ups.update(replay.state.top_ups)
    swap_in(desk, plan, now_ns)
    desk.market.recount_caps(replay.state)
    return desk
