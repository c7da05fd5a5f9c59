"""The first decision of a process costs many times the next one: caches, pages, lazy tables.

So a worker decides a few times for nobody before it says that it is ready. An auction alone
changes nothing: no hold, no cap, no turn of a rotation, no fact.
"""

from itertools import islice

from dce.wiring import SignalCore
from vocabulary.limits import NS_PER_S

CAMPAIGNS = 16
ROUNDS = 2


def warm(core: SignalCore) -> int:
    """Run auctions for some campaigns of the plan; how many. 0 without a plan."""
    market = core.desk.market
    if market.plan is None:
        return 0
    wall_s = (core.clock.now_ns() + core.clock.offset_ns) // NS_PER_S
    done = 0
    for campaign in islice(market.plan.campaigns.values(), CAMPAIGNS):
        for key in range(ROUNDS):
            market.auction(campaign, market.area_of(""), wall_s, key)
            done += 1
    return done
