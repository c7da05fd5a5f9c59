"""What operators and programs ask for across the link, and what comes back.

Commands inside a call live in each package's signals; these are the ones from outside: the api
process sends one, the signal worker validates, journals where money or configuration changes,
and answers after the fsync. Refusals come back as `Refusal`, never as a dropped connection.
"""

from typing import Annotated

from msgspec import Meta, Struct

from vocabulary import limits
from vocabulary.money import Micros

IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=200)]


class ApplyPlan(Struct, frozen=True, tag="apply_plan"):
    """Swap in a compiled plan. plan_path, bids_path: files that routing.compile wrote."""

    version: int
    plan_path: str
    bids_path: str


class TopUp(Struct, frozen=True, tag="top_up"):
    """Credit a buyer's balance. The same key again gives the first answer again."""

    account: str
    amount_micros: Annotated[int, Meta(gt=0, le=limits.money_micros_max)]
    currency: str
    idempotency_key: IdempotencyKey


class ListBalances(Struct, frozen=True, tag="list_balances"):
    """Every buyer's balance, holds and credit limit, every publisher's pending payout."""


class ListLiveCalls(Struct, frozen=True, tag="list_live_calls"):
    """The calls in progress, oldest first, at most `limit`."""

    limit: Annotated[int, Meta(ge=1, le=limits.page_rows_max)] = 100


class ReadStatistics(Struct, frozen=True, tag="read_statistics"):
    """Counters, gauges and histograms of the signal worker, for /metrics."""


class ReadHealth(Struct, frozen=True, tag="read_health"):
    """Whether the worker takes calls, and if not, why."""


class Drain(Struct, frozen=True, tag="drain"):
    """Take no new calls; running calls go on."""


Request = (
    ApplyPlan | TopUp | ListBalances | ListLiveCalls | ReadStatistics | ReadHealth | Drain
)


class Refusal(Struct, frozen=True, tag="refusal"):
    """The command was not carried out; see errors.CommandRefused."""

    code: str
    detail: str
    retry: bool = False


class PlanSwapped(Struct, frozen=True, tag="plan_swapped"):
    """The plan now routes calls; bid deltas are durable."""

    version: int
    bids_put: int
    bids_removed: int


class TopUpDone(Struct, frozen=True, tag="top_up_done"):
    """The top-up is durable. repeated: the key was seen before and nothing was posted again."""

    top_up_id: bytes
    account: str
    amount_micros: int
    balance_micros: int
    repeated: bool


class Balance(Struct, frozen=True):
    """One account. available = balance + credit limit − held."""

    account: str
    kind: str  # "buyer" | "publisher"
    balance_micros: int
    held_micros: Micros
    credit_limit_micros: Micros
    currency: str


class Balances(Struct, frozen=True, tag="balances"):
    """Answer to ListBalances."""

    rows: tuple[Balance, ...]


class LiveCall(Struct, frozen=True):
    """A call in progress; personal fields stay in the worker."""

    call_id: bytes
    state: str
    campaign: str
    publisher: str
    number: str
    buyer: str
    target: str
    started_wall_ns: int


class LiveCalls(Struct, frozen=True, tag="live_calls"):
    """Answer to ListLiveCalls. total: calls in progress, also those not listed."""

    rows: tuple[LiveCall, ...]
    total: int


class Histogram(Struct, frozen=True):
    """Cumulative-free bucket counts: counts[i] fell at or below bounds[i]; the last, above all."""

    name: str
    help: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class Metric(Struct, frozen=True):
    """A counter or gauge. labels: (name, value) pairs."""

    name: str
    kind: str  # "counter" | "gauge"
    help: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Statistics(Struct, frozen=True, tag="statistics"):
    """Answer to ReadStatistics; names already carry dce_ and their unit."""

    metrics: tuple[Metric, ...]
    histograms: tuple[Histogram, ...]


class Health(Struct, frozen=True, tag="health"):
    """ready: new calls are taken. reasons: why not (draining, journal_failed, no_plan, …)."""

    ready: bool
    reasons: tuple[str, ...]
    plan_version: int
    calls_live: int
    durable_seq: int


class Draining(Struct, frozen=True, tag="draining"):
    """Answer to Drain."""

    calls_live: int


Response = (
    Refusal | PlanSwapped | TopUpDone | Balances | LiveCalls | Statistics | Health | Draining
)
