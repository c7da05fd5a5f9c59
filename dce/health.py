"""`dce health`: ask the running server whether it lives, or whether it takes calls; for probes."""

import http.client
import sys

from dce.config import Config
from sip.edge.address import WILDCARDS

ANSWER_S = 4.0
FAILED = 1


def health(config: Config, *, ready: bool) -> int:
    """GET /healthz, or /readyz, of http.listen; prints the answer. 0 for 200, else 1."""
    host, port = config.http.address()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}[host] if host in WILDCARDS else host
    link = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        link.request("GET", "/readyz" if ready else "/healthz")
        answer = link.getresponse()
        print(answer.read().decode(errors="replace"))
        return 0 if answer.status == 200 else FAILED
    except (OSError, http.client.HTTPException) as error:
        print(f"dce: no answer on {host} port {port}: {error}", file=sys.stderr)
        return FAILED
    finally:
        link.close()
