"""The torture cases: name, octets, and verdict of each."""

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def load() -> dict[str, dict[str, Any]]:
    """Cases of verdicts.toml by name."""
    with open(HERE / "verdicts.toml", "rb") as file:
        return {case["name"]: case for case in tomllib.load(file)["case"]}


def octets(name: str) -> bytes:
    """The message of a case as it goes into a datagram."""
    path = HERE / "messages" / str(CASES[name]["file"])
    return path.read_bytes()


def stream_octets(name: str) -> bytes:
    """The message of a case as it goes into a stream: Content-Length made right if asked."""
    data = octets(name)
    right = CASES[name].get("wire_content_length")
    if right is None:
        return data
    head, _blank, body = data.partition(b"\r\n\r\n")
    lines = [b"Content-Length: %d" % right if line.startswith(b"Content-Length") else line
             for line in head.split(b"\r\n")]  # fmt: skip
    assert len(body) == right
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CASES = load()
