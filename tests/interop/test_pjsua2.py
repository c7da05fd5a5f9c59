"""PJSUA2 as caller and as buyer through the real server, with audio heard at both ends."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pytest

from tests.interop import peers
from tests.interop.calls import Lab
from tests.interop.plans import FIRST_HOST, Slot
from tests.interop.ports import free_port
from tests.interop.sipp import Order, Sipp, scenario
from tests.interop.tone import energy, heard, samples

pytestmark = [pytest.mark.interop]

CALLER_HOST = "127.0.0.6"
CALLER_HZ, BUYER_HZ = 440, 620
TALK_S = 2.0
TONE_PART_MIN = 0.9  # of the energy, in the best half second
ENERGY_MIN = 1_000_000.0  # mean square of 16-bit samples: far above any comfort noise


class Phone:
    """A PJSUA2 child process and the events that it writes."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.interop.pjsua_peer", *words],
            cwd=peers.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._output.close()

    @property
    def _output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def wait_for(self, event: str) -> dict[str, object]:
        """The next event of that name; AssertionError if the process ends or says error."""
        for line in self._output:
            if line.startswith('{"event"'):  # its library writes lines of its own before
                said: dict[str, object] = json.loads(line)
                assert said["event"] != "error", said
                if said["event"] == event:
                    return said
        raise AssertionError(f"the phone ended before {event!r}")


def caller(slot: Slot, lab: Lab, wav: Path) -> Phone:
    """A phone that calls the slot's number and hangs up after TALK_S."""
    return Phone("call", "--host", CALLER_HOST, "--port", str(free_port(CALLER_HOST)),
                 "--tone", str(CALLER_HZ), "--wav", str(wav), "--talk-s", str(TALK_S),
                 "--target", f"sip:{slot.number('one', 'udp')}@{lab.exchange.sip}")


def buyer(slot: Slot, wav: Path) -> Phone:
    """A phone at the address of the slot's first buyer."""
    return Phone("answer", "--host", FIRST_HOST, "--port", str(slot.first_port),
                 "--tone", str(BUYER_HZ), "--wav", str(wav))


def test_audio_is_heard_at_both_ends(lab: Lab, slot: Slot, tmp_path: Path) -> None:
    """Each end's recording holds the other's tone and not its own."""
    peers.require(peers.pjsua2())
    wavs = tmp_path / "caller.wav", tmp_path / "buyer.wav"
    with ExitStack() as stack:
        answering = stack.enter_context(buyer(slot, wavs[1]))
        answering.wait_for("ready")
        calling = stack.enter_context(caller(slot, lab, wavs[0]))
        for phone in (calling, answering):
            phone.wait_for("confirmed")
        for phone in (calling, answering):
            assert phone.wait_for("ended")["status"] == 200
            assert phone.process.wait(10) == 0
    for wav, far_hz, own_hz in ((wavs[0], BUYER_HZ, CALLER_HZ), (wavs[1], CALLER_HZ, BUYER_HZ)):
        assert energy(samples(wav)[1]) > ENERGY_MIN, wav.name
        assert heard(wav, far_hz) > TONE_PART_MIN, wav.name
        assert heard(wav, own_hz) < 1 - TONE_PART_MIN, wav.name


def test_pjsua2_calls_sipp(lab: Lab, slot: Slot, tmp_path: Path) -> None:
    """PJSUA2 as caller, SIPp as buyer."""
    peers.require(peers.pjsua2(), peers.sipp())
    host, port = slot.address("first")
    with Sipp(Order(scenario("buyer"), host, port), tmp_path / "buyer") as answering:
        answering.ready()
        with caller(slot, lab, tmp_path / "caller.wav") as calling:
            calling.wait_for("confirmed")
            assert calling.wait_for("ended")["status"] == 200
        assert answering.wait() == 0, answering.last_lines()


def test_sipp_calls_pjsua2(lab: Lab, slot: Slot, tmp_path: Path) -> None:
    """SIPp as caller, PJSUA2 as buyer."""
    peers.require(peers.pjsua2(), peers.sipp())
    with buyer(slot, tmp_path / "buyer.wav") as answering:
        answering.wait_for("ready")
        order = Order(scenario("caller_stays"), "127.0.0.3", free_port("127.0.0.3"),
                      remote=lab.exchange.sip, service=slot.number("one", "udp"), hold_ms=500)
        with Sipp(order, tmp_path / "caller") as calling:
            assert calling.wait() == 0, calling.last_lines()
        assert answering.wait_for("ended")["status"] == 200
