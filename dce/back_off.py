"""How long a child that ended waits before it is started again."""

from vocabulary.limits import NS_PER_S, child_stable_ns, restart_first_ns, restart_longest_ns


class BackOff:
    """Doubles from `first_s` to `longest_s`; a child that lived for `stable_s` begins anew."""

    def __init__(
        self,
        first_s: float = restart_first_ns / NS_PER_S,
        longest_s: float = restart_longest_ns / NS_PER_S,
        stable_s: float = child_stable_ns / NS_PER_S,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._stable_s = stable_s
        self._next_s = first_s

    def wait_s(self, lived_s: float) -> float:
        """Seconds until the next start. lived_s: how long the last one served."""
        if lived_s >= self._stable_s:
            self._next_s = self._first_s
        wait_s = self._next_s
        self._next_s = min(2 * wait_s, self._longest_s)
        return wait_s
