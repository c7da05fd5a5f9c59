"""Types of the compiled UDP socket; the words are in sip.edge.udp.PlainUdp."""

from collections.abc import Callable
from socket import socket as Socket

from sip.signals import Flow

class BatchUdp:
    socket: Socket
    listener: int
    received: int
    received_bytes: int
    sent: int
    sent_bytes: int
    again: int
    failed: int
    def __init__(
        self,
        sock: Socket,
        listener: int,
        local_of: Callable[[str], tuple[str, int]],
        on_failure: Callable[[Flow | None, int], bool],
        flows_max: int = ...,
        batch_max: int = ...,
    ) -> None: ...
    def receive(self, batch: list[object]) -> int: ...
    def send(self, sends: list[object]) -> list[object]: ...
    def flow_of(self, host: str, port: int) -> Flow: ...
    def flows_cached(self) -> int: ...
    def forget(self) -> None: ...
