"""All phones of a mix: one SIPp for each kind of caller and each kind of phone.

Callers write what they see into a log, a line an event: `Call-ID;event;time`.
placed: the INVITE is about to leave; talking: answered and acknowledged; leaving: about to send
BYE; ended: all went as the scenario says.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Self

from tests.bench.load import CALLERS
from tests.bench.mix import CALLER_HOST, LOSSY, MEASURED, PHONE_HOST, TALK_MS, Kind, number
from tests.bench.rows import ROOT
from tests.interop.ports import free_port
from tests.interop.sipp import Order, Sipp, Stats, scenario

LOG_FILE = "seen.log"
_OWN = Path(__file__).resolve().parent / "scenarios"
_SCENARIOS = {
    "caller_unacked": _OWN / "caller_unacked.xml", "vanishes": _OWN / "buyer_vanishes.xml",
    "answers": scenario("buyer"), "hangs_up": scenario("buyer_hangs_up"),
    "busy": scenario("buyer_refuses"), "rings": scenario("buyer_rings"),
}
_SILENT = "silent"
_UNACKED_S = 34  # 64·T1 until the far side of an unacknowledged call gives up
_SLACK_S = 60
_OPEN_MAX = 15_000
_FORGET_MS = 60_000  # a phone that has gone stays deaf to its BYE and all copies of it
_LOST_PERCENT = 20
_PATIENT = ("-max_invite_retrans", "10", "-max_non_invite_retrans", "10")
_ACK, _CANCEL = '<recv request="ACK" />', '<recv request="CANCEL" />'
_COPY = '<recv request="{}" optional="true" />\n'
_STAYS = '<timewait milliseconds="5000" />\n</scenario>'
_FINE_CLOCK = ("-timer_resol", "1")  # SIPp's clock moves in steps of its timers, 4 ms by default


@dataclass(frozen=True)
class Phone:
    """Where a phone answers, and its SIPp; none for the silent one."""

    port: int
    sipp: Sipp | None


def kept_folder(name: str) -> Path:
    """A folder below build/ that is not there yet: the phones' logs stay for who looks at them."""
    folder = ROOT / "build" / name
    rmtree(folder, ignore_errors=True)
    return folder


class Fleet:
    """Phones that wait and, after `call`, callers at work. Leave the context to end them all."""

    def __init__(self, kinds: Sequence[Kind], folder: Path) -> None:
        """folder: made, must be new. Phones are bound on return."""
        self.kinds, self.folder = tuple(kinds), folder
        self._stack = ExitStack()
        self.callers: dict[str, Sipp] = {}
        self.phones = {name: self._phone(name)
                       for name in sorted({phone for kind in kinds for phone in kind.ladder})}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stack.close()

    @property
    def ports(self) -> Mapping[str, int]:
        """Port of each phone."""
        return {name: phone.port for name, phone in self.phones.items()}

    def call(self, remote: str, rate: float, seconds: int) -> None:
        """Start all callers towards host:port; together they place `rate` calls a second."""
        for index, kind in enumerate(self.kinds):
            part = rate * kind.share / 1_000
            order = Order(
                scenario_of(kind.caller), CALLER_HOST, free_port(CALLER_HOST), remote=remote,
                service=number(index), calls_max=max(1, round(part * seconds)), rate=part,
                open_max=_OPEN_MAX, hold_ms=kind.hold_ms, callers=CALLERS,
                timeout_s=seconds + _UNACKED_S + _SLACK_S, texts=caller_texts(kind),
                extra=("-trace_logs", "-log_file", LOG_FILE,
                       *(_FINE_CLOCK if kind.name == MEASURED else ()),
                       *(_PATIENT if kind.name == LOSSY else ())))
            self.callers[kind.name] = self._stack.enter_context(
                Sipp(order, self.folder / f"caller-{kind.name}"))

    def running(self) -> bool:
        """Whether a caller still places or holds calls."""
        return any(caller.process.poll() is None for caller in self.callers.values())

    def wait(self) -> None:
        """Until all callers have ended. SippFailed when one stalls."""
        for caller in self.callers.values():
            caller.wait()

    def hang_up(self) -> None:
        """End the phones after their open calls."""
        for phone in self.phones.values():
            if phone.sipp is not None:
                phone.sipp.finish()

    def failures(self) -> dict[str, str]:
        """What each end that met something else than its scenario says of it."""
        ends = {f"caller {name}": sipp for name, sipp in self.callers.items()}
        ends |= {f"phone {name}": phone.sipp for name, phone in self.phones.items() if phone.sipp}
        return {name: f"{sipp.stats().failed} of {sipp.stats().created} failed, "
                      f"{dict(sipp.stats().reasons)} {sipp.last_lines(4)}"
                for name, sipp in ends.items() if sipp.stats().failed}

    def stats(self) -> dict[str, Stats]:
        """Counts of the callers by kind."""
        return {name: caller.stats() for name, caller in self.callers.items()}

    def _phone(self, name: str) -> Phone:
        port = free_port(PHONE_HOST)
        if name == _SILENT:
            self._stack.enter_context(_deaf(port))
            return Phone(port, None)
        order = Order(scenario_of(name), PHONE_HOST, port, calls_max=0, open_max=_OPEN_MAX,
                      hold_ms=TALK_MS, timeout_s=86_400, texts=phone_texts(name),
                      extra=("-deadcall_wait", str(_FORGET_MS)))
        sipp = self._stack.enter_context(Sipp(order, self.folder / f"phone-{name}"))
        return Phone(port, sipp.ready())


def scenario_of(name: str) -> Path:
    """File of a caller's scenario or of a phone's."""
    return _SCENARIOS.get(name) or scenario(name)


def _event(name: str) -> str:
    return f'<nop><action><log message="[call_id];{name};[timestamp]" /></action></nop>\n'


def caller_texts(kind: Kind) -> dict[str, str]:
    """What makes a caller's scenario write its log, and the lossy one lose messages."""
    begins = f'<scenario name="{kind.caller}">'
    texts = {begins: f"{begins}\n{_event('placed')}", "@status@": str(kind.status),
             "</scenario>": f"{_event('ended')}</scenario>"}
    if kind.disposition == "completed":
        for talk in ("<pause />", '<recv request="BYE" />'):
            texts[talk] = f"{_event('talking')}{talk}{_event('leaving')}"
    if kind.name == LOSSY:
        texts["<send"] = f'<send lost="{_LOST_PERCENT}"'
    return texts


def phone_texts(name: str) -> dict[str, str]:
    """What makes a phone bear a busy machine, on which it is late and hears copies.

    One of an INVITE or CANCEL that it has answered would abort its call unless the scenario
    names it; one of an ACK must still find the call.
    """
    invite = _COPY.format("INVITE")
    texts = {"@status@": "486", _ACK: f"{invite}{_ACK}", "</scenario>": _STAYS}
    if name == "rings":
        texts |= {_CANCEL: f"{invite}{_CANCEL}", _ACK: f"{_COPY.format('CANCEL')}{_ACK}"}
    if name == "vanishes":
        del texts["</scenario>"]  # it is gone when its BYE comes
    return texts


@contextmanager
def _deaf(port: int) -> Iterator[None]:
    """A bound socket that nobody reads."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((PHONE_HOST, port))
        yield
