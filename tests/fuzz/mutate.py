"""Seedable mutations of messages: the same seed and index give the same octets."""

import random
from pathlib import Path

from tests.sip.wire import INVITE_871, build, response
from tests.torture.cases import CASES, octets

HERE = Path(__file__).parent
WORDS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"\r\n ", b'"', b"\\", b"<", b">", b";",
    b",", b":", b"=", b"@", b"?", b"%", b"%00", b"%0d%0a", b"[", b"]", b"[::1]", b"*", b"/", b"-1",
    b"2147483648", b"99999999999999999999", b"SIP/2.0", b"sip:", b"tel:+1", b";tag=", b";tag=x",
    b";rport", b";received=1.2.3.4", b";branch=z9hG4bK", b"Via: ", b"l: 0\r\n", b"Content-Length: ",
    b"To: <sip:a@b>\r\n", b"Contact: *\r\n", b"Route: <sip:a;lr>,<sip:b>\r\n", b"\xff", b"\xc3\xa9",
    b"a" * 300, b",a" * 80, b";a" * 80, b"\r\n " * 40,
]  # fmt: skip


def corpus() -> list[bytes]:
    """What mutations start from."""
    bodies = [path.read_bytes() for path in sorted((HERE / "sdp").glob("*.sdp"))]
    kind = b"Content-Type: application/sdp\r\n"
    return [
        *(octets(name) for name in CASES),
        INVITE_871,
        *(build(extra=kind, body=body) for body in bodies),
        *(response(extra=kind, body=body) for body in bodies[:2]),
    ]


CORPUS = corpus()


def inputs(seed: int, index: int) -> bytes:
    """Input number `index` of `seed`: one corpus entry with one to six mutations."""
    chance = random.Random(f"{seed}:{index}")
    data = bytearray(chance.choice(CORPUS))
    for _round in range(chance.choice((1, 1, 1, 2, 3, 6))):
        mutate(data, chance)
    return bytes(data)


def piece(seed: int, index: int) -> bytes:
    """A short input: a line, or a value, of input number `index`."""
    chance = random.Random(f"{seed}:{index}:piece")
    lines = inputs(seed, index).split(b"\r\n")
    line = chance.choice(lines)
    return line.split(b":", 1)[-1].strip() if chance.random() < 0.8 else line


def mutate(data: bytearray, chance: random.Random) -> None:
    """One change in place."""
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice((1, 2, 8, 40, 400)))
    kind = chance.randrange(7)
    if kind == 0 and data:
        data[min(at, len(data) - 1)] = chance.randrange(256)
    elif kind == 1:
        del data[at:to]
    elif kind == 2:
        data[at:at] = data[at:to]
    elif kind == 3:
        data[at:at] = chance.choice(WORDS)
    elif kind == 4:
        data[at:to] = chance.choice(WORDS)
    elif kind == 5:
        lines = data.split(b"\r\n")
        line = chance.choice(lines)
        lines.insert(chance.randrange(len(lines) + 1), line)
        data[:] = b"\r\n".join(lines)
    else:
        other = chance.choice(CORPUS)
        data[at:] = other[chance.randrange(len(other) + 1) :]
