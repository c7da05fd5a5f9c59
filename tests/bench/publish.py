"""Write the rows of build/bench.json between the markers of docs/performance.md.

`python -m tests.bench.publish`; nothing there is ever typed by hand.
"""

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.rows import BARS, ROOT, Row, load, verdict

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def machine() -> str:
    """Processor, cores, system and interpreter of this machine."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"Python {platform.python_version()}")


def page_part(rows: Sequence[Row], where: str) -> str:
    """The generated part of the page, markers included. Each line at most 120 characters."""
    lines = [BEGIN, "", f"Machine: {where}. Figures below a bar are marked.", "",
             "| row | value | unit | bar | reached | commit |", "|---|---|---|---|---|---|"]
    for entry in rows:
        bar = BARS.get(entry.name)
        held = f"{bar.bar:,g}" if bar else ""
        reached = {"BELOW": "**below the bar**"}.get(verdict(entry), verdict(entry))
        lines.append(f"| `{entry.name}` | {entry.value:,g} | {entry.unit} | {held} | {reached} "
                     f"| {entry.commit[:9]}{'+' if entry.dirty else ''} |")
    return "\n".join([*lines, "", END])


def publish(rows: Sequence[Row], page: Path = PAGE) -> None:
    """Replace the part between the markers. ValueError where the page has none."""
    text = page.read_text()
    start, end = text.index(BEGIN), text.index(END) + len(END)
    page.write_text(text[:start] + page_part(rows, machine()) + text[end:])


if __name__ == "__main__":
    found = load()
    if not found:
        sys.exit("build/bench.json holds no row: run  make bench  first")
    publish(found)
