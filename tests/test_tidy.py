"""The tree against docs/style.md: lengths, names, words, docstrings, bounds, the build's list.

Each rule is a function from (path, text) to faults, so that planted samples can prove it.
"""

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import setup as build

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/"
CODE = (".py", ".pyx", ".pxd", ".pyi")
TEXT = (*CODE, ".md", ".toml", ".yaml", ".yml", ".sql", ".cfg", ".sh", ".xml", "Makefile")
LINE_MAX = 100
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
LONG_FUNCTIONS: set[str] = set()  # "path:name"; for the hand-written wire scanner alone
PLACELESS_NAMES = {"util", "utils", "common", "misc", "manager", "managers", "helper", "helpers"}
# Faults found when this test came; the list only ever shrinks.
STILL_LONG = {
    "tests/interop/pjsua_peer.py: _phone_classes has 94 lines",
}
# Numbers of a format or a standard are not bounds of ours to choose.
STANDARD_NUMBERS = {
    "dce/addresses.py:PORT_MAX",
    "dce/config.py:SOCKET_DIR_BYTES_MAX",
    "sip/headers.py:CSEQ_MAX",
    "sip/headers.py:NUMBER_MAX",
    "sip/tokens.py:WORKERS_MAX",
    "storage/postgres.py:SOCKET_PATH_BYTES_MAX",
    "storage/sealing.py:KEY_EPOCHS_MAX",
    "vocabulary/number.py:DIGITS_MAX",
}
BOUND = re.compile(r"^_?[A-Za-z0-9_]+_(max|MAX)$")
# Words are assembled so that this file does not hold them.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
FOREIGN = re.compile(
    "|".join(
        [
            re.escape(f"{ROOT}/"),
            r"(?<![\w.])/(root|home)/\w",
            r"\bissue" + r" (#|no\. ?)?\d",
            "issues" + " show",
            "pypi" + r"\.org",
            "files.python" + "hosted",
            "registry.npm" + "js",
            "proxy.golang" + r"\.org",
        ]
    ),
    re.I,
)
PRAGMA = re.compile(r"\s+# (type: ignore|noqa|fmt: skip|pragma:).*$")
DIRECTIVE = re.compile(r"^(noqa|type:|fmt:|cython:|pragma|mypy:|!)")
STATEMENTS = (
    ast.Assign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.Return, ast.Raise, ast.Assert,
    ast.Delete, ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.With, ast.Try,
)  # fmt: skip

Rule = Callable[[str, str], list[str]]


def tracked(suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(path from the root, text) of every file that git knows."""
    command = ["git", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    listed = names.stdout.split("\0") if names.returncode == 0 else walked()
    for name in sorted(filter(None, listed)):
        if name.endswith(suffixes) and (ROOT / name).is_file():
            yield name, (ROOT / name).read_text()


def walked() -> list[str]:
    """Paths of a copy without git: everything but hidden folders and what a build leaves."""
    names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
    return [
        str(name)
        for name in names
        if not any(part.startswith(".") or part == "build" for part in name.parts)
    ]


def line_faults(path: str, text: str) -> list[str]:
    """Lines over 100 characters (a directive behind them not counted), files over 400 lines."""
    lines = text.splitlines()
    faults = [
        f"{path}:{number}: {len(line)} characters"
        for number, line in enumerate(lines, 1)
        if len(PRAGMA.sub("", line)) > LINE_MAX
    ]
    if len(lines) > FILE_LINES_MAX:
        faults.append(f"{path}: {len(lines)} lines")
    return faults


def functions_of(path: str, text: str) -> Iterator[tuple[str, int]]:
    """(name, lines) of every function; of a .pyx by its indentation."""
    if path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1
        return
    start = re.compile(r"^(\s*)(?:cdef|cpdef|def)\b[^=]*?(\w+)\([^)]*$|^(\s*)(?:cdef|cpdef|def)\b"
                       r"[^=]*?(\w+)\(.*\).*:$")  # fmt: skip
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = start.match(line)
        if found:
            indent = len(found.group(1) or found.group(3) or "")
            last = number
            for at in range(number + 1, len(lines)):
                body = lines[at]
                closes = body.lstrip().startswith(")")
                if body.strip() and len(body) - len(body.lstrip()) <= indent and not closes:
                    break
                last = at if body.strip() else last
            yield found.group(2) or found.group(4), last - number + 1


def function_faults(path: str, text: str) -> list[str]:
    """Functions over 60 lines."""
    return [
        f"{path}: {name} has {lines} lines"
        for name, lines in functions_of(path, text)
        if lines > FUNCTION_LINES_MAX and f"{path}:{name}" not in LONG_FUNCTIONS
    ]


def docstring_faults(path: str, text: str) -> list[str]:
    """Modules, public classes and public functions of the product that say nothing."""
    tree = ast.parse(text)
    if not tree.body:
        return []
    faults = [] if ast.get_docstring(tree) else [f"{path}: no module docstring"]
    return faults + undescribed(path, tree)


def undescribed(path: str, parent: ast.Module | ast.ClassDef) -> list[str]:
    """Public classes and functions of a module or class without a docstring."""
    faults = []
    for node in parent.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_") or re.search(r"\.setter|overload", decorators(node)):
            continue
        if not ast.get_docstring(node):
            faults.append(f"{path}:{node.lineno}: {node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            faults += undescribed(path, node)
    return faults


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    """The decorators of a definition as text."""
    return " ".join(ast.unparse(each) for each in node.decorator_list)


def word_faults(path: str, text: str) -> list[str]:
    """Unfinished work, and words of the place where this was written."""
    return [
        f"{path}:{number}: {found.group(0)!r}"
        for number, line in enumerate(text.splitlines(), 1)
        for found in [UNFINISHED.search(line) or FOREIGN.search(line)]
        if found
    ]


def name_faults(path: str, text: str) -> list[str]:
    """Modules and folders whose name says nothing."""
    return [
        f"{path}: {part!r} is no name" for part in re.split(r"[/._]", path)
        if part in PLACELESS_NAMES
    ]  # fmt: skip


def dead_code_faults(path: str, text: str) -> list[str]:
    """Whole-line comments that would compile: code is deleted, not kept aside."""
    faults = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or token.line[: token.start[1]].strip():
            continue
        words = token.string.lstrip("#").strip()
        if words and not DIRECTIVE.match(words) and is_statement(words):
            faults.append(f"{path}:{token.start[0]}: commented-out code: {words}")
    return faults


def is_statement(words: str) -> bool:
    """Whether a comment is Python that does something."""
    try:
        body = ast.parse(words + (" pass" if words.endswith(":") else "")).body
    except SyntaxError:
        return False
    node = body[0]
    return isinstance(node, STATEMENTS) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await)
    )


def swallow_faults(path: str, text: str) -> list[str]:
    """Handlers that take any exception and do nothing with it."""
    faults = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            wide = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(each, ast.Pass | ast.Continue) for each in node.body)
            if wide and silent:
                faults.append(f"{path}:{node.lineno}: every exception is swallowed")
    return faults


def bound_faults(path: str, text: str) -> list[str]:
    """Module constants named …_max with a number of their own; limits.py is their place."""
    faults = []
    for node in ast.parse(text).body:
        names = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is None or any(isinstance(each, ast.Name) for each in ast.walk(value)):
            continue
        for name in names:
            if isinstance(name, ast.Name) and BOUND.match(name.id) and is_number(value):
                faults.append(f"{path}:{name.id}")
    return faults


def is_number(value: ast.expr) -> bool:
    """Whether an expression of literals is a number."""
    return all(
        isinstance(each, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
        or (isinstance(each, ast.Constant) and isinstance(each.value, int | float))
        for each in ast.walk(value)
    )


def build_faults(compiled: list[str], files: set[str]) -> list[str]:
    """The COMPILED list against the .pxd and .pyx files of the tree."""
    faults = []
    for name in sorted({each for each in compiled if compiled.count(each) > 1}):
        faults.append(f"COMPILED names {name} twice")
    typed = {path.rpartition(".")[0] for path in files if path.endswith((".pxd", ".pyx"))}
    for stem in sorted(typed):
        if stem.replace("/", ".") not in compiled:
            faults.append(f"{stem}: typed for the compiler, not in COMPILED")
        if not {f"{stem}.py", f"{stem}.pyx"} & files:
            faults.append(f"{stem}.pxd: no module beside it")
    for name in compiled:
        if name.replace(".", "/") not in typed:
            faults.append(f"{name}: in COMPILED without a .pxd or .pyx")
    return faults


def package_faults(listed: list[str], files: set[str]) -> list[str]:
    """The packages of pyproject.toml against the folders that hold an __init__.py."""
    folders = {path.removesuffix("/__init__.py").replace("/", ".") for path in files
               if path.endswith("/__init__.py") and not path.startswith(TESTS)}  # fmt: skip
    return [f"{name}: not in both pyproject.toml and the tree" for name in folders ^ set(listed)]


def faults_of(rule: Rule, suffixes: tuple[str, ...], *, tests: bool = True) -> list[str]:
    """What a rule finds in the tree."""
    return [
        fault
        for path, text in tracked(suffixes)
        if tests or not path.startswith(TESTS)
        for fault in rule(path, text)
    ]


@pytest.mark.parametrize(
    ("rule", "suffixes", "tests"),
    [
        (line_faults, CODE, True),
        (function_faults, (".py", ".pyx"), True),
        (docstring_faults, (".py",), False),
        (word_faults, TEXT, True),
        (name_faults, CODE, True),
        (dead_code_faults, (".py",), True),
        (swallow_faults, (".py",), True),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_tree_is_tidy(rule: Rule, suffixes: tuple[str, ...], tests: bool) -> None:
    faults = [each for each in faults_of(rule, suffixes, tests=tests) if each not in STILL_LONG]
    assert not faults, "\n" + "\n".join(faults)


def test_bounds_stand_in_limits() -> None:
    found = set(faults_of(bound_faults, (".py",), tests=False))
    found = {each for each in found if not each.startswith("vocabulary/limits.py:")}
    assert found - STANDARD_NUMBERS == set(), "move them to vocabulary/limits.py"
    assert STANDARD_NUMBERS - found == set(), "no longer there: take them off the list"


def test_the_build_knows_every_compiled_module() -> None:
    files = {path for path, _ in tracked(CODE)}
    assert not build_faults(build.COMPILED, files), "\n".join(build_faults(build.COMPILED, files))
    assert sorted(build.COMPILED) == build.COMPILED


def test_the_project_ships_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files = {path for path, _ in tracked((".py",))}
    assert not package_faults(project["tool"]["setuptools"]["packages"], files)
