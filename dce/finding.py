"""What one check found, and how it is printed."""

from typing import Literal

from msgspec import Struct

State = Literal["ok", "warn", "fail"]
NAME_COLUMN = 16
INDENT = " " * 23


class Finding(Struct, frozen=True):
    """state: ok; warn, it runs but not as it should; fail. text: what is; advice: what to do."""

    state: State
    text: str
    advice: str = ""

    def lines(self, name: str) -> str:
        """As people read it, the advice on lines of its own."""
        text = self.text.replace("\n", "\n" + INDENT)
        advice = f"\n{INDENT}→ " + self.advice.replace("\n", "\n" + INDENT) if self.advice else ""
        return f"{self.state:<5}  {name:<{NAME_COLUMN}}{text}{advice}"


def ok(text: str) -> Finding:
    """All is well."""
    return Finding("ok", text)


def warn(text: str, advice: str) -> Finding:
    """It will run."""
    return Finding("warn", text, advice)


def fail(text: str, advice: str = "") -> Finding:
    """It will not run, or not take calls."""
    return Finding("fail", text, advice)
