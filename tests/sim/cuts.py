"""Power cuts at named crash points: a short history each, made so that it comes to the point.

```
crash_points() ─► a name ─► History: calls, a top-up, a plan, small segments
                              │ before it: nothing, a first crash, an error, a full disk
                              ▼
                the n-th time the process is there the power goes; then life goes on as ever
```
"""

import errno
from collections import Counter

from storage.cursors import RECORD_CURSOR
from storage.repair import plan_repair, repair
from storage.segment import NAME, segment_path
from tests.sim.disk import Inode, PowerCut
from tests.sim.history import BURST_NS, History
from tests.sim.life import CHECKPOINTS, JOURNAL
from tests.sim.seeds import met
from tests.sim.wire import S
from vocabulary.crash_points import observed

CALLS = 10
TRIES_MAX = 40  # histories without the point before it counts as never reached

FAILING = frozenset((
    "failure_before_told", "failure_told", "failure_heard", "fresh_file_begun",
    "failed_batch_written_again",
))
FULL = frozenset(("full_before_told", "full_heard", "reserve_before_use", "reserve_used"))
UNBEGUN = frozenset(("unbegun_removed",))
RESERVE = frozenset(("reserve_before_create", "reserve_created", "reserve_named"))
REPAIR = frozenset((
    "repair_before_move", "repair_copied", "repair_cut", "repair_mark_moved", "repair_moved",
))
STARTING = frozenset((
    "journal_locked", "epoch_chosen", "epoch_written", "epoch_fenced", "end_found", "end_synced",
    "tail_before_cut", "tail_cut", "first_mark_written",
))


class CutHistory(History):
    """One burst of calls whose process loses its power at a crash point.

    reached: whether it came there.
    """

    segment_bytes = 8_192

    def __init__(self, point: str, seed: int, *, honest: bool = True) -> None:
        super().__init__(seed, honest=honest)
        self.point = point
        self.armed = False
        self.reached = False
        self.passes = self.chance.choice((1, 1, 2, 5, 20))
        self.server.follow_s = (1.0, 15.0)
        self.server.keep_ns = 10 * S

    def run(self) -> None:
        """See History."""
        with observed(self._at):
            super().run()

    def _at(self, name: str) -> None:
        if name != self.point or not self.armed or self.reached:
            return
        self.passes -= 1
        if self.passes <= 0:
            self.reached = True
            raise PowerCut(name)

    def safety(self) -> None:
        """A burst of calls; somewhere in it the point is armed."""
        chance, director = self.chance, self.director
        start_ns = self.world.now_ns + 5 * S
        for _ in range(CALLS):
            self.callers.place(start_ns + chance.randrange(BURST_NS), retries=1)
        director.at(start_ns + chance.randrange(BURST_NS), self.fund)
        director.at(start_ns + chance.randrange(BURST_NS), self.apply_plan)
        director.at(start_ns + chance.randrange(BURST_NS), self.fund)
        if self.point in RESERVE:
            self._prepare()
        elif self.point in REPAIR:
            director.at(start_ns + chance.randrange(BURST_NS // 2, BURST_NS), self._damage)
        else:
            director.at(start_ns + chance.randrange(BURST_NS // 2), self._prepare)
        self.world.run(300 * S)
        self.armed = False

    def _prepare(self) -> None:
        """What has to happen before the point can be come to; then arm it."""
        self.armed = True
        if self.point in STARTING | RESERVE:
            self.passes = 1
        if self.point in FAILING:
            self.passes = 1
            self.disk.fail_once = errno.EIO
        elif self.point in FULL:
            self.passes = 1
            self._fill()
        elif self.point in UNBEGUN:
            self.passes = 1
            self._cut_in_create()
        elif self._crashes_first():
            self.chance.choice((self.cut_now, self.kill, self.cut_the_next_start))()

    def _crashes_first(self) -> bool:
        """Whether a crash comes before: points of a start need one."""
        if self.point in STARTING:
            return True
        return self.point not in RESERVE and self.chance.random() < 0.3

    def _fill(self) -> None:
        """No room for any file but those that are there; sometimes the reserve is lost too."""
        self.fill()
        if self.chance.random() < 0.3:
            self.disk.fail_once = errno.EIO

    def _cut_in_create(self) -> None:
        """The power goes while the next segment is made: it may lie there, too short."""

        def step(what: str) -> None:
            if what.startswith("create journal-"):
                self.disk.before_step = None
                raise PowerCut(what)

        self.disk.before_step = step

    def _damage(self) -> None:
        """A bit of the journal turns while no process runs; the operator repairs, cut short once.

        Records that every reader has are set aside; otherwise the rest of the journal is lost,
        which needs a journal that can be replayed from its beginning.
        """
        self.armed, self.passes = True, 1
        self.kill()
        segments = sorted(path for path in self.disk.files if NAME.fullmatch(path.name))
        inode = self.disk.files[self.chance.choice(segments)]
        used = len(bytes(inode.now).rstrip(b"\0"))
        if not used:
            return
        at, bit = self.chance.randrange(used), 1 << self.chance.randrange(8)
        _flip(inode, at, bit)
        whole = segments[0] == segment_path(JOURNAL, 1)
        if whole and self.chance.random() < 0.5:  # the record never came that far
            self.disk.files.pop(JOURNAL / f"cursor-{RECORD_CURSOR}", None)
        plan = plan_repair(JOURNAL, CHECKPOINTS, disk=self.disk)
        if plan is not None and plan.lost and not whole:
            _flip(inode, at, bit)
            return
        while plan is not None:
            try:
                repair(plan, JOURNAL, disk=self.disk)
            except PowerCut:
                self.server.power_cut()
            if plan.lost:
                self.oracle.lost_behind(plan.seq)
            plan = plan_repair(JOURNAL, CHECKPOINTS, disk=self.disk)


def _flip(inode: Inode, at: int, bit: int) -> None:
    for copy in (inode.now, inode.safe):
        copy[at] ^= bit


def cut_at(point: str, first_seed: int, wanted: int, *, honest: bool = True) -> "Cuts":
    """Histories from a seed on until `wanted` of them were cut at the point."""
    found = Cuts(point)
    seed = first_seed
    while found.reached < wanted and seed - first_seed < wanted * TRIES_MAX:
        history = CutHistory(point, seed, honest=honest)
        try:
            history.run()
        except Exception as error:
            found.failures.append((seed, f"{type(error).__name__}: {error}"))
        found.reached += history.reached
        found.tried += 1
        found.met += met(history)
        seed += 1
    return found


class Cuts:
    """What the histories of one point came to."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.reached = self.tried = 0
        self.failures: list[tuple[int, str]] = []
        self.met: Counter[str] = Counter()
