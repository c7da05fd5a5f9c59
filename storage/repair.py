"""Repairing a damaged journal: what is damaged is moved aside, never destroyed.

```
set aside   the damaged segment and all before it, where newest checkpoint and every cursor are
            at or beyond its last record: no process needs them any more
cut         otherwise: the damaged bytes and all segments behind them; the journal ends at the
            last whole record before the damage, so everything later is lost
```
Both move files into aside-NNNNNNNN-OFFSET/ beside the segments, in an order that leaves a
journal which is still refused, or whole, wherever a crash comes in between; then run it again.
"""

from pathlib import Path
from typing import NamedTuple

from storage.checkpoint import load_newest
from storage.claim import LOCK_NAME
from storage.cursors import RECORD_CURSOR, read_cursors
from storage.disk import Disk, OsDisk
from storage.mark import MARK_NAME
from storage.segment import HEADER_BYTES, NAME, read_header
from storage.verify import Verified, read_mark, verify
from vocabulary.crash_points import crash_point
from vocabulary.errors import JournalDamaged


class Repair(NamedTuple):
    """What a repair would do.

    aside: where the bytes go. moved: whole files that go there. lost: False, records up to
    `seq` leave the journal and nobody needs them; True, all behind `seq` do and are lost.
    durable_seq: up to where it was acknowledged, 0 if nothing says so. cut: the segment that
    loses its end, None if none does; at: the byte behind its last whole record. checkpoints:
    those that say more than the cut journal.
    """

    damage: JournalDamaged
    aside: Path
    moved: tuple[Path, ...]
    cut: Path | None
    at: int
    seq: int
    lost: bool
    durable_seq: int
    checkpoints: tuple[Path, ...]


def plan_repair(
    directory: Path, checkpoints: Path, *, disk: Disk | None = None
) -> Repair | None:
    """What would mend the first damage; None if there is none. Changes nothing."""
    disk = disk or OsDisk()
    found = list(verify(directory, live=False, disk=disk))
    damage = found[-1].damage if found else None
    if damage is None:
        return None
    bad = found[-1]
    aside = directory / f"aside-{Path(damage.name).stem.rpartition('-')[2]}-{damage.offset}"
    names = [name for name in disk.names(directory) if NAME.fullmatch(name)]
    following = _next_whole(disk, directory, names, damage.name)
    newest = load_newest(checkpoints, disk=disk)
    if following is not None and newest is not None:
        cursors = {RECORD_CURSOR: 0, **read_cursors(directory, disk=disk)}
        if following - 1 <= min(newest[0], *cursors.values()):
            moved = tuple(directory / name for name in names if name <= damage.name)
            return Repair(damage, aside, moved, None, 0, following - 1, False, 0, ())
    return _plan_cut(disk, directory, checkpoints, bad, names, aside)


def repair(plan: Repair, directory: Path, *, disk: Disk | None = None) -> None:
    """Do it. Raises StorageFailed while a process holds the journal, OSError."""
    disk = disk or OsDisk()
    lock = disk.lock(directory / LOCK_NAME)
    try:
        disk.make_directory(plan.aside)
        for path in plan.checkpoints:
            disk.rename(path, plan.aside / path.name)
        for path in reversed(plan.moved) if plan.lost else plan.moved:
            crash_point("repair_before_move")
            disk.rename(path, plan.aside / path.name)
            crash_point("repair_moved")
        if plan.cut is not None:
            _cut(disk, plan.cut, plan.at, plan.aside)
        if plan.lost and MARK_NAME in disk.names(directory):  # it stands beyond the end now
            disk.rename(directory / MARK_NAME, plan.aside / MARK_NAME)
            crash_point("repair_mark_moved")
    finally:
        lock.close()


def _plan_cut(
    disk: Disk, directory: Path, checkpoints: Path, bad: Verified, names: list[str], aside: Path
) -> Repair:
    """Keep what is whole before the damage."""
    damage = bad.damage
    assert damage is not None
    keeps_some = damage.name == bad.path.name and damage.offset == bad.end >= HEADER_BYTES
    cut = bad.path if keeps_some else None
    moved = tuple(
        directory / name for name in names
        if name > damage.name or (name == damage.name and cut is None)
    )
    last_seq = bad.next_seq - 1
    beyond = tuple(
        checkpoints / name for name in disk.names(checkpoints)
        if name.startswith("checkpoint-") and name > f"checkpoint-{last_seq:020d}"
    )
    mark = read_mark(disk, directory)
    durable = mark.seq if mark is not None else 0
    return Repair(damage, aside, moved, cut, bad.end, last_seq, True, durable, beyond)


def _cut(disk: Disk, path: Path, at: int, aside: Path) -> None:
    """Copy the end of a segment aside, durably, then cut it off."""
    file = disk.open(path)
    try:
        data = file.read(at, file.size() - at).rstrip(b"\0")
        disk.replace(aside / f"{path.name}.from-{at}", data)
        crash_point("repair_copied")
        file.truncate(at)
        file.sync()
        crash_point("repair_cut")
    finally:
        file.close()


def _next_whole(disk: Disk, directory: Path, names: list[str], bad: str) -> int | None:
    """First sequence of the segment behind the damaged one, None if none is begun and whole."""
    later = [name for name in names if name > bad]
    try:
        header = read_header(disk, directory / later[0]) if later else None
    except JournalDamaged:
        return None
    return header.first_seq if header is not None else None
