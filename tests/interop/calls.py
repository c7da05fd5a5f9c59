"""One call through the server: a SIPp caller, up to two SIPp buyers, their exit statuses."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.interop.plans import CALLER_HOST, Slot
from tests.interop.ports import free_port
from tests.interop.server import Exchange
from tests.interop.sipp import Order, Sipp, scenario

SIPP_TRANSPORT = {"udp": "u1", "tcp": "t1"}


class Lab:
    """The running server with its slots. A slot belongs to one scenario at a time."""

    def __init__(self, exchange: Exchange, slots: tuple[Slot, ...], folder: Path) -> None:
        self.exchange, self.folder = exchange, folder
        self._free: SimpleQueue[Slot] = SimpleQueue()
        for slot in slots:
            self._free.put(slot)

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """A slot that nobody else has; waits for one."""
        slot = self._free.get(timeout=120)
        try:
            yield slot
        finally:
            self._free.put(slot)


@dataclass(frozen=True)
class Scene:
    """What is played. Scenario names are our own files, or whole paths.

    kind: the slot's number ("one", "two", "quick"). hold_ms: SIPp's -d for both ends.
    status: put for @status@ in both ends. caller_via: host:port that the caller sends to
    instead of the server. caller_port: 0 = any free one. first_order: replaces the order of
    the first buyer. extra, first_extra: further words for the caller, the first buyer.
    caller_decides: the buyers are cut once the caller has ended, and not judged.
    """

    name: str
    caller: str | Path
    first: str | Path | None = None
    second: str | Path | None = None
    kind: str = "one"
    transport: str = "udp"
    calls: int = 1
    hold_ms: int = 200
    status: str = "486"
    number: str = ""
    timeout_s: int = 30
    caller_via: str = ""
    caller_port: int = 0
    first_order: Order | None = None
    extra: tuple[str, ...] = ()
    first_extra: tuple[str, ...] = ()
    caller_decides: bool = False


@dataclass(frozen=True)
class Played:
    """Exit statuses (0 = went as the scenario says) and the text of who failed."""

    caller: int
    buyers: tuple[int, ...]
    report: str

    @property
    def ok(self) -> bool:
        """All ends went as their scenarios say."""
        return self.caller == 0 and not any(self.buyers)


def play(lab: Lab, slot: Slot, scene: Scene) -> Played:
    """Play a scene to its end. SippFailed when an end cannot start or never ends."""
    folder = lab.folder / f"{scene.name}-{scene.transport}-{slot.index}"
    with ExitStack() as stack:
        buyers = [stack.enter_context(Sipp(order, folder / order.scenario.stem))
                  for order in _buyers(scene, slot)]
        for buyer in buyers:
            buyer.ready()
        caller = stack.enter_context(Sipp(_caller(lab, scene, slot), folder / "caller"))
        status = caller.wait()
        if scene.caller_decides:
            return Played(status, (), caller.last_lines())
        statuses = tuple(buyer.wait() for buyer in buyers)
        failed = [end for end, code in zip([caller, *buyers], [status, *statuses], strict=True)
                  if code]
        report = "\n".join(end.last_lines() for end in failed)
        return Played(status, statuses, report)


def _path(name: str | Path) -> Path:
    return name if isinstance(name, Path) else scenario(name)


def _caller(lab: Lab, scene: Scene, slot: Slot) -> Order:
    extra = ("-rsa", scene.caller_via, *scene.extra) if scene.caller_via else scene.extra
    return Order(
        _path(scene.caller), CALLER_HOST, scene.caller_port or free_port(CALLER_HOST),
        remote=lab.exchange.sip, service=scene.number or slot.number(scene.kind, scene.transport),
        calls_max=scene.calls, transport=SIPP_TRANSPORT[scene.transport], hold_ms=scene.hold_ms,
        timeout_s=scene.timeout_s, texts={"@status@": scene.status}, extra=extra)


def _buyers(scene: Scene, slot: Slot) -> Iterator[Order]:
    for name, file in (("first", scene.first), ("second", scene.second)):
        if file is None:
            continue
        if name == "first" and scene.first_order is not None:
            yield scene.first_order
            continue
        host, port = slot.address(name)
        yield Order(_path(file), host, port, calls_max=scene.calls,
                    transport=SIPP_TRANSPORT[scene.transport], hold_ms=scene.hold_ms,
                    timeout_s=scene.timeout_s, texts={"@status@": scene.status},
                    extra=scene.first_extra if name == "first" else ())
