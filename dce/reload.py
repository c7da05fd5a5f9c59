"""SIGHUP: the settings are read again; a wrong one changes nothing, and what cannot change is said.

```
SIGHUP ─► supervisor: read, compare ─┬─ wrong ─► each line to the log, the old settings stay
                                     └─ log_level ─► here, and by SIGHUP in every child
```
The plan has its own way, `dce plan apply`; everything else takes effect at the next start.
"""

import logging
from collections.abc import Callable

from dce.config import Config
from dce.telemetry import configure_logs
from vocabulary.errors import ConfigError

RELOADED = frozenset({"log_level"})

log = logging.getLogger("dce.reload")


class Reloader:
    """The settings of one process. again: reads them anew, from where they came. Raises
    ConfigError."""

    def __init__(self, config: Config, again: Callable[[], Config], process: str) -> None:
        self.config = config
        self._again = again
        self._process = process

    def reload(self) -> bool:
        """Take what may change while calls run; whether the settings could be read."""
        try:
            found = self._again()
        except ConfigError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
            log.error("the settings are wrong, the old ones stay")
            return False
        waiting = sorted(
            key for key, value in found.values().items()
            if value != self.config.values()[key] and key not in RELOADED
        )
        self.config = found
        configure_logs(found.log_level, found.environment, self._process)
        log.warning("settings read again, log_level is %s", found.log_level)
        if waiting:
            log.warning("these take effect at the next start: %s", ", ".join(waiting))
        return True
