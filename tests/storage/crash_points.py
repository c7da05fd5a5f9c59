"""The crash points of the code, read from its sources: name → where it stands.

    python -m tests.storage.crash_points          list them
    python -m tests.storage.crash_points --write  and write crash_points.txt, which a test compares
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("crash_points.txt")
PACKAGES = (
    "vocabulary", "sip", "routing", "auction", "accounts", "exchange", "storage", "api", "dce",
)
DEFINED_IN = "vocabulary/crash_points.py"


def crash_points() -> dict[str, str]:
    """Every name and the one module that has it, by name.

    Raises ValueError for a name that is no literal or stands twice: it could not be listed.
    """
    found: dict[str, str] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = path.relative_to(ROOT).as_posix()
            if module == DEFINED_IN:
                continue
            for name, line in _points_of(path):
                if name is None:
                    raise ValueError(f"{module}:{line}: the name must be a literal")
                if name in found:
                    raise ValueError(f"{module}:{line}: {name!r} stands in {found[name]} too")
                found[name] = module
    return dict(sorted(found.items()))


def _points_of(path: Path) -> Iterator[tuple[str | None, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else (
            node.func.id if isinstance(node.func, ast.Name) else ""
        )
        if called == "crash_point":
            first = node.args[0] if node.args else None
            literal = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield (first.value if literal else None), node.lineno


def listed() -> str:
    """The list as it is kept."""
    return "".join(f"{name}  {module}\n" for name, module in crash_points().items())


if __name__ == "__main__":
    print(listed(), end="")
    if "--write" in sys.argv[1:]:
        LIST.write_text(listed())
