"""Made sounds: a voice that is taken for speech, a steady tone, and 26 kinds of sound that nobody speaks."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import scipy.signal

_VOWELS_HZ: Final = (
    (730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410), (300, 870, 2240), (660, 1720, 2410),
)  # fmt: skip


def harmonic_tone(duration_s: float = 1.0, pitch_hz: float = 150.0, sample_rate: int = 16_000) -> np.ndarray:
    """A harmonic tone that swells and fades four times a second; float32, peak about 0.5."""
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    partials = sum(
        np.sin(2 * np.pi * n * pitch_hz * time_s) / n for n in range(1, 12) if n * pitch_hz < sample_rate / 2
    )
    return (0.25 * partials * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _voice(duration_s: float, pitch_hz: float, sample_rate: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = round(duration_s * sample_rate)
    out, start = np.zeros(n), 0
    while start < n:
        if rng.random() < 0.3:
            end = min(start + round(rng.uniform(0.04, 0.08) * sample_rate), n)
            out[start:end] = _fricative(rng, end - start, sample_rate)
            start = end
        end = min(start + round(rng.uniform(0.09, 0.2) * sample_rate), n)
        if end - start < 0.02 * sample_rate:
            break
        out[start:end] = _syllable(rng, end - start, pitch_hz, sample_rate)
        start = end
        if rng.random() < 0.3:
            start += round(rng.uniform(0.02, 0.06) * sample_rate)
    out *= 0.5 / max(np.abs(out).max(), 1e-9)
    out.setflags(write=False)
    return out.astype(np.float32)


def voice(duration_s: float = 1.0, pitch_hz: float = 150.0, sample_rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Syllables of changing vowels with hisses between them; float32, peak 0.5.

    A source of glottal pulses through three formants: enough of a voice that a speech detector takes it for one.
    """
    return _voice(float(duration_s), float(pitch_hz), int(sample_rate), seed).copy()


def _fricative(rng: np.random.Generator, n: int, sample_rate: int) -> np.ndarray:
    lowest_hz = min(rng.uniform(1500, 3500), 0.3 * sample_rate)
    sections = scipy.signal.butter(2, lowest_hz, "highpass", fs=sample_rate, output="sos")
    return scipy.signal.sosfilt(sections, rng.standard_normal(n)) * np.hanning(n) * 0.06


def _syllable(rng: np.random.Generator, n: int, pitch_hz: float, sample_rate: int) -> np.ndarray:
    place = np.arange(n) / max(n, 1)
    cycles = np.cumsum(pitch_hz * (1 + rng.uniform(-0.12, 0.12) * (place - 0.5) * 2)) / sample_rate
    pulses = -np.diff(2 * (cycles % 1) - 1, prepend=0.0) + 0.02 * rng.standard_normal(n)
    first, last = (np.array(_VOWELS_HZ[rng.integers(len(_VOWELS_HZ))], float) for _ in range(2))
    spoken, half = np.zeros(n), n // 2
    for part, formants_hz in ((slice(0, half), first), (slice(half, n), (first + last) / 2)):
        for number, hz in enumerate(formants_hz):
            if hz < 0.45 * sample_rate:
                radius = np.exp(-np.pi * (60 + 40 * number) / sample_rate)
                poles = [1, -2 * radius * np.cos(2 * np.pi * hz / sample_rate), radius**2]
                spoken[part] += scipy.signal.lfilter([1 - radius], poles, pulses)[part] / (1 + 0.7 * number)
    spoken *= np.sqrt(np.sin(np.pi * place)) * rng.uniform(0.6, 1)
    return 0.4 * spoken / max(np.abs(spoken).max(), 1e-9)
