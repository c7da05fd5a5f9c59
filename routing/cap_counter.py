"""Columns of one kind of cap, by owner: what is granted and committed in the window that runs.

```
owner            0        1        2    …      even: target slot · 2, odd: campaign slot · 2 + 1
limits          20       −1      300           of the plan in force; −1 none
granted         20        0       12           reserved and committed units of the window
committed       17        0       12
starts_s, ends_s  the window's UTC interval    a window opens with the first unit after the last
```
Reserve adds to granted; commit makes a granted unit permanent; release gives one back that was
not committed. A unit whose window is over no longer counts anywhere.
"""

from array import array

UNSET_S = -(2**62)


class CapCounter:
    """Counters of one kind, "hour" or "day". They outlive the plan that sets the limits."""

    __slots__ = ("committed", "ends_s", "granted", "kind", "limits", "starts_s")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.limits = array("i")
        self.granted = array("i")
        self.committed = array("i")
        self.starts_s = array("q")
        self.ends_s = array("q")

    def resize(self, owners: int) -> None:
        """Room for more owners; columns never shrink."""
        more = owners - len(self.granted)
        if more > 0:
            self.granted.extend([0] * more)
            self.committed.extend([0] * more)
            self.starts_s.extend([UNSET_S] * more)
            self.ends_s.extend([UNSET_S] * more)

    def limit(self, owner: int) -> int:
        """The limit in force, −1 for none."""
        return self.limits[owner] if owner < len(self.limits) else -1

    def has_room(self, owner: int, wall_s: int) -> bool:
        """Whether one more unit would stay within the limit in force."""
        limit = self.limit(owner)
        if limit < 0:
            return True
        used = 0 if wall_s >= self.ends_s[owner] else self.granted[owner]
        return used < limit

    def open_window(self, owner: int, start_s: int, end_s: int) -> None:
        """Begin the owner's next window; the last one's end is its earliest start."""
        self.starts_s[owner] = max(start_s, self.ends_s[owner])
        self.ends_s[owner] = end_s
        self.granted[owner] = 0
        self.committed[owner] = 0
        assert self.starts_s[owner] < end_s

    def resume(self, owner: int, start_s: int, end_s: int) -> None:
        """Recovery: the owner's window as it ran before the restart, with nothing in it yet."""
        assert start_s < end_s
        self.starts_s[owner] = start_s
        self.ends_s[owner] = end_s
        self.granted[owner] = 0
        self.committed[owner] = 0

    def take(self, owner: int) -> int:
        """Grant a unit in the running window; returns the window's start."""
        assert self.limit(owner) < 0 or self.granted[owner] < self.limit(owner)
        self.granted[owner] += 1
        return int(self.starts_s[owner])

    def commit(self, owner: int, window_start_s: int) -> None:
        """Make a granted unit permanent, if its window still runs."""
        if self.starts_s[owner] == window_start_s:
            assert self.committed[owner] < self.granted[owner], "more commits than reservations"
            self.committed[owner] += 1

    def release(self, owner: int, window_start_s: int) -> None:
        """Give back a granted unit that was not committed, if its window still runs."""
        if self.starts_s[owner] == window_start_s:
            assert self.committed[owner] < self.granted[owner], "more releases than reservations"
            self.granted[owner] -= 1
