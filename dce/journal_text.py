"""What `dce journal verify` and `repair` print, and a server that meets a damaged journal."""

import shlex
from collections.abc import Iterator

from dce.config import Config
from storage.repair import Repair
from storage.verify import Verified
from vocabulary.errors import JournalDamaged


def segment_line(found: Verified) -> str:
    """One segment: name, epoch, records, bytes, and whether it is whole."""
    count = found.next_seq - found.first_seq
    records = f"records {found.first_seq} to {found.next_seq - 1}" if count else "no records"
    head = f"{found.path.name}  epoch {found.epoch}  {records}  {found.end} bytes"
    if found.damage is not None:
        return f"{head}  DAMAGED at byte {found.damage.offset}: {found.damage.why}"
    if found.tail_bytes:
        return (
            f"{head}  whole; {found.tail_bytes} bytes behind it were never acknowledged,"
            " the next start cuts them"
        )
    return f"{head}  whole"


def repair_lines(plan: Repair) -> Iterator[str]:
    """What is damaged, what would be moved where, and what is lost."""
    yield f"damaged: {plan.damage}"
    if plan.lost:
        yield f"kept: everything up to record {plan.seq}"
        known = f", acknowledged at least up to {plan.durable_seq}" if plan.durable_seq else ""
        yield f"lost: every record from {plan.seq + 1} on{known}"
        yield (
            "also: PostgreSQL may hold more than the cut journal and is refused then;"
            " `dce record rebuild` makes it equal to the journal again"
        )
    else:
        yield (
            f"not needed any more: records up to {plan.seq}; the newest checkpoint and every"
            " cursor are beyond them, so nothing is lost to balances or reports"
        )
    yield f"moved to {plan.aside}:"
    for path in (*plan.moved, *plan.checkpoints):
        yield f"  {path.name}"
    if plan.cut is not None:
        yield f"  {plan.cut.name} from byte {plan.at} on"


def repair_command(config: Config) -> str:
    """The command that shows, and then does, what can be done about a damaged journal."""
    return f"dce journal repair --set {shlex.quote(f'data_dir={config.data}')}"


def refusal_text(error: JournalDamaged, config: Config) -> str:
    """What a server says that does not start on a damaged journal."""
    return (
        f"the journal is damaged and was not changed: {error}."
        f" What a repair would do and lose: {repair_command(config)}"
    )
