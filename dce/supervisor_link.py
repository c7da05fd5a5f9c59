"""What the supervisor tells /metrics over a link of its own."""

from collections.abc import Sequence

from dce.child_process import Child
from dce.link import Handler
from vocabulary.commands import Metric, ReadStatistics, Request, Response, Statistics
from vocabulary.errors import CommandRefused

RESTARTS = "dce_child_restarts_total"
STUCK = "dce_child_stuck_total"
RUNS = "dce_child_runs"


def handler(children: Sequence[Child], restarts: dict[str, int]) -> Handler:
    """Answers ReadStatistics, and nothing else."""

    async def handle(request: Request) -> Response:
        if isinstance(request, ReadStatistics):
            return statistics(children, restarts)
        raise CommandRefused(
            "command_unknown", f"not for the supervisor: {type(request).__name__}"
        )

    return handle


def statistics(children: Sequence[Child], restarts: dict[str, int]) -> Statistics:
    """Three families, each by child."""
    rows: list[Metric] = []
    for child in children:
        label = (("child", child.name),)
        rows += [
            Metric(RESTARTS, "counter", "Times that a child ended by itself and was started again",
                   label, restarts[child.name]),
            Metric(STUCK, "counter", "Times that a child was killed because its loop was stuck",
                   label, child.stuck),
            Metric(RUNS, "gauge", "Whether the process of a child lives", label, int(child.runs)),
        ]
    return Statistics(tuple(rows), ())
