"""Exceptions of the exchange. Refusals of calls are values (see reasons), never exceptions.

Blame is in the type, after the manner of h11: Remote is the peer's fault, Local is ours.
"""


class ExchangeError(Exception):
    """Root of every exception that this project raises on purpose."""


class RemoteProtocolError(ExchangeError):
    """A peer sent bytes that break the protocol.

    status: SIP status the peer may be answered with (400, 413, 505 …), or 0: drop silently.
    reason: short phrase for the status line, without CR, LF or peer-controlled text.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class LocalProtocolError(ExchangeError):
    """Our own code asked for something its state does not allow. Ends that call only."""


class CommandRefused(ExchangeError):
    """An operator's or program's command cannot be carried out.

    code: stable machine word (`account_unknown`); detail: what was wrong and what to do.
    retry: whether the same command may succeed later unchanged.
    """

    def __init__(self, code: str, detail: str, *, retry: bool = False) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry = retry


class PlanRefused(ExchangeError):
    """A plan is not valid; holds every error as (path, message), never the first only."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in errors))
        self.errors = errors


class ConfigError(ExchangeError):
    """A setting is wrong. The text names file, line, key and what was expected."""


class JournalDamaged(ExchangeError):
    """The journal holds bytes that are not a torn tail. The text names file and offset.

    name, offset: of the segment, "" where no single one is meant; why: what is wrong there.
    """

    def __init__(self, text: str, name: str = "", offset: int = 0, why: str = "") -> None:
        super().__init__(text)
        self.name = name
        self.offset = offset
        self.why = why


class JournalNewer(ExchangeError):
    """A record of a kind that this version does not know: a newer one wrote it."""



class StorageFailed(ExchangeError):
    """A write or fsync failed; the file is never written again (reliability R7)."""
