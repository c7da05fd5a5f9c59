"""A PJSUA2 phone in a process of its own: places or answers one call, plays a tone, records.

    python -m tests.interop.pjsua_peer answer --host 127.0.0.7 --port 5070 --tone 620 --wav F
    python -m tests.interop.pjsua_peer call   --host 127.0.0.6 --port 5072 --tone 440 --wav F
                                              --target sip:+18005550000@127.0.0.1:5060 --talk-s 3

It writes one JSON object a line: {"event": "ready" | "ringing" | "confirmed" | "ended", …}.
The wave file holds what was heard, so the other end's tone is in it and not its own.

Why this way (PJSUA2 2.15 from the PyPI wheel): no worker threads and `mainThreadOnly`, because
callbacks of foreign threads crash the interpreter; our own event loop; `os._exit` at the end,
because its destructors run in the wrong order. PCMU gets the highest priority, or speex wins.
"""

import argparse
import os
import sys
import time
from typing import Any

import pjsua2 as pj  # type: ignore[import-untyped]

from tests.interop.pjsua_phone import RATE_HZ, Phone, say

_LOOP_MS = 20


def main() -> None:
    """Entry of the child process; leaves by os._exit with 0 after a call that was connected."""
    options = _options()
    try:
        status = _run(options)
    except Exception as error:  # the process ends here: its parent must see why
        say("error", text=f"{type(error).__name__}: {getattr(error, 'reason', error)}")
        status = 2
    sys.stdout.flush()
    os._exit(status)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("call", "answer"))
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", default="")
    parser.add_argument("--number", default="+12125550100")
    parser.add_argument("--tone", type=int, required=True, help="Hz")
    parser.add_argument("--wav", required=True)
    parser.add_argument("--talk-s", type=float, default=0, help="caller hangs up after this")
    parser.add_argument("--limit-s", type=float, default=40)
    return parser.parse_args()


def _run(options: argparse.Namespace) -> int:
    endpoint = _endpoint(options)
    phone = Phone(options)
    say("ready", port=options.port)
    if options.role == "call":
        phone.dial(options.target)
    ends_at = time.monotonic() + options.limit_s
    while not phone.ended and time.monotonic() < ends_at:
        endpoint.libHandleEvents(_LOOP_MS)
        phone.tick(time.monotonic())
    if not phone.ended:
        say("error", text="the call did not end in time")
    return 0 if phone.ended and phone.was_confirmed else 1


def _endpoint(options: argparse.Namespace) -> Any:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = RATE_HZ
    config.medConfig.noVad = True
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.port, transport.boundAddress = options.port, options.host
    transport.publicAddress = options.host
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.codecSetPriority("PCMU/8000/1", 255)
    return endpoint


if __name__ == "__main__":
    main()
