"""The phone of pjsua_peer: one account, at most one call, a tone out and a recorder in.

Imported only in the child process: importing it imports pjsua2.
"""

import argparse
import json
import time
from typing import Any

import pjsua2 as pj  # type: ignore[import-untyped]

RATE_HZ = 8_000


def say(event: str, **values: object) -> None:
    """One JSON line on standard output."""
    print(json.dumps({"event": event, **values}), flush=True)


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
        self.tone.createToneGenerator(RATE_HZ, 1)
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
