"""Words to the service manager over its datagram socket (sd_notify(3)); silent where there is none.

READY=1 once all processes serve, STOPPING=1 when a drain begins, WATCHDOG=1 twice in each period
that the manager allows, STATUS=… for people.
"""

import asyncio
import logging
import os
import socket
from collections.abc import MutableMapping

US_PER_S = 1_000_000
NAMES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

log = logging.getLogger("dce.supervisor")


class ServiceNotice:
    """The manager's socket. watchdog_s: seconds within which it wants a word; 0: never."""

    def __init__(self, address: str, watchdog_s: float) -> None:
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "ServiceNotice":
        """From the manager's variables, which are removed: our children are not the service."""
        address, period_us, pid = (environ.pop(name, "") for name in NAMES)
        ours = pid in ("", str(os.getpid()))
        return cls(address, int(period_us) / US_PER_S if period_us.isdigit() and ours else 0.0)

    def say(self, *lines: str) -> None:
        """One message; a manager that cannot be reached is logged, not waited for."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as link:
            try:
                link.sendto("\n".join(lines).encode(), self._address)
            except OSError as error:
                log.warning("the service manager cannot be told %s: %s", lines[0], error)

    async def keep_awake(self) -> None:
        """WATCHDOG=1 as long as this loop turns. Until cancelled; at once where none is wanted."""
        while self.watchdog_s:
            self.say("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)
