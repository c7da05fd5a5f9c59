"""Settings that hold a secret: which they are, how they are shown, and their files.

A secret comes from a YAML file, from DCE_DATABASE_URL or its like, or from the file that
DCE_DATABASE_URL_FILE names (a mounted secret, a systemd credential); never from a flag, since
every user of the machine can read a command line.
"""

import os
import re
import stat
from pathlib import Path

from vocabulary import limits
from vocabulary.errors import ConfigError

SECRETS = frozenset({
    "database.url", "database.record_url", "database.migration_url", "redis.url",
    "security.jwt_secret",
})
MASK = "***"
SUFFIX = "_FILE"
FROM_FILE = "file "  # how the origin of a value from such a file begins
GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO
IN_QUERY = re.compile(r"(?i)([?&][^=&#]*(?:pass|pwd|secret|token|key)[^=&#]*=)[^&#]*")


def shown(key: str, value: object) -> object:
    """The value as it may be printed: a URL without its password, another secret as ***."""
    if key not in SECRETS or not value:
        return value
    return masked_url(str(value)) if key.endswith("url") else MASK


def masked_url(text: str) -> str:
    """postgresql://dce:***@host/db. What is no URL at all is masked whole."""
    scheme, separator, rest = text.partition("://")
    if not separator or not scheme.isascii() or not scheme.isalnum():
        return MASK
    account, at, place = rest.rpartition("@")  # a password may hold an @ that is not escaped
    user, colon, _ = account.partition(":")
    head = f"{user}:{MASK}@" if colon else f"{account}{at}"
    return f"{scheme}://" + IN_QUERY.sub(rf"\1{MASK}", head + place)


def read_secret(path: str) -> str:
    """The text of a secret's file without the line end behind it. Raises ConfigError."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limits.config_bytes_max + 1)
        text = data.decode().rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: expected UTF-8 text") from None
    if not text or not text.isprintable():
        raise ConfigError(f"{path}: expected one line of text")
    return text


def open_to_others(origin: str) -> str:
    """The file that a secret came from, if its group or others may read or write it; else "".

    origin: "config.yaml:12", "file /run/secrets/x (environment …)", "environment …".
    """
    if origin.startswith("environment "):
        return ""
    if origin.startswith(FROM_FILE):
        path = origin[len(FROM_FILE) :].rpartition(" (")[0]
    else:
        path = origin.rpartition(":")[0]
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return ""
    return path if mode & GROUP_AND_OTHERS else ""
