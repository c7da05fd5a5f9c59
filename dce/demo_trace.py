"""What the demo's phones saw on the wire, and one call of it drawn as a ladder of both legs.

```
   ms  caller               exchange              acme               bestrate
  0.0    │── INVITE ───────────>│                    │                    │
  2.1    │                      │── INVITE ─────────>│                    │
  3.0    │                      │<───── 486 Busy ────│                    │
```
Instants are those at which a phone sent or received, all by one clock of this machine.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from sip.grammar import H_FROM
from sip.headers import parse_name_addr
from sip.message import Message
from sip.scan import BrokenMessage, scan
from sip.uri import user_of
from vocabulary import limits
from vocabulary.errors import RemoteProtocolError
from vocabulary.limits import NS_PER_MS

WIDTH = 100
TIME_WIDTH = 9


class Seen(Struct, frozen=True, gc=False):
    """One message at one phone. out: the phone sent it. caller: user of From in the INVITE."""

    at_ns: int
    phone: str
    out: bool
    call_id: bytes
    caller: str
    text: str


class Trace:
    """Messages of all phones, in the order they were seen; bounded."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._callers: dict[bytes, str] = {}

    def note(self, phone: str, out: bool, data: bytes, at_ns: int) -> None:
        """Keep one message; what is no SIP message is not kept."""
        if len(self._seen) >= limits.demo_trace_messages_max:
            return
        try:
            message = scan(data)
        except BrokenMessage:  # a keep-alive
            return
        call_id = message.call_id
        if call_id not in self._callers:
            self._callers[call_id] = _caller_of(message)
        self._seen.append(
            Seen(at_ns, phone, out, call_id, self._callers[call_id], describe(message))
        )

    def of_caller(self, caller: str) -> list[Seen]:
        """Every message of the calls that a caller's number made, oldest first."""
        found = [seen for seen in self._seen if seen.caller == caller]
        return sorted(found, key=lambda seen: seen.at_ns)


def describe(message: Message) -> str:
    """A message in a few words: "INVITE + SDP", "486 Busy Here", "200 OK (BYE)"."""
    body = " + SDP" if message.body else ""
    if message.is_request:
        return message.method_name.decode("ascii", "replace") + body
    method = message.method_name.decode("ascii", "replace")
    reason = message.reason.decode("utf-8", "replace")
    about = "" if method == "INVITE" else f" ({method})"
    return f"{message.status} {reason}{about}{body}"


def _caller_of(message: Message) -> str:
    try:
        uri = parse_name_addr(message.value(H_FROM) or b"").uri
    except RemoteProtocolError:
        return ""
    return user_of(uri).decode("utf-8", "replace")


def draw_ladder(
    seen: Iterable[Seen], caller: str, buyers: Sequence[str], names: Sequence[str]
) -> list[str]:
    """Lines of the ladder of one call, at most WIDTH wide.

    caller: phone of the caller; buyers: phones of the buyers, at least one, in the order they
    are drawn. names: headings of caller, exchange and buyers.
    """
    messages = list(seen)
    columns = {caller: 0} | {name: place for place, name in enumerate(buyers, 2)}
    lanes = _lanes(2 + len(buyers))
    lines = [_heading(names, lanes)]
    start_ns = messages[0].at_ns if messages else 0
    for message in messages:
        at = columns.get(message.phone)
        if at is None:
            continue
        ends = (at, 1) if message.out else (1, at)
        ms = (message.at_ns - start_ns) / NS_PER_MS
        lines.append(f"{ms:>{TIME_WIDTH - 2}.1f}  {_arrow(*ends, message.text, lanes)}".rstrip())
    return lines


def _lanes(count: int) -> list[int]:
    """Position of each lifeline, counted from behind the time."""
    gap = min(30, (WIDTH - TIME_WIDTH - 12) // (count - 1))
    return [4 + gap * place for place in range(count)]


def _heading(names: Sequence[str], lanes: Sequence[int]) -> str:
    gap = lanes[1] - lanes[0]
    row = [" "] * (lanes[-1] + gap)
    for name, lane in zip(names, lanes, strict=True):
        shown = name[: gap - 1]
        begin = max(0, lane - len(shown) // 2)
        row[begin : begin + len(shown)] = shown
    return (f"{'ms':>{TIME_WIDTH - 2}}  " + "".join(row)).rstrip()[:WIDTH]


def _arrow(source: int, goal: int, text: str, lanes: Sequence[int]) -> str:
    """One row of lifelines with an arrow from one to another; it crosses those between."""
    row = [" "] * (lanes[-1] + 1)
    for lane in lanes:
        row[lane] = "│"
    left, right = sorted((lanes[source], lanes[goal]))
    for place in range(left + 1, right):
        row[place] = "┼" if row[place] == "│" else "─"
    if goal > source:
        row[right - 1] = ">"
    else:
        row[left + 1] = "<"
    near = max(lane for lane in lanes if lane < right)  # the label stands in the last gap
    label = f" {text} "[: right - near - 5]
    begin = near + 1 + (right - near - 1 - len(label)) // 2
    row[begin : begin + len(label)] = label
    return "".join(row)
