# cython: boundscheck=False
"""The pump: datagrams in, notices to the desk, commands and facts out, one timer (architecture §3).

```
batch ─► endpoint.receive* ─► drain ─┬─ sends, kept to the turn's end ─► sockets
                                     └─ notices ─► desk.receive* ─► drain ─┬─ commands ─► endpoint
              until both are empty, at most pump_rounds_max rounds         └─ facts ─► journal
```
They leave earlier where a fact says that they did (AnswerSent): it must not be on disk before.
Everything of one turn happens at one now_ns. The clocks read around the decision are telemetry;
no core sees them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from dce.clock import EngineClock
from dce.histogram import Histogram
from exchange.desk import Desk
from exchange.signals import Durable, JournalFailed, JournalFull
from sip.endpoint import Endpoint
from sip.signals import CallOffered, Flow, FlowLost, Join
from vocabulary import limits
from vocabulary.errors import LocalProtocolError
from vocabulary.facts import AnswerSent, CallAnswered, CallClosed
from vocabulary.limits import NS_PER_MS


class Pump:
    """Joins one endpoint, one desk, the sockets and the journal of a signal worker."""

    __slots__ = (
        "append", "armed_ns", "clock", "decision_cpu", "decision_wall", "desk", "encode",
        "endpoint", "handle", "kinds", "late", "loop", "on_closed", "on_durable", "overruns",
        "refused", "send", "turns", "unsent", "wait_durable", "waits",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: EngineClock,
        endpoint: Endpoint,
        desk: Desk,
        *,
        send: Callable[[list[Any]], None],
        append: Callable[[int, int, bytes], None],
        encode: Callable[[Any], bytes],
        kinds: dict[type, int],
    ) -> None:
        """send: takes a flat list [flow, data, …]. append: journal append(seq, kind, payload).

        kinds: type number of every fact, as the journal knows it.
        """
        self.loop = loop
        self.clock = clock
        self.endpoint = endpoint
        self.desk = desk
        self.send = send
        self.append = append
        self.encode = encode
        self.kinds = kinds
        self.handle: asyncio.TimerHandle | None = None
        self.armed_ns = 0
        self.decision_cpu = Histogram("decision_cpu")
        self.decision_wall = Histogram("decision_wall")
        self.wait_durable = Histogram("answer_durable_wait")
        self.late = Histogram("timer_lateness")
        self.waits: dict[int, int] = {}  # start record's seq → instant it was emitted
        self.on_closed: Callable[[CallClosed], None] | None = None
        self.on_durable: Callable[[int], None] | None = None
        self.overruns = 0
        self.refused = 0
        self.turns = 0
        self.unsent: list[Any] = []

    def batch(self, received: list[Any]) -> None:
        """A flat list [data, flow, …] as the sockets hand it over."""
        now_ns = self.clock.now_ns()
        endpoint = self.endpoint
        if self.armed_ns and now_ns >= self.armed_ns:
            self._expire(now_ns)  # due timers are served before what came in
        for index in range(0, len(received), 2):
            endpoint.receive(received[index], received[index + 1], now_ns)
        self.turn(now_ns)

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """A connection closed or an address refused."""
        now_ns = self.clock.now_ns()
        self.endpoint.perform(FlowLost(flow, reason), now_ns)
        self.turn(now_ns)

    def tell(self, notice: Any) -> None:
        """Give the desk a notice from outside the endpoint, and serve what follows."""
        now_ns = self.clock.now_ns()
        self.desk.receive(notice, now_ns)
        self.turn(now_ns)

    def perform(self, command: Any) -> Any:
        """Let the desk carry out a command; returns its answer."""
        now_ns = self.clock.now_ns()
        answer = self.desk.perform(command, now_ns)
        self.turn(now_ns)
        return answer

    def journal_durable(self, seq: int) -> None:
        """The journal's call-back after each fsync."""
        now_ns = self.clock.now_ns()
        waits = self.waits
        while waits:
            first = next(iter(waits))
            if first > seq:
                break
            self.wait_durable.add(now_ns - waits.pop(first))
        self.desk.receive(Durable(seq), now_ns)
        self.turn(now_ns)
        if self.on_durable is not None:
            self.on_durable(seq)

    def journal_failed(self, reason: str) -> None:
        """The journal's call-back at its first error."""
        self.waits.clear()
        self.tell(JournalFailed(reason))

    def journal_full(self, reason: str) -> None:
        """The journal's call-back when its reserve is in use or missing, and "" when it is back."""
        self.tell(JournalFull(reason))

    def turn(self, now_ns: int) -> None:
        """Run rounds until endpoint and desk are both empty, flush, re-arm the timer."""
        self.turns += 1
        rounds = 0
        outputs = self.desk.drain()
        while True:
            if outputs:
                self._carry(outputs, now_ns)
            sent, notices = self.endpoint.drain()
            if sent:
                self.unsent = self.unsent + sent if self.unsent else sent
            if not notices:
                outputs = self.desk.drain()
                if not outputs:
                    break
                continue
            rounds += 1
            if rounds > limits.pump_rounds_max:
                self._overrun(notices, now_ns)
                outputs = self.desk.drain()
                continue
            self._notify(notices, now_ns)
            outputs = self.desk.drain()
        if self.unsent:
            self._flush()
        self._arm(now_ns)

    def _flush(self) -> None:
        unsent, self.unsent = self.unsent, []
        self.send(unsent)

    def _notify(self, notices: list[Any], now_ns: int) -> None:
        desk = self.desk
        for notice in notices:
            if type(notice) is CallOffered:
                wall_ns = time.perf_counter_ns()
                cpu_ns = time.thread_time_ns()
                desk.receive(notice, now_ns)
                self.decision_cpu.add(time.thread_time_ns() - cpu_ns)
                self.decision_wall.add(time.perf_counter_ns() - wall_ns)
            else:
                desk.receive(notice, now_ns)

    def _carry(self, outputs: list[Any], now_ns: int) -> None:
        """Hand each output to its performer, in order."""
        desk = self.desk
        kinds = self.kinds
        seq = desk.seq - desk.emitted
        desk.emitted = 0
        for output in outputs:
            kind = kinds.get(type(output))
            if kind is None:
                try:
                    self.endpoint.perform(output, now_ns)
                except LocalProtocolError:
                    self._refused(output, now_ns)
                continue
            seq += 1
            if type(output) is AnswerSent and self.unsent:
                self._flush()  # what it says is true before anybody can read it
            self.append(seq, kind, self.encode(output))
            if type(output) is CallAnswered:
                self.waits[seq] = now_ns
            elif type(output) is CallClosed and self.on_closed is not None:
                self.on_closed(output)

    def _refused(self, command: Any, now_ns: int) -> None:
        """A command its leg does not allow is an error of ours: it ends that call only."""
        self.refused += 1
        leg = command.a if type(command) is Join else getattr(command, "leg", 0)
        call = self.desk.legs.get(leg)
        if call is not None:
            self.desk.fault(call, now_ns)

    def _overrun(self, notices: list[Any], now_ns: int) -> None:
        """Too many rounds: a loop of ours in some call. End those calls only."""
        self.overruns += 1
        for notice in notices:
            call = self.desk.legs.get(notice.leg)
            if call is not None:
                self.desk.fault(call, now_ns)

    def _expire(self, now_ns: int) -> None:
        self.endpoint.expire(now_ns)
        self.desk.expire(now_ns)

    def _arm(self, now_ns: int) -> None:
        """One loop timer for the nearer deadline; an early one stays and re-arms itself."""
        first = self.endpoint.deadline()
        second = self.desk.deadline()
        if first is None or (second is not None and second < first):
            first = second
        if first is None or (self.armed_ns and self.armed_ns <= first):
            return
        if self.handle is not None:
            self.handle.cancel()
        self.armed_ns = first
        # The loop counts whole milliseconds: rounded up, or it would spin up to the deadline.
        delay_ms = max(0, first - now_ns + NS_PER_MS - 1) // NS_PER_MS
        self.handle = self.loop.call_later(delay_ms / 1_000, self._due)

    def _due(self) -> None:
        now_ns = self.clock.now_ns()
        armed_ns = self.armed_ns
        self.handle = None
        self.armed_ns = 0
        first, second = self.endpoint.deadline(), self.desk.deadline()
        if (first is not None and first <= now_ns) or (second is not None and second <= now_ns):
            self.late.add(now_ns - armed_ns)
            self._expire(now_ns)
        self.turn(now_ns)

    def close(self) -> None:
        """Disarm the timer."""
        if self.handle is not None:
            self.handle.cancel()
            self.handle = None
