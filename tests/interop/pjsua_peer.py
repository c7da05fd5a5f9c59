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
import json
import os
import sys
import time
from typing import Any

_LOOP_MS = 20
_RATE_HZ = 8_000


def say(event: str, **values: object) -> None:
    """One JSON line on standard output."""
    print(json.dumps({"event": event, **values}), flush=True)


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
    import pjsua2 as pj  # type: ignore[import-untyped]

    endpoint = _endpoint(pj, options)
    phone = _phone_classes(pj)(options)
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


def _endpoint(pj: Any, options: argparse.Namespace) -> Any:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = _RATE_HZ
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


def _phone_classes(pj: Any) -> Any:
    """The Phone class; made here because its bases exist only once pjsua2 is imported."""

    class Line(pj.Call):  # type: ignore[misc]
        """One call; tells its phone what happens. References are kept or SWIG frees them."""

        tone: Any
        recorder: Any

        def __init__(self, phone: "Phone", call_id: int = pj.PJSUA_INVALID_ID) -> None:
            super().__init__(phone, call_id)
            self.phone = phone
            self.tone = self.recorder = None

        def onCallState(self, _prm: Any) -> None:
            info = self.getInfo()
            self.phone.changed(info.state, info.lastStatusCode, info.lastReason)

        def onCallMediaState(self, _prm: Any) -> None:
            info = self.getInfo()  # kept by name: its media are freed together with it
            if self.tone is None and any(
                    media.type == pj.PJMEDIA_TYPE_AUDIO
                    and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE for media in info.media):
                self.connect()

        def connect(self) -> None:
            """Tone → conference → peer, and peer → recorder."""
            audio = self.getAudioMedia(-1)
            self.tone, self.recorder = pj.ToneGenerator(), pj.AudioMediaRecorder()
            self.tone.createToneGenerator(_RATE_HZ, 1)
            tones = pj.ToneDescVector()
            tone = pj.ToneDesc()
            tone.freq1, tone.freq2, tone.on_msec, tone.off_msec = self.phone.tone_hz, 0, 1_000, 0
            tones.append(tone)
            self.tone.play(tones, True)
            self.tone.startTransmit(audio)
            self.recorder.createRecorder(self.phone.wav)
            audio.startTransmit(self.recorder)

        def close_media(self) -> None:
            """Close the wave file, so that its length is written."""
            self.recorder = self.tone = None

    class Phone(pj.Account):  # type: ignore[misc]
        """An account without registration, with at most one call."""

        def __init__(self, options: argparse.Namespace) -> None:
            super().__init__()
            self.tone_hz, self.wav, self.talk_s = options.tone, options.wav, options.talk_s
            self.ended = self.was_confirmed = False
            self.hang_up_at = float("inf")
            self.line: Line | None = None
            config = pj.AccountConfig()
            config.idUri = f"sip:{options.number}@{options.host}"
            config.mediaConfig.transportConfig.boundAddress = options.host
            config.mediaConfig.transportConfig.publicAddress = options.host
            config.mediaConfig.transportConfig.port = options.port + 2
            config.mediaConfig.lockCodecEnabled = False  # no re-INVITE of its own after 200
            self.create(config)

        def dial(self, target: str) -> None:
            """Place the call."""
            self.line = Line(self)
            self.line.makeCall(target, pj.CallOpParam(True))

        def onIncomingCall(self, prm: Any) -> None:
            self.line = Line(self, prm.callId)
            for code in (180, 200):
                answer = pj.CallOpParam()
                answer.statusCode = code
                self.line.answer(answer)

        def changed(self, state: int, status: int, reason: str) -> None:
            """A state of the call."""
            if state == pj.PJSIP_INV_STATE_EARLY:
                say("ringing")
            elif state == pj.PJSIP_INV_STATE_CONFIRMED:
                self.was_confirmed = True
                say("confirmed")
                if self.talk_s:
                    self.hang_up_at = time.monotonic() + self.talk_s
            elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
                if self.line is not None:
                    self.line.close_media()
                self.ended = True
                say("ended", status=status, reason=reason)

        def tick(self, now_s: float) -> None:
            """Hang up when it is time."""
            if self.line is not None and now_s >= self.hang_up_at:
                self.hang_up_at = float("inf")
                self.line.hangup(pj.CallOpParam())

    return Phone


if __name__ == "__main__":
    main()
