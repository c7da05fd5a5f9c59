"""The guard itself: every rule of test_tidy finds what is planted and passes what is allowed."""

import pytest

from tests import test_tidy as tidy

LONG = "def long():\n" + "    x = 1\n" * 60
MARK = "TO" + "DO"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (tidy.line_faults, "x" * 101),
        (tidy.line_faults, "x\n" * 401),
        (tidy.function_faults, LONG),
        (tidy.function_faults, "class A:\n    async def f(self):\n" + "        x = 1\n" * 60),
        (tidy.docstring_faults, "x = 1\n"),
        (tidy.docstring_faults, '"""M."""\ndef public():\n    return 1\n'),
        (tidy.docstring_faults, '"""M."""\nclass A:\n    """A."""\n    def m(self): ...\n'),
        (tidy.word_faults, f"# {MARK}: later\n"),
        (tidy.word_faults, f"path = '{tidy.ROOT}/sip'\n"),
        (tidy.word_faults, "see issue" + " #3\n"),
        (tidy.word_faults, "https://pypi" + ".org/simple\n"),
        (tidy.dead_code_faults, "x = 1\n# y = 2\n"),
        (tidy.dead_code_faults, "def f():\n    # return 3\n    return 2\n"),
        (tidy.dead_code_faults, "# print(x)\n"),
        (tidy.dead_code_faults, "# import os\n"),
        (tidy.dead_code_faults, "# def f(x):\n"),
        (tidy.swallow_faults, "try:\n    f()\nexcept Exception:\n    pass\n"),
        (tidy.swallow_faults, "while x:\n    try:\n        f()\n    except:\n        continue"),
        (tidy.bound_faults, "QUEUE_MAX = 4_096\n"),
        (tidy.bound_faults, "rows_max: int = 2**16 - 1\n"),
    ],
)
def test_a_planted_fault_is_found(rule: tidy.Rule, text: str) -> None:
    assert len(rule("sip/sample.py", text)) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (tidy.line_faults, "x" * 100 + "\n" + "x\n" * 399),
        (tidy.line_faults, "x = y" + "y" * 95 + "  # type: ignore[list-item]\n"),
        (tidy.function_faults, LONG[: -len("    x = 1\n")]),
        (tidy.docstring_faults, ""),
        (tidy.docstring_faults, '"""M."""\ndef _private():\n    return 1\n'),
        (tidy.word_faults, "a session of the call, an issue of trust, XXXX\n"),
        (tidy.dead_code_faults, "# the next one waits: it is bounded\n# noqa: E501\n"),
        (tidy.dead_code_faults, "x = 1  # y = 2 would be too much\n"),
        (tidy.dead_code_faults, "# cython: boundscheck=False\n# T1\n# pass through\n"),
        (tidy.swallow_faults, "try:\n    f()\nexcept OSError:\n    pass\n"),
        (tidy.bound_faults, "from vocabulary import limits\nNODES_MAX = 4 * limits.rows_max\n"),
        (tidy.bound_faults, 'H_MAX_FORWARDS = 7\nNAME_MAX = "x"\nT_NS = 5\n'),
    ],
)
def test_what_is_allowed_passes(rule: tidy.Rule, text: str) -> None:
    assert rule("sip/sample.py", text) == []


def test_names_that_say_nothing() -> None:
    for path in ("sip/utils.py", "sip/common/x.py", "api/call_manager.py", "dce/helpers.pxd"):
        assert len(tidy.name_faults(path, "")) == 1
    assert not tidy.name_faults("sip/commands.py", "")


def test_functions_of_a_pyx_are_measured() -> None:
    body = "    a += 1\n" * 70
    text = f"cdef int one(int a) noexcept:\n{body}\n\ndef two(self):\n    pass\n"
    assert dict(tidy.functions_of("sip/x.pyx", text)) == {"one": 71, "two": 2}
    several = "cdef class A:\n    def f(\n        self,\n    ):\n        pass\n\n    cdef int x\n"
    assert dict(tidy.functions_of("sip/x.pyx", several)) == {"f": 4}


def test_the_build_list() -> None:
    files = {"sip/a.py", "sip/a.pxd", "sip/b.pyx"}
    assert tidy.build_faults(["sip.a", "sip.b"], files) == []
    assert len(tidy.build_faults(["sip.a"], files)) == 1  # a .pyx nobody builds
    assert len(tidy.build_faults(["sip.b"], files)) == 1  # a .pxd nobody builds
    assert len(tidy.build_faults(["sip.a", "sip.b", "sip.c"], files | {"sip/c.py"})) == 1
    assert len(tidy.build_faults(["sip.a", "sip.b", "sip.b"], files)) == 1
    assert len(tidy.build_faults(["sip.a", "sip.b", "sip.d"], files | {"sip/d.pxd"})) == 1


def test_the_package_list() -> None:
    files = {"sip/__init__.py", "sip/edge/__init__.py", "tests/__init__.py", "sip/a.py"}
    assert tidy.package_faults(["sip", "sip.edge"], files) == []
    assert len(tidy.package_faults(["sip"], files)) == 1
    assert len(tidy.package_faults(["sip", "sip.edge", "media"], files)) == 1
