"""Time limits of connections: one lane for each duration, as in sip.timers.

    first due ──► ( c₇ · c₂ · c₉ · … ) ◄── (re)started now

What is put in last falls due last, so starting, restarting and stopping are O(1).
"""

import asyncio
from collections.abc import Callable

from sip.edge.connection import Connection
from vocabulary.limits import NS_PER_S


class Lane:
    """Connections in the order in which one duration runs out for them; one timer serves it.

    When it does, the connection is aborted for `reason` and `expired` is called.
    """

    __slots__ = ("_due", "_duration_s", "_expired", "_loop", "_reason", "_timer")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        duration_ns: int,
        reason: str,
        expired: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._duration_s = duration_ns / NS_PER_S
        self._reason = reason
        self._expired = expired
        self._due: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, connection: Connection) -> None:
        """(Re)start the duration: the connection becomes the last one due."""
        self._due.pop(connection, None)
        self._due[connection] = self._loop.time() + self._duration_s
        if self._timer is None:
            self._timer = self._loop.call_later(self._duration_s, self._expire)

    def stop(self, connection: Connection) -> None:
        """Take a connection out; nothing if it is not in."""
        self._due.pop(connection, None)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._due

    def pop(self) -> Connection | None:
        """Take out the connection that is due first; None if the lane is empty."""
        first = next(iter(self._due), None)
        if first is not None:
            del self._due[first]
        return first

    def _expire(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        while self._due:
            connection, due_s = next(iter(self._due.items()))
            if due_s > now_s:
                self._timer = self._loop.call_at(due_s, self._expire)
                return
            del self._due[connection]
            self._expired()
            connection.abort(self._reason)

    def close(self) -> None:
        """Forget everybody and stop the timer."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
