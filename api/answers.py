"""Answers of the signal worker, narrowed to the type a route expects."""

from typing import TypeVar

from api.deps import Ask
from vocabulary.commands import Refusal, Request
from vocabulary.errors import CommandRefused

T = TypeVar("T")


async def ask_for(ask: Ask, request: Request, kind: type[T]) -> T:
    """The answer, which must be of `kind`. Raises CommandRefused for a Refusal."""
    answer = await ask(request)
    if isinstance(answer, Refusal):
        raise CommandRefused(answer.code, answer.detail, retry=answer.retry)
    if not isinstance(answer, kind):
        raise CommandRefused("fault", f"the worker answered {type(answer).__name__}")
    return answer
