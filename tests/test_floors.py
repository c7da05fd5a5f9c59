"""Who may import whom: every import and cimport of the tree against the map of floors.

    floor 3   dce                                             wires everything
    floor 2   exchange (pure)   |   edges, all I/O: sip.edge  media.edge  storage  api
    floor 1   sip  media  routing  auction  compliance  fraud  accounts   pure; no siblings
    floor 0   vocabulary        of libraries only msgspec; `instants` also datetime, zoneinfo
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORES = {"sip", "media", "routing", "auction", "compliance", "fraud", "accounts"}
EDGES = {"sip.edge", "media.edge", "storage", "api"}
OURS = CORES | EDGES | {"vocabulary", "exchange", "dce"}
PURE = CORES | {"vocabulary", "exchange"}
MAY_IMPORT = {
    "vocabulary": set[str](),
    **{core: {"vocabulary"} for core in CORES},
    "exchange": CORES | {"vocabulary"},
    **{edge: CORES | {"vocabulary"} for edge in EDGES},
    "dce": OURS,
}
# What acts, waits, asks for the time or draws chance; named, or by another door.
IMPURE = {
    "asyncio", "concurrent", "ctypes", "datetime", "fcntl", "http", "logging", "mmap",
    "multiprocessing", "os", "random", "secrets", "select", "selectors", "signal", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib",
    "uvloop", "aiohttp", "asyncpg", "dns", "redis", "structlog",
}  # fmt: skip
PURE_EXCEPT = {"vocabulary.instants": {"datetime", "zoneinfo"}}
ZONES = "zoneinfo"  # reads files: only where the exception above says so
VOCABULARY_LIBRARIES = {"msgspec"}
CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+cimport\b|cimport\s+([\w., ]+))", re.M)
CIMPORT_ANYWHERE = {"cython", "libc", "cpython", "posix"}


def unit_of(module: str) -> str:
    """The room of the map that a module belongs to, "" when it is none of ours."""
    two = ".".join(module.split(".")[:2])
    one = module.partition(".")[0]
    if two in EDGES:
        return two
    return one if one in OURS else ""


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, wherever it stands; names imported count as modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def fault_of(module: str, target: str) -> str:
    """Why `module` may not import `target`; "" when it may."""
    unit = unit_of(module)
    if target.startswith("."):
        return "relative import: write the whole name"
    theirs = unit_of(target)
    first = target.partition(".")[0]
    if theirs:
        allowed = theirs == unit or theirs in MAY_IMPORT[unit]
        return "" if allowed else f"{unit} may not import {theirs}"
    if first == "tests":
        return "the product may not import its tests"
    if unit in PURE:
        if first in PURE_EXCEPT.get(module, ()):
            return ""
        if first in IMPURE or first == ZONES:
            return f"{unit} is pure: no {first}"
    library = first not in sys.stdlib_module_names
    if unit == "vocabulary" and library and first not in VOCABULARY_LIBRARIES:
        return f"vocabulary uses no library but msgspec: {first}"
    return ""


def import_faults(module: str, text: str) -> list[str]:
    """Every forbidden import of one Python source."""
    faults = []
    for line, target in imported(ast.parse(text)):
        fault = fault_of(module, target)
        if fault:
            faults.append(f"{module}:{line}: {fault} ({target})")
    return faults


def cimport_faults(module: str, text: str) -> list[str]:
    """Every cimport of a .pxd or .pyx that leaves its package: values cross, not structs."""
    faults = []
    for found in CIMPORT.finditer(text):
        for target in re.split(r"[,\s]+", (found.group(1) or found.group(2)).strip()):
            first = target.partition(".")[0]
            if first in CIMPORT_ANYWHERE:
                continue
            if not target.startswith(".") and unit_of(target) != unit_of(module):
                faults.append(f"{module}: cimport of {target}")
    return faults


def sources(suffix: str) -> list[tuple[str, str]]:
    """(module, text) of every source of ours with that suffix."""
    found = []
    for package in sorted({unit.partition(".")[0] for unit in OURS}):
        for path in sorted((ROOT / package).rglob(f"*{suffix}")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.append((module.removesuffix(".__init__"), path.read_text()))
    return found


def test_every_import_stays_on_its_floor() -> None:
    modules = sources(".py")
    assert len(modules) > 20
    faults = [fault for module, text in modules for fault in import_faults(module, text)]
    assert not faults, "\n".join(faults)


def test_every_cimport_stays_in_its_package() -> None:
    compiled = sources(".pxd") + sources(".pyx")
    faults = [fault for module, text in compiled for fault in cimport_faults(module, text)]
    assert not faults, "\n".join(faults)


def test_every_python_import_of_a_pyx_stays_on_its_floor() -> None:
    """Cython is no Python to `ast`: its plain import lines are taken out and read alone."""
    line = re.compile(r"^(?:from [\w.]+ import [^\n(]*|import [^\n]*)$", re.M)
    for module, text in sources(".pyx"):
        assert import_faults(module, "\n".join(line.findall(text))) == []


# The guard itself: what is planted must be found, what is allowed must pass.


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("vocabulary.money", "import sip.uri"),
        ("vocabulary.money", "import phonenumbers"),
        ("vocabulary.codec", "from datetime import date"),
        ("sip.dialog", "from routing.plan import Plan"),
        ("sip.dialog", "def f():\n    import exchange"),
        ("sip.dialog", "from sip.edge import driver"),
        ("sip.dialog", "import time"),
        ("sip.dialog", "from asyncio import Queue"),
        ("routing.schedule", "import zoneinfo"),
        ("exchange.desk", "from storage.journal import Journal"),
        ("exchange.desk", "import logging"),
        ("exchange.desk", "import os"),
        ("sip.edge.udp", "from exchange.desk import Desk"),
        ("sip.edge.udp", "from storage import journal"),
        ("api.app", "import dce.config"),
        ("storage.journal", "import api.app"),
        ("auction.book", "from . import bid"),
        ("dce.demo", "from tests.edge import wires"),
    ],
)
def test_a_planted_import_is_found(module: str, line: str) -> None:
    assert len(import_faults(module, line)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("vocabulary.instants", "from datetime import date\nimport zoneinfo"),
        ("vocabulary.codec", "import msgspec\nimport hashlib"),
        ("sip.dialog", "from sip.uri import parse_uri\nfrom vocabulary import limits"),
        ("sip.edge.udp", "import socket\nimport asyncio\nfrom sip.signals import Flow"),
        ("exchange.desk", "from sip import signals\nfrom accounts.holds import Holds"),
        ("storage.journal", "import os\nfrom vocabulary.facts import Fact"),
        ("dce.wiring", "import api.app\nfrom exchange.desk import Desk\nimport storage"),
    ],
)
def test_what_is_allowed_passes(module: str, line: str) -> None:
    assert import_faults(module, line) == []


def test_a_planted_cimport_is_found() -> None:
    assert cimport_faults("exchange.desk", "from auction.book cimport Book\n")
    assert cimport_faults("exchange.desk", "cimport libc.string, auction.book\n")
    assert cimport_faults("sip.edge.udp_batch", "    from sip.message cimport Message\n")
    assert not cimport_faults("sip.uas", "from sip.message cimport Message\n")
    assert not cimport_faults("sip.uas", "from libc.string cimport memcpy\ncimport cython\n")


ALONE = """
import importlib, os, sys, traceback
for name in LIBRARIES:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for name in MODULES:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 0
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            code = 1
        os._exit(code)
    os.waitpid(child, 0)
"""


def test_every_module_can_be_imported_alone() -> None:
    """One process that knows the libraries and nothing of ours forks a child a module."""
    modules = [module for module, _ in sources(".py")]
    libraries = {
        target.partition(".")[0]
        for module, text in sources(".py")
        for _, target in imported(ast.parse(text))
        if not unit_of(target) and not target.startswith(".")
    }
    script = f"LIBRARIES = {sorted(libraries)!r}\nMODULES = {modules!r}\n{ALONE}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
