"""A UDP wire between SIPp and the server that loses what a test names.

```
SIPp ── near ┤ Wire ├ far ── server          far = the address that the server knows
```
It stands for one end: `far` has the address that the other side sends to, so replies and
requests inside the dialog come back through it as long as the Contact names it too.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Address = tuple[str, int]
Loses = Callable[[bytes], bool]
_BYTES = 65_535


class Lost:
    """Loses the first `count` datagrams that hold all `parts`, then none."""

    def __init__(self, count: int, *parts: bytes) -> None:
        self.count, self.parts = count, parts
        self.seen: list[bytes] = []  # all that matched, lost or not

    def __call__(self, data: bytes) -> bool:
        if not all(part in data for part in self.parts):
            return False
        self.seen.append(data)
        return len(self.seen) <= self.count


def nothing(_data: bytes) -> bool:
    """Loses nothing."""
    return False


class Wire:
    """Relays between `end` (SIPp) and `server`; leave the context to end its thread."""

    def __init__(self, far: Address, near: Address, end: Address, server: Address, *,
                 to_end: Loses = nothing, to_server: Loses = nothing) -> None:
        """Bind both sides. far, near: own addresses; to_end, to_server: what gets lost."""
        self.far, self.near = _bound(far), _bound(near)
        self._routes = {self.far: (self.near, end, to_end),
                        self.near: (self.far, server, to_server)}
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stop.send(b"x")
        self._thread.join()
        for closing in (self.far, self.near, self._stop, self._stopped):
            closing.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for source in (self.far, self.near, self._stopped):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stopped:
                        return
                    self._pass(key.fileobj)  # type: ignore[arg-type]

    def _pass(self, source: socket.socket) -> None:
        outward, peer, loses = self._routes[source]
        data = source.recv(_BYTES)
        if not loses(data):
            outward.sendto(data, peer)


def _bound(address: Address) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened
