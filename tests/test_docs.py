"""The documents against the code: links, metrics, settings, make targets, paths, line lengths.

What a page says exists must exist, and what an operator meets must be on the page.
"""

import argparse
import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from dce.cli import build_parser
from dce.config import settings
from dce.record_worker import COUNTERS, GAUGES
from dce.signal_metrics import DESK_COUNTERS, DESK_GAUGES, SIP_GAUGES, SOCKET_GAUGES

ROOT = Path(__file__).parents[1]
SKIPPED = {".venv", "build", ".git", "node_modules"}
LINE_CHARACTERS_MAX = 120
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?<![\w./-])dce ([a-z]+)(?: ([a-z]+))?")
LOG_LINE = re.compile(r"^(?:\| log \| |- Log: )`([^`]+)`", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
METRIC = re.compile(r"dce_[a-z][a-z0-9_]*[a-z0-9]")
METRIC_ROW = re.compile(r"^\| `(dce_[a-z0-9_]+)` \|", re.MULTILINE)
SETTING_ROW = re.compile(r"^\| `([a-z0-9_.]+)` \|", re.MULTILINE)
SECTION = re.compile(r"([a-z_]+):\s*$")
SETTING = re.compile(r"(\s*)# ([a-z0-9_]+):")
MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(
    r"(?:\.{1,2}/)*(?:[\w-]+/)*[\w.-]+\.(?:py|pyx|pxd|sql|yaml|toml|cfg|sh|sip|md)")
FOLDER = re.compile(r"(?:[\w-]+/)+")
ROLES = {"dce_api", "dce_record"}  # of PostgreSQL (storage/schema), no metrics
ELSEWHERE = ("data_dir/", "build/")  # what a running exchange or a build makes


def documents() -> list[Path]:
    return [
        path for path in sorted(ROOT.rglob("*.md"))
        if not SKIPPED & set(path.relative_to(ROOT).parts)
    ]


def pages() -> list[Path]:
    """What describes the project: its own pages, docs/ and the runbooks."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *runbooks()]


def runbooks() -> list[Path]:
    """What an operator follows at night."""
    return sorted((ROOT / "deploy" / "runbooks").glob("*.md"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def section(page: Path, title: str) -> str:
    """Text of one `## title` of a page."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S)
    assert found is not None, f"{name_of(page)} has no section {title}"
    return found[1]


OPERATIONS = ROOT / "docs" / "operations.md"


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings by the rule of the common renderers."""
    found = set()
    for line in FENCE.sub("", path.read_text()).splitlines():
        if line.startswith("#"):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(words.replace(" ", "-"))
    return found


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a relative link names a file, and its anchor a heading."""
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    links = [link for link in LINK.findall(FENCE.sub("", path.read_text()))
             if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in links if not leads_somewhere(path, link)] == []


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_lines_are_short(path: Path) -> None:
    assert [number for number, line in enumerate(path.read_text().splitlines(), 1)
            if len(line) > LINE_CHARACTERS_MAX] == []


def strings(path: Path) -> Iterator[str]:
    """String literals of a Python file, without their quotes."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.STRING:
            yield token.string.lstrip("frbFRB").strip("\"'")


def metrics_in_code() -> set[str]:
    """Names as /metrics shows them; a prometheus-client Counter adds its own _total."""
    found = {f"dce_{name}_total" for name in DESK_COUNTERS}
    found |= {f"dce_{name}" for name in DESK_GAUGES}
    found |= {f"dce_sip_{name}" for name in (*SIP_GAUGES, *SOCKET_GAUGES)}
    found |= {name for table in (GAUGES, COUNTERS) for name, _ in table.values()}
    for folder in ("api", "dce", "storage", "sip/edge"):
        for path in sorted((ROOT / folder).glob("*.py")):
            text = path.read_text()
            for literal in strings(path):
                if METRIC.fullmatch(literal):
                    counter = re.search(rf'\bCounter\(\s*"{literal}"', text)
                    found.add(f"{literal}_total" if counter else literal)
    return found


def test_every_metric_is_documented_and_exists() -> None:
    documented = METRIC_ROW.findall(section(OPERATIONS, "Metrics"))
    assert sorted(documented) == sorted(metrics_in_code())


def test_every_metric_that_a_page_names_exists() -> None:
    known = metrics_in_code()
    named = {name for path in pages() for name in METRIC.findall(path.read_text())}
    assert sorted(named - known - ROLES) == []


def settings_in_file() -> set[str]:
    """Dotted keys of configs/config.yaml, commented out or not."""
    found = set()
    prefix = ""
    for line in (ROOT / "configs" / "config.yaml").read_text().splitlines():
        if begins := SECTION.fullmatch(line):
            prefix = begins[1] + "."
        elif key := SETTING.match(line):
            found.add(prefix + key[2] if key[1] else key[2])
    return found


def test_every_setting_is_documented_and_exists() -> None:
    documented = SETTING_ROW.findall(section(OPERATIONS, "Configuration"))
    assert sorted(documented) == sorted(settings())
    assert sorted(settings_in_file()) == sorted(settings())


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_every_make_target_exists(path: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    text = "\n".join([*FENCE.findall(path.read_text()),
                      *CODE.findall(FENCE.sub("", path.read_text()))])
    assert sorted(set(MAKE.findall(text)) - targets) == []


def paths_named(text: str) -> Iterator[str]:
    """Files and folders in `code`, and files with a folder in drawings."""
    for code in CODE.findall(FENCE.sub("", text)):
        if code.startswith(ELSEWHERE):
            continue
        if (FILE.fullmatch(code) and "/" in code) or FOLDER.fullmatch(code):
            yield code
    for drawing in FENCE.findall(text):
        for word in re.findall(r"[\w./-]+", drawing):
            if FILE.fullmatch(word) and "/" in word and not word.startswith((".", "/")):
                yield word


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_every_path_exists(path: Path) -> None:
    assert sorted({name for name in paths_named(path.read_text())
                   if not (ROOT / name).exists()}) == []


def test_the_decisions_are_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in folder.glob("[0-9]*.md"))


def commands(parser: argparse.ArgumentParser) -> dict[str, set[str]]:
    """Command → its ways, {} where it has none."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {name: set(commands(each)) for name, each in action.choices.items()}
    return found


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_every_command_exists(path: Path) -> None:
    known = commands(build_parser())
    text = path.read_text()
    code = [*FENCE.findall(text), *CODE.findall(FENCE.sub("", text))]
    wrong = []
    for name, way in COMMAND.findall("\n".join(code)):
        if name not in known or (known[name] and way and way not in known[name]):
            wrong.append(f"dce {name} {way}".strip())
    assert wrong == []


def constants() -> str:
    """Every text in the code, one a line; what a log line or an error is made of."""
    found = []
    for folder in ("api", "dce", "exchange", "sip", "storage"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found += [node.value for node in ast.walk(ast.parse(path.read_text()))
                      if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(found)


@pytest.mark.parametrize("path", runbooks(), ids=name_of)
def test_every_log_line_of_a_runbook_exists(path: Path) -> None:
    text = constants()
    lines = LOG_LINE.findall(path.read_text())
    assert [part for line in lines for part in line.split("…")
            if part.strip() and part.strip() not in text] == []


def test_runbooks_name_log_lines_of_their_own() -> None:
    assert {path.stem for path in runbooks()} >= {"database-down", "disk-full", "power-cut"}
    for name in ("database-down", "disk-full", "power-cut"):
        page = ROOT / "deploy" / "runbooks" / f"{name}.md"
        assert LOG_LINE.findall(page.read_text())
