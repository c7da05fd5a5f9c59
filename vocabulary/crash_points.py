"""Named points between two steps that a crash may separate: what it leaves there must be whole.

Every step that touches the journal has one, `crash_point("header_written")`, its name a literal
and used once in all sources: that is how the list of them is generated from the code and how a
test knows that it has met each. In production nobody observes and a point costs some 40 ns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_observers: list[Callable[[str], None]] = []


def crash_point(name: str) -> None:
    """Say that the step before `name` is done and the one after it has not begun."""
    for observer in _observers:
        observer(name)


@contextmanager
def observed(observer: Callable[[str], None]) -> Iterator[None]:
    """Within this, observer(name) is called at every point, in the thread that is there.

    To crash there it raises; the exception must not derive from Exception, since a fault inside
    one call or an error of the disk is met and survived by design.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
