"""A record that is no fact of this version: whether it is newer, or damaged, and who wrote it."""

from storage.fact_types import FACT_OF_TYPE
from storage.segment import Entry
from vocabulary.errors import JournalDamaged, JournalNewer


def unreadable(entry: Entry, version: str, error: Exception) -> JournalDamaged | JournalNewer:
    """What to raise for a whole record that cannot be decoded.

    version: of dce that wrote it, as the last Started before it says; "" if none was seen.
    """
    writer = f"dce {version}" if version else "an unnamed version"
    if entry.kind not in FACT_OF_TYPE:
        return JournalNewer(
            f"record {entry.seq} is of kind {entry.kind}, which this version does not know: "
            f"{writer} wrote it; run that version or a newer one"
        )
    name = FACT_OF_TYPE[entry.kind].__name__
    return JournalDamaged(f"record {entry.seq}, a {name} by {writer}, is whole but is no fact "
                          f"of this version: {error}")
