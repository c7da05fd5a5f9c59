"""What the api process is given: callables and small interfaces, so that it imports no edge.

Each may raise CommandRefused; `retry=True` becomes 503 with Retry-After.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from vocabulary.commands import Health, Request, Response, Statistics

Ask = Callable[[Request], Awaitable[Response]]


class CallFilter(Struct, frozen=True):
    """Which calls to list; "" and None mean every one. Instants: Unix ns, from ≤ t < to."""

    campaign: str = ""
    publisher: str = ""
    buyer: str = ""
    target: str = ""
    number: str = ""
    disposition: int = 0
    qualified: bool | None = None
    from_ns: int | None = None
    to_ns: int | None = None


class Records(Protocol):
    """Finished calls, as recorded in PostgreSQL; rows are JSON-ready mappings."""

    async def list_calls(
        self, chosen: CallFilter, before: bytes | None, rows_max: int
    ) -> list[tuple[bytes, Mapping[str, Any]]]:
        """(position, row) newest first, those before a position."""

    async def read_call(self, call_id: bytes) -> Mapping[str, Any] | None:
        """One call with attempts, auction, decision and postings; None if it is not recorded."""


class CurrentPlan(Struct, frozen=True):
    """The plan that was applied last. source: its JSON text; digest: of that text."""

    version: int
    digest: str
    source: bytes


class AppliedPlan(Struct, frozen=True):
    """What applying a plan did."""

    version: int
    digest: str
    warnings: tuple[str, ...]
    bids_put: int
    bids_removed: int


class Plans(Protocol):
    """Versions of the plan."""

    async def current(self) -> CurrentPlan | None:
        """The last one applied; None before the first."""

    async def apply(self, document: object, expected_digest: str | None) -> AppliedPlan:
        """Validate, compile, record and swap in. Raises PlanRefused, CommandRefused.

        expected_digest: refuse with plan_changed unless it is that of the current plan; "" stands
        for "there is none yet", None for no condition.
        """


class Deps(Struct, frozen=True):
    """Everything the application uses.

    ask: the signal worker over the link. record_statistics, record_health: of the record worker;
    supervisor_statistics: of who starts them all.
    find_token: name of a token's hash. database_up: whether PostgreSQL answered last time.
    """

    ask: Ask
    record_statistics: Callable[[], Awaitable[Statistics]]
    supervisor_statistics: Callable[[], Awaitable[Statistics]]
    record_health: Callable[[], Awaitable[Health]]
    records: Records
    plans: Plans
    find_token: Callable[[bytes], str | None]
    database_up: Callable[[], Awaitable[bool]]
    cursor_key: bytes
