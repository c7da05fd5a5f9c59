"""Structured logs: one JSON object a line in production, readable lines in development.

A line of a call carries its call id (`bound`). No personal data (numbers, names, addresses of
callers) at info or above: who logs passes ids. Every value is escaped, so that a peer's text
cannot start a line of its own.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from vocabulary import limits
from vocabulary.ids import uuid_text

DEVELOPMENT = "development"

Event = MutableMapping[str, Any]


def configure_logs(
    level: str, environment: str, process: str, stream: TextIO | None = None
) -> None:
    """Send structlog and the standard library's loggers to one stream (None: stderr).

    level: "debug" | "info" | "warning" | "error"; process: name that every line carries.
    """
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        structlog.processors.format_exc_info,
        escape_values,
    ]
    structlog.configure(
        processors=[*chain[:-2], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *chain[:-2]],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *chain[-2:],
                _renderer(environment),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def bound(call_id: bytes) -> Any:
    """A logger whose lines carry the id of one call (16 bytes)."""
    return structlog.get_logger("dce.call").bind(call_id=uuid_text(call_id))


def escape_values(_logger: Any, _method: str, event: Event) -> Event:
    """Bytes become text, control characters become escapes, long values are cut."""
    for key, value in event.items():
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        if isinstance(value, str) and key != "exception":
            event[key] = _escaped(value)
    return event


def _escaped(text: str) -> str:
    if not text.isprintable():
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    longest = limits.log_value_characters_max
    return text if len(text) <= longest else text[:longest] + "…"


def _named(process: str) -> Any:
    def add(_logger: Any, _method: str, event: Event) -> Event:
        event.setdefault("process", process)
        return event

    return add


def _renderer(environment: str) -> Any:
    if environment == DEVELOPMENT:
        return structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    return structlog.processors.JSONRenderer()
