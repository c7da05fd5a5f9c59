"""`dce journal verify | tail | export | repair | forget`: read, check and mend the journal on disk.

They need no server and no database. While a server runs on the data they read up to its durable
mark; repair is refused then.
"""

import os
import stat
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from io import UnsupportedOperation

from dce.config import Config
from dce.fact_json import FactLines
from dce.folders import is_running
from dce.journal_text import repair_command, repair_lines, segment_line
from storage.cursors import NAME, drop_cursor, read_cursors, write_cursor
from storage.disk import OsDisk
from storage.reader import JournalReader
from storage.repair import plan_repair, repair
from storage.sealing import read_keys
from storage.segment import Entry, begun_segments
from storage.verify import verify
from vocabulary.errors import CommandRefused, ConfigError

FAILED = 1
FOLLOW_S = 0.2


def verify_journal(config: Config) -> int:
    """`dce journal verify`: a line for each segment, up to the first damage; 1 if there is one."""
    _require(config)
    live = is_running(config)
    segments = records = 0
    for found in verify(config.journal_dir, live=live):
        print(segment_line(found))
        segments += 1
        records += found.next_seq - found.first_seq
        if found.damage is not None:
            print(f"damaged: {found.damage}", file=sys.stderr)
            print("nothing was changed; what a repair would do and lose:"
                  f" {repair_command(config)}", file=sys.stderr)
            return FAILED
    until = " up to the durable mark of the running server" if live else ""
    print(f"{segments} segments, {records} records{until}: whole")
    return 0


def tail_journal(
    config: Config, *, lines: int, from_seq: int, follow: bool, reveal: bool
) -> int:
    """`dce journal tail`: the last facts, then with --follow those that become durable."""
    _require(config)
    shown = _lines(config, reveal)
    whole = not follow and not is_running(config)
    reader = JournalReader(config.journal_dir, from_seq or _near_end(config), whole=whole)
    try:
        entries: Iterable[Entry] = reader
        if not from_seq:
            entries = deque(reader, maxlen=lines)
        _print(shown.line(entry) for entry in entries)
        while follow:
            time.sleep(FOLLOW_S)
            _print(shown.line(entry) for entry in reader)
    finally:
        reader.close()
    return 0


def export_journal(
    config: Config, *, from_seq: int, to_seq: int, reveal: bool, cursor: str
) -> int:
    """`dce journal export`: facts of a range as JSON lines on stdout.

    cursor: go on behind what this name exported last, and remember how far it came.
    """
    _require(config)
    shown = _lines(config, reveal)
    if cursor:
        _require_name(cursor)
        known = read_cursors(config.journal_dir).get(cursor, 0)
        from_seq = max(from_seq, known + 1) if known else from_seq
    reader = JournalReader(config.journal_dir, from_seq, whole=not is_running(config))
    last = 0
    try:
        for entry in reader:
            if to_seq and entry.seq > to_seq:
                break
            sys.stdout.write(shown.line(entry) + "\n")
            last = entry.seq
    finally:
        reader.close()
    sys.stdout.flush()
    if cursor and last:
        _sync_output()
        write_cursor(config.journal_dir, cursor, last)
    done = f"exported up to record {last}" if last else "nothing to export"
    print(done, file=sys.stderr)
    return 0


def forget_cursor(config: Config, name: str) -> int:
    """`dce journal forget NAME`: an exporter that comes no more holds back segments no more."""
    _require(config)
    _require_name(name)
    if not drop_cursor(config.journal_dir, name):
        known = ", ".join(sorted(read_cursors(config.journal_dir))) or "none"
        raise CommandRefused("cursor_unknown", f"no cursor {name!r}; there are: {known}")
    print(f"{name} is forgotten")
    return 0


def repair_journal(config: Config, *, accept_loss: bool) -> int:
    """`dce journal repair`: show what is damaged and mend it, by moving bytes aside only.

    What loses records is done with --accept-loss only; without it status 1.
    """
    _require(config)
    if is_running(config):
        raise CommandRefused("running", f"a server runs on {config.data}: end it first")
    plan = plan_repair(config.journal_dir, config.checkpoint_dir)
    if plan is None:
        print("nothing is damaged, nothing was changed")
        return 0
    for line in repair_lines(plan):
        print(line)
    if plan.lost and not accept_loss:
        print("nothing was changed; first try to bring the segment back from a backup. To go on"
              f" without these records: {repair_command(config)} --accept-loss")
        return FAILED
    repair(plan, config.journal_dir)
    print("done; run `dce journal verify` again")
    return 0


def _require(config: Config) -> None:
    if not config.journal_dir.is_dir():
        raise CommandRefused("no_journal", f"there is no journal in {config.journal_dir}")


def _require_name(cursor: str) -> None:
    if NAME.fullmatch(f"cursor-{cursor}") is None:
        raise ConfigError(
            f"journal: expected a name of a to z, 0 to 9 and -, at most 32, got {cursor!r}"
        )
    if cursor == "record":
        raise ConfigError("journal: the name record belongs to the record process")


def _lines(config: Config, reveal: bool) -> FactLines:
    if not reveal:
        return FactLines()
    keys = read_keys(config.keys_dir)
    if keys is None:
        raise CommandRefused("no_key", f"--reveal: there is no key in {config.keys_dir}")
    return FactLines(keys.open)


def _near_end(config: Config) -> int:
    """First sequence of the last segment but one."""
    segments = begun_segments(OsDisk(), config.journal_dir)
    return segments[-2:][0].header.first_seq if segments else 0


def _sync_output() -> None:
    """What was written is on disk, where it went to a file. Raises OSError."""
    try:
        descriptor = sys.stdout.fileno()
    except UnsupportedOperation:
        return
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fsync(descriptor)


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
