"""Compiling the plan in force again, once a month, since its calendar ends.

Zones and open hours are tables up to 400 days from the day a plan was applied; beyond them a
schedule is closed for good. Whoever never changes a plan must not find that out, so the api
applies the same source again long before: a new version, the same bids, nothing for callers.
"""

import asyncio
import logging

from dce.plan_store import PlanStore
from vocabulary.errors import CommandRefused, PlanRefused
from vocabulary.limits import NS_PER_S, plan_refresh_look_ns

log = logging.getLogger("dce.plan")


async def keep_fresh(store: PlanStore, every_s: float = plan_refresh_look_ns / NS_PER_S) -> None:
    """Look now and then whether the plan is old. Until cancelled."""
    while True:
        await refresh(store)
        await asyncio.sleep(every_s)


async def refresh(store: PlanStore) -> None:
    """One look; a failure is told and tried again at the next, there are months for it."""
    try:
        done = await store.refresh()
    except PlanRefused as error:
        log.error("the plan cannot be compiled again, its calendar runs out: %s", error)
    except (CommandRefused, OSError, ValueError) as error:
        log.warning("the plan is not compiled again yet: %s", error)
    else:
        if done is not None:
            log.info("plan %d is the one before with the calendar of today", done.version)
