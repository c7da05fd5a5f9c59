"""How strong one tone is in a recorded call: Goertzel's filter over a wave file."""

import math
import struct
import wave
from pathlib import Path


def samples(path: Path) -> tuple[int, list[int]]:
    """Rate in Hz and 16-bit samples of a mono wave file."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise ValueError(f"{path} is not 16-bit mono")
        data = file.readframes(file.getnframes())
        return file.getframerate(), [value for (value,) in struct.iter_unpack("<h", data)]


def energy(values: list[int]) -> float:
    """Mean square of the samples; 0 for none."""
    return sum(value * value for value in values) / len(values) if values else 0.0


def tone_part(values: list[int], rate_hz: int, tone_hz: float) -> float:
    """Part of the energy that lies at one frequency, 0..1 (1 = a clean tone).

    Goertzel: s[n] = x[n] + 2·cos(ω)·s[n−1] − s[n−2]; |X|² = s₁² + s₂² − 2·cos(ω)·s₁·s₂.
    """
    total = energy(values) * len(values)
    if not total:
        return 0.0
    factor = 2 * math.cos(2 * math.pi * tone_hz / rate_hz)
    one = two = 0.0
    for value in values:
        one, two = value + factor * one - two, one
    power = one * one + two * two - factor * one * two
    return min(1.0, 2 * power / (len(values) * total))


def heard(path: Path, tone_hz: float) -> float:
    """Largest tone_part over half-second windows of a file: robust against gaps and clicks."""
    rate, values = samples(path)
    window = rate // 2
    return max((tone_part(values[start:start + window], rate, tone_hz)
                for start in range(0, len(values) - window + 1, window)), default=0.0)
